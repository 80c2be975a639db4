"""The whole of it on true llama.cpp engines, driven by the real OpenAI client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import openai
import pytest

from tests.processes import Client, until

pytestmark = pytest.mark.real


GO = [{"role": "user", "content": "go"}]


async def chat(client: openai.AsyncOpenAI, model: str, words: int = 4) -> str:
    answer = await client.chat.completions.create(model=model, messages=GO, max_tokens=words)
    return answer.choices[0].message.content or ""


async def test_models_swap_and_each_answers_with_its_own_voice(serve, ask):
    client = ask(serve())
    assert [m.id async for m in client.models.list()] == ["alpha", "gpt-4o", "beta", "embed", "rerank"]
    for model, voice in (("alpha", "alpha"), ("beta", "beta"), ("gpt-4o", "alpha")):
        assert (await chat(client, model)).split()[0] == voice


async def test_a_stream_comes_word_by_word_and_ends_well(serve, ask):
    client = ask(serve())
    stream = await client.chat.completions.create(
        model="alpha", messages=GO, max_tokens=50, stream=True, stream_options={"include_usage": True}
    )
    words, usage = [], None
    async for chunk in stream:
        usage = chunk.usage or usage
        words += [c.delta.content for c in chunk.choices if c.delta.content]
    assert "".join(words).split() == ["alpha", *map(str, range(1, 50))]
    assert len(words) > 10
    assert usage.completion_tokens == 50


async def test_a_notes_search_with_chat_embeddings_and_rerank_behind_one_url(serve, ask, connect):
    daemon = serve("{engines: 3}")
    client, http = ask(daemon), (await connect(daemon)).http
    for _ in range(2):
        assert (await chat(client, "alpha")).split()[0] == "alpha"
        vectors = await client.embeddings.create(model="embed", input=["happy dog", "happy dog", "sunny day"])
        same, other = (cosine(vectors.data[0].embedding, v.embedding) for v in vectors.data[1:])
        assert same > 0.99 > other
        body = {"model": "rerank", "query": "red fox", "documents": ["blue whale", "a red fox ran"]}
        async with http.post("/v1/rerank", json=body) as answer:
            scores = {r["index"]: r["relevance_score"] for r in (await answer.json())["results"]}
        assert scores[1] > scores[0]
    status = Client(http)
    runs = [(await status.model(name))["run"] for name in ("alpha", "embed", "rerank")]
    assert runs == [1, 1, 1], "all three fit, so nothing was swapped"


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


async def test_an_engines_own_error_arrives_word_for_word(serve, ask):
    client = ask(serve())
    with pytest.raises(openai.APIStatusError) as caught:
        await client.completions.create(model="alpha", prompt="x" * 20_000)
    assert caught.value.status_code == 400
    assert caught.value.body["type"] == "exceed_context_size_error"


async def test_two_requests_share_the_slots_of_one_engine(serve, ask, connect):
    daemon = serve()
    client, status = ask(daemon), await connect(daemon)
    texts = await asyncio.gather(*(chat(client, "alpha", 100) for _ in range(4)))
    assert len(set(texts)) == 1
    assert (await status.model("alpha"))["run"] == 1


async def test_a_missing_model_file_is_told_with_the_engines_own_words(serve, ask, connect):
    daemon = serve(gone='path: "/no/such.gguf"')
    client, operator = ask(daemon), await connect(daemon)
    daemon.wait_line("such.gguf")  # a warning at start, and the rest is served
    for _ in range(5):  # llama-server (b10434) may end before its last words are out, if others compute
        with pytest.raises(openai.APIStatusError) as caught:
            await chat(client, "gone")
        assert caught.value.status_code == 502
        assert caught.value.code == "engine_start_failed"
        if "/no/such.gguf" in caught.value.message:
            break
        async with operator.http.post("/admin/models/gone/load") as again:
            assert again.status == 502
    assert "/no/such.gguf" in caught.value.message
    assert (await chat(client, "alpha")).split()[0] == "alpha"


async def test_a_wrong_flag_is_told_with_the_engines_own_words_and_a_hint(serve, ask):
    client = ask(serve(odd='path: "${gguf}/alpha.gguf", args: [--no-such-flag]'))
    with pytest.raises(openai.APIStatusError) as caught:
        await chat(client, "odd")
    assert "--no-such-flag" in caught.value.message
    assert "Hint:" in caught.value.message


async def test_an_engine_killed_mid_stream_raises_in_the_client(serve, ask, connect, slow_model):
    daemon = serve(slow=f'path: "{slow_model}"')
    client, status = ask(daemon), await connect(daemon)
    stream = await client.chat.completions.create(model="slow", messages=GO, stream=True)
    with pytest.raises(openai.APIError, match="died"):
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                pid = (await status.model("slow"))["pid"]
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):  # of the words that were on their way
                        os.kill(pid, signal.SIGKILL)


async def test_a_client_that_leaves_a_stream_stops_the_engine_computing(serve, ask, connect, slow_model):
    daemon = serve(slow=f'path: "{slow_model}"')
    client, status = ask(daemon), await connect(daemon)
    stream = await client.chat.completions.create(model="slow", messages=GO, stream=True)
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    await stream.close()

    async def idle():
        if (await status.model("slow"))["leases"]:
            return False
        async with status.http.get("/upstream/slow/slots") as answer:
            return not any(slot["is_processing"] for slot in await answer.json())

    await until(idle, 10)


async def test_unload_and_sigterm_leave_nothing(serve, ask, connect):
    daemon = serve("{engines: 2}")
    client, status = ask(daemon), await connect(daemon)
    await chat(client, "alpha")
    await chat(client, "beta")
    async with status.http.post("/admin/models/alpha/unload") as answer:
        assert answer.status == 200
    assert await status.is_in("alpha", "cold")
    assert await status.is_in("beta", "ready")
    socket = Path((await status.model("beta"))["endpoint"].removeprefix("unix:"))
    assert socket.is_socket()
    assert await asyncio.to_thread(daemon.stop) == 0  # and the fixture looks for leftovers
    assert not socket.exists()
