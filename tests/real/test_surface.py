"""What a true engine answers at each door, driven by the clients that come there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import pytest

from tests.processes import Running

pytestmark = pytest.mark.real
GO: Any = [{"role": "user", "content": "go"}]


@pytest.fixture
async def claude() -> AsyncIterator[Callable[[Running], anthropic.AsyncAnthropic]]:
    """``claude(daemon)``: Anthropic's client of it."""
    clients: list[anthropic.AsyncAnthropic] = []

    def client(daemon: Running) -> anthropic.AsyncAnthropic:
        clients.append(anthropic.AsyncAnthropic(base_url=daemon.url, api_key="any", max_retries=0, timeout=30))
        return clients[-1]

    yield client
    for opened in clients:
        await opened.close()


async def test_anthropics_client_chats_streams_and_counts(serve, claude):
    client = claude(serve())
    answer = await client.messages.create(model="alpha", messages=GO, max_tokens=4)
    assert answer.content[0].text.split() == ["alpha", "1", "2", "3"]
    assert (answer.usage.output_tokens, answer.stop_reason) == (4, "max_tokens")
    async with client.messages.stream(model="gpt-4o", messages=GO, max_tokens=20) as stream:
        words = [text async for text in stream.text_stream]
    assert "".join(words).split() == ["alpha", *map(str, range(1, 20))]
    assert (await client.messages.count_tokens(model="alpha", messages=GO)).input_tokens > 0


async def test_it_is_told_in_its_own_words_of_a_model_that_there_is_not(serve, claude):
    with pytest.raises(anthropic.NotFoundError) as refused:
        await claude(serve()).messages.create(model="nobody", messages=GO, max_tokens=4)
    assert refused.value.body["error"]["type"] == "not_found_error"
    assert "cannot find model 'nobody'" in str(refused.value)


async def test_openais_client_has_responses(serve, ask):
    client = ask(serve())
    answer = await client.responses.create(model="alpha", input="go", max_output_tokens=4)
    assert answer.output_text.split() == ["alpha", "1", "2", "3"]
    stream = await client.responses.create(model="alpha", input="go", max_output_tokens=4, stream=True)
    text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
    assert text.split() == ["alpha", "1", "2", "3"]


async def test_llama_servers_own_doors_need_no_model_where_one_is_up(serve, ask, connect):
    daemon = serve()
    http = (await connect(daemon)).http
    async with http.post("/tokenize", json={"content": "go"}) as nobody:
        assert (nobody.status, (await nobody.json())["error"]["code"]) == (400, "model_required")
    async with http.post("/tokenize?model=alpha", json={"content": "go"}) as told:
        tokens = (await told.json())["tokens"]
    async with http.post("/detokenize", json={"tokens": tokens}) as told:
        assert (await told.json())["content"].strip() == "go"
    async with http.post("/completion", json={"prompt": "go", "n_predict": 4}) as told:
        assert (await told.json())["content"].split()[0] == "alpha"
    async with http.post("/apply-template", json={"messages": GO}) as told:
        assert "go" in (await told.json())["prompt"]
    async with http.get("/slots") as told:
        assert told.status in (200, 501)
        assert told.headers["X-Swapd-Model"] == "alpha"
    async with http.get("/lora-adapters") as told:
        assert await told.json() == []
    async with http.post(
        "/v2/rerank", json={"model": "rerank", "query": "dog", "documents": ["cat", "dog"]}
    ) as told:
        assert max((await told.json())["results"], key=lambda found: found["relevance_score"])["index"] == 1
