"""Ollama's own clients, for Python and for JavaScript, with true engines behind the doors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ollama
import pytest

from tests.processes import Running, until
from tests.real.javascript import tell
from tests.tiny_gguf import write_caller

pytestmark = pytest.mark.real
GO: Any = [{"role": "user", "content": "go"}]
FOUR: Any = {"num_predict": 4, "num_ctx": 99}
LOOK: Any = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {}}}
COUNTED = ["alpha", "1", "2", "3"]


@pytest.fixture
def daemon(serve, tmp_path) -> Running:
    """One with alpha, embed, and caller, which thinks, speaks and calls two tools whatever it is asked."""
    path, flags = write_caller(tmp_path)
    return serve("{engines: 3}", caller=f'path: "{path}", args: {json.dumps(flags)}')


@pytest.fixture
async def client(daemon) -> AsyncIterator[ollama.AsyncClient]:
    """The Python client."""
    opened = ollama.AsyncClient(host=daemon.url, timeout=30)
    yield opened
    await opened._client.aclose()


async def up(client: ollama.AsyncClient) -> set[str | None]:
    return {model.name for model in (await client.ps()).models}


async def test_it_chats_whole_and_in_a_stream_and_hears_what_it_took(client):
    answer = await client.chat("alpha", GO, options=FOUR)
    assert (answer.message.content.split(), answer.done_reason) == (COUNTED, "length")
    assert (answer.model, answer.eval_count) == ("alpha", 4)
    assert answer.total_duration >= answer.load_duration > 0 < answer.eval_duration
    lines = [line async for line in await client.chat("gpt-4o:latest", GO, options=FOUR, stream=True)]
    assert "".join(line.message.content for line in lines).split() == COUNTED
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert len(lines) >= 4 and lines[-1].prompt_eval_count > 0
    lines = [line async for line in await client.generate("alpha", "go", options=FOUR, stream=True)]
    assert "".join(line.response for line in lines).split() == COUNTED
    raw = await client.generate("alpha", "go", raw=True, options={"num_predict": 12}, format={"type": "object"})
    assert raw.response.startswith("{")


async def test_it_thinks_calls_tools_and_is_answered(client):
    lines = [line async for line in await client.chat("caller", GO, tools=[LOOK], think=True, stream=True)]
    calls = [call for line in lines for call in line.message.tool_calls or []]
    assert [(call.function.name, dict(call.function.arguments)) for call in calls] == [
        ("look", {"at": 1}),
        ("look", {}),
    ]
    assert "".join(line.message.thinking or "" for line in lines).strip() == "hm"
    said = (await client.chat("caller", GO, tools=[LOOK])).message
    assert len(said.tool_calls) == 2 and said.content.strip() == "Let me."
    seen = [{"role": "tool", "tool_name": "look", "content": "dark"}] * 2
    again = await client.chat("caller", [*GO, said, *seen], tools=[LOOK])
    assert again.prompt_eval_count > 0 and len(again.message.tool_calls) == 2


async def test_it_embeds(client):
    found = await client.embed("embed", ["the dog", "a dog", "two trees"])
    assert len(found.embeddings) == 3 and found.prompt_eval_count > 0

    def near(one: Any, other: Any) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    dog, another, trees = found.embeddings
    assert near(dog, another) > near(dog, trees)
    assert len((await client.embeddings("embed", "the dog")).embedding) == len(dog)


async def test_it_lists_shows_loads_keeps_and_unloads(client, daemon, connect):
    operator = await connect(daemon)
    assert {"alpha", "gpt-4o", "embed"} <= {model.model for model in (await client.list()).models}
    assert await up(client) == set()
    assert (await client.chat("alpha", keep_alive="2h")).done_reason == "load"
    assert await up(client) == {"alpha", "gpt-4o"}
    row = (await client.ps()).models[0]
    assert timedelta(minutes=119) < row.expires_at - datetime.now(UTC) <= timedelta(hours=2)
    assert (row.context_length, len(row.digest)) == (1024, 64)
    shown = await client.show("alpha")
    assert shown.modelinfo[shown.modelinfo["general.architecture"] + ".context_length"] == 1024
    assert "completion" in shown.capabilities and shown.details.format == "gguf"
    assert (await client.generate("alpha", keep_alive=0)).done_reason == "unload"
    await until(lambda: operator.is_in("alpha", "cold"))
    assert (await client.chat("alpha", GO, options=FOUR, keep_alive=0)).message.content
    await until(lambda: operator.is_in("alpha", "cold"))  # by its ttl: it was kept for no moment longer


async def test_it_raises_in_ollamas_words(client):
    with pytest.raises(ollama.ResponseError, match="model 'nobody' not found") as refused:
        await client.chat("nobody", GO)
    assert refused.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="model 'nobody' not found"):
        [line async for line in await client.chat("nobody", GO, stream=True)]
    with pytest.raises(ollama.ResponseError, match="cannot pull models") as refused:
        await client.pull("new")
    assert refused.value.status_code == 501
    assert await up(client) == set()


def test_the_client_for_javascript_gets_what_it_needs(daemon):
    told = tell("ollama", "ollama.cjs", daemon.url)
    assert told["chat"]["message"]["content"].split() == COUNTED
    for stream, said in (
        ("stream", lambda line: line["message"]["content"]),
        ("generate", lambda line: line["response"]),
    ):
        assert "".join(map(said, told[stream])).split() == COUNTED
        assert (told[stream][-1]["done_reason"], told[stream][-1]["eval_count"]) == ("length", 4)
    calls = [call["function"] for line in told["calls"] for call in line["message"].get("tool_calls", [])]
    assert [(call["name"], call["arguments"]) for call in calls] == [("look", {"at": 1}), ("look", {})]
    assert len(told["embed"]["embeddings"]) == 2
    assert told["embeddings"]["embedding"] == told["embed"]["embeddings"][0]
    assert "completion" in told["show"]["capabilities"]
    assert (told["before"]["models"], told["unload"]["done_reason"]) == ([], "unload")
    assert {model["name"] for model in told["ps"]["models"]} == {"alpha", "gpt-4o", "caller", "embed"}
    assert {"alpha", "rerank"} <= {model["model"] for model in told["list"]["models"]}
    assert told["unknown"] == {"status": 404, "message": told["unknown"]["message"]}
    assert "model 'nobody' not found" in told["unknown"]["message"]
    assert (told["pull"]["status"], "version" in told["version"]) == (501, True)
