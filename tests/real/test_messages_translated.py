"""Anthropic's API where the engine has only chat, held against what the same engine says where it has both."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from swapd.web.anthropic.answer import Answer
from swapd.web.anthropic.words import chat_of
from tests.real.conftest import Engine
from tests.tiny_gguf import write_caller

pytestmark = pytest.mark.real
GO: Any = [{"role": "user", "content": "go"}]
LOOK: Any = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The flags of an engine whose model says what CALLER_SAYS is: it thinks, speaks and calls two tools."""
    path, flags = write_caller(tmp_path_factory.mktemp("caller"))
    return ["-m", str(path), *flags]


@pytest.fixture(scope="module")
def both(start_engine, engine_binaries, tiny_models, caller) -> Iterator[dict[str, Engine]]:
    """An engine that counts and one that calls tools."""
    counts = ["-m", str(tiny_models / "alpha.gguf")]
    with start_engine(engine_binaries, *counts) as alpha, start_engine(engine_binaries, *caller) as calls:
        for engine in (alpha, calls):
            engine.watch(until=200)
        yield {"counts": alpha, "calls": calls}


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("counts", {"max_tokens": 5}),
    ("counts", {"max_tokens": 9, "stop_sequences": ["3"], "system": "Count."}),
    ("calls", {"max_tokens": 90, "tools": [LOOK]}),
    ("calls", {"max_tokens": 90, "tools": [LOOK], "tool_choice": {"type": "tool", "name": "look"}}),
    (
        "calls",
        {
            "max_tokens": 90,
            "tools": [LOOK],
            "messages": [
                *GO,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": ""},
                        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "nothing"}]},
            ],
        },
    ),
]


def posted(engine: Engine, path: str, body: dict[str, Any]) -> bytes:
    request = urllib.request.Request(
        engine.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: bytes = answer.read()
    return found


def data_of(stream: bytes) -> list[bytes]:
    return [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: ")]


def translated(engine: Engine, body: dict[str, Any]) -> bytes:
    answer = Answer(body, "asked")
    told = posted(engine, "/v1/chat/completions", chat_of(body))
    if not answer.streams:
        return answer.whole(told)
    return b"".join(answer.event(data) for data in data_of(told) if data != b"[DONE]") + answer.end()


def without_names(found: Any) -> Any:
    """An event or a message without what is another every time, and with all its tokens in one figure."""
    match found:
        case dict():
            kept = {key: without_names(value) for key, value in found.items() if key not in ("id", "usage")}
            if found.get("type") == "tool_use":
                kept.setdefault("input", {})  # llama-server leaves it out where a stream begins one
            if found.get("type") == "thinking":
                kept.setdefault("signature", "")
            return kept
        case list():
            return [without_names(each) for each in found]
        case _:
            return found


def tokens(*usages: dict[str, int]) -> tuple[int, int]:
    """Of the prompt, however much of it was in the cache, and of the answer."""
    last: dict[str, int] = {}
    for usage in usages:
        last |= usage
    return last["input_tokens"] + last["cache_read_input_tokens"], last["output_tokens"]


@pytest.mark.parametrize(("model", "asked"), ASKED)
def test_a_whole_answer_is_what_the_engine_itself_would_say(both, model, asked):
    body = {"messages": GO} | asked
    own = json.loads(posted(both[model], "/v1/messages", body))
    told = json.loads(translated(both[model], body))
    assert tokens(told["usage"]) == tokens(own["usage"])
    # It keeps to itself which stop sequence it met: in chat it says nothing of it.
    assert without_names(told) == without_names(own) | {"stop_sequence": None}


@pytest.mark.parametrize(("model", "asked"), ASKED)
def test_a_stream_has_the_same_blocks_to_the_event(both, model, asked):
    body = {"messages": GO, "stream": True} | asked
    own, told = (
        [json.loads(data) for data in data_of(stream)]
        for stream in (posted(both[model], "/v1/messages", body), translated(both[model], body))
    )
    assert by_block(told) == by_block(own)
    counts = [tokens(events[0]["message"]["usage"], events[-2]["usage"]) for events in (told, own)]
    assert counts[0] == counts[1]


def by_block(events: list[dict[str, Any]]) -> dict[Any, list[Any]]:
    """llama-server ends its blocks all at once, after the last; Anthropic and we end each before the next."""
    found = defaultdict(list)
    for event in events:
        if event["type"] == "message_delta":
            event["delta"]["stop_sequence"] = None
        found[event.get("index")].append(without_names(event))
    return dict(found)


@pytest.fixture
async def claude(start, engine_binaries, tiny_models, caller, tmp_path) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's client of a daemon of whose engines only chat may be asked."""
    binary = tmp_path / "engine"
    binary.write_text(f'#!/bin/sh\nexec {shlex.join(engine_binaries)} "$@"\n')
    binary.chmod(0o755)
    path, *flags = caller[1:]
    daemon = start(f"""
listen: 127.0.0.1:0
budget: {{engines: 2}}
defaults:
  binary: "{binary}"
  threads: 1
  context: 4096
  env: {{PYTHONPATH: "{Path.cwd()}"}}
  capabilities: [chat, tools]
models:
  alpha: {{path: "{tiny_models}/alpha.gguf", aliases: [claude-at-home]}}
  caller: {{path: "{path}", args: {json.dumps(flags)}}}
""")
    async with anthropic.AsyncAnthropic(base_url=daemon.url, api_key="any", max_retries=0, timeout=30) as client:
        yield client


async def test_anthropics_client_talks_to_an_engine_that_has_only_chat(claude):
    answer = await claude.messages.create(model="claude-at-home", messages=GO, max_tokens=4)
    assert answer.content[0].text.split() == ["alpha", "1", "2", "3"]
    assert (answer.usage.output_tokens, answer.stop_reason) == (4, "max_tokens")
    async with claude.messages.stream(model="alpha", messages=GO, max_tokens=20) as stream:
        words = "".join([text async for text in stream.text_stream])
        last = await stream.get_final_message()
    assert words.split() == ["alpha", *map(str, range(1, 20))]
    assert (last.usage.output_tokens, last.stop_reason) == (20, "max_tokens")
    assert last.usage.input_tokens + last.usage.cache_read_input_tokens > 0


async def test_it_calls_tools_and_is_answered(claude):
    talk = list(GO)
    async with claude.messages.stream(model="caller", messages=talk, tools=[LOOK], max_tokens=90) as stream:
        said = await stream.get_final_message()
    assert [block.type for block in said.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block.input for block in said.content[2:]] == [{"at": 1}, {}]
    assert said.stop_reason == "tool_use"
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "dark"} for block in said.content[2:]]
    talk += [said.to_param(), {"role": "user", "content": results}]
    again = await claude.messages.create(model="caller", messages=talk, tools=[LOOK], max_tokens=90)
    assert again.content[-1].name == "look"


async def test_it_is_told_in_its_own_words_what_cannot_be(claude):
    paper: Any = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
    }
    with pytest.raises(anthropic.BadRequestError, match=r"messages[.]0[.]content[.]0[.]source.*send its text"):
        await claude.messages.create(model="alpha", messages=[{"role": "user", "content": [paper]}], max_tokens=4)
    with pytest.raises(anthropic.BadRequestError, match="Field 'temperature'") as refused:
        await claude.messages.create(model="alpha", messages=GO, max_tokens=4, extra_body={"temperature": "hot"})
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    with pytest.raises(anthropic.APIStatusError) as uncounted:
        await claude.messages.count_tokens(model="alpha", messages=GO)
    assert uncounted.value.status_code == 501
