"""What an engine that has only chat answers, told to Anthropic's clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from swapd.web.anthropic.answer import Answer


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def used(**given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t1", "name": "look", "input": given}


COUNTED = {"prompt_tokens": 32, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 31}}
USED = {
    "input_tokens": 1,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 31,
    "output_tokens": 4,
}


def completion(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    return json.dumps({"id": "chatcmpl-1", "model": "own", "choices": [choice], "usage": COUNTED}).encode()


def told_whole(body: bytes, **asked: Any) -> dict[str, Any]:
    return json.loads(Answer(asked, "asked").whole(body))


def test_a_whole_answer_is_a_message_of_its_sdk():
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    told = told_whole(
        completion({"content": "Let me.", "reasoning_content": "hm", "tool_calls": [call]}, "tool_calls")
    )
    assert told == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "own",
        "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, text("Let me."), used(at=1)],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": USED,
    }
    assert TypeAdapter(Message).validate_python(told).content[2].name == "look"


def test_an_answer_that_tells_next_to_nothing_is_a_message_all_the_same():
    told = told_whole(b'{"id": null, "choices": [{"message": {"content": null}, "finish_reason": null}]}')
    assert told["id"].startswith("msg_")
    assert (told["model"], told["content"], told["stop_reason"]) == ("asked", [], "end_turn")
    assert set(told["usage"].values()) == {0}


@pytest.mark.parametrize(
    ("finish", "more", "stop"),
    [
        ("stop", {}, ("end_turn", None)),
        ("length", {}, ("max_tokens", None)),
        ("content_filter", {}, ("refusal", None)),
        ("eos", {}, ("end_turn", None)),
        ("stop", {"stop_reason": "Z"}, ("stop_sequence", "Z")),
        ("stop", {"matched_stop": "Z"}, ("stop_sequence", "Z")),
        ("stop", {"stop_reason": "<eot>"}, ("end_turn", None)),
        ("stop", {"matched_stop": 2}, ("end_turn", None)),
    ],
)
def test_why_it_ended_is_told(finish, more, stop):
    told = told_whole(completion({"content": "x"}, finish, **more), stop_sequences=["Z"])
    assert (told["stop_reason"], told["stop_sequence"]) == stop


def test_a_call_that_ran_out_of_tokens_is_not_told_as_one():
    half = {"id": "t1", "function": {"name": "look", "arguments": '{"at": '}}
    told = told_whole(completion({"content": "x", "tool_calls": [half]}, "length"))
    assert (told["content"], told["stop_reason"]) == ([text("x")], "max_tokens")
    with pytest.raises(ValueError, match="arguments of a call of 'look' are no JSON object"):
        told_whole(completion({"tool_calls": [half]}, "tool_calls"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": [{}]}', b'{"choices": 1}', b"[" * 9999])
def test_what_is_no_completion_makes_no_sense(body):
    with pytest.raises(ValueError):
        told_whole(body)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return json.dumps({"id": "chatcmpl-1", "model": "own", "choices": choices, **more}).encode()


STREAMED: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def events(answer: Answer, chunks: list[bytes]) -> list[dict[str, Any]]:
    told = b"".join(map(answer.event, chunks)) + answer.end()
    assert told.endswith(b"\n\n")
    found = []
    for event in told.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
        STREAMED.validate_python(found[-1])
    return found


def short(told: list[dict[str, Any]]) -> list[Any]:
    """Each event in a word or two."""

    def of(event: dict[str, Any]) -> Any:
        match event["type"]:
            case "content_block_start":
                return event["index"], event["content_block"]["type"]
            case "content_block_delta":
                return event["index"], *[v for k, v in event["delta"].items() if k != "type"]
            case "content_block_stop":
                return event["index"], "stop"
            case "message_delta":
                return event["delta"]["stop_reason"]
            case kind:
                return kind

    return [of(event) for event in told]


def piece(index: int | None, name: str | None = None, arguments: Any = "", **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}, **more}]}


def test_a_stream_is_blocks_one_after_another():
    told = events(
        Answer({"stream": True}, "asked"),
        [
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning_content": "h"}),
            chunk({"reasoning": "m"}),
            chunk({"content": "Let"}),
            chunk({"content": " me."}),
            chunk({"content": "", **piece(0, "look", id="t1")}),
            chunk(piece(0, None, '{"at"')),
            chunk(piece(0, None, ":1}")),
            chunk(piece(1, "look", {"at": 2}, id="t2")),
            chunk({}, "tool_calls"),
            chunk(None, usage=COUNTED),
        ],
    )
    assert short(told) == [
        "message_start",
        (0, "thinking"),
        (0, "h"),
        (0, "m"),
        (0, ""),
        (0, "stop"),
        (1, "text"),
        (1, "Let"),
        (1, " me."),
        (1, "stop"),
        (2, "tool_use"),
        (2, '{"at"'),
        (2, ":1}"),
        (2, "stop"),
        (3, "tool_use"),
        (3, '{"at":2}'),
        (3, "stop"),
        "tool_use",
        "message_stop",
    ]
    assert told[0]["message"]["id"] == "msg_1"
    assert told[10]["content_block"] == used()
    assert told[-2]["usage"] == USED


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "look", "{}", id="a"), piece(0, "look", "{}", id="b")],
        [piece(None, "look", "{}", id="a"), piece(None, "look", "{}", id="b")],
        [piece(0, "look", "{"), piece(0, None, "}"), piece(1, "look", "{}")],
        [piece(0, "look", "{", id="a"), piece(0, None, "}", id="a"), piece(1, "look", "{}", id="")],
    ],
)
def test_two_calls_are_two_however_the_engine_counts_them(pieces):
    told = events(Answer({}, "m"), [*map(chunk, pieces), chunk({}, "stop")])
    calls = [event["content_block"]["id"] for event in told if event["type"] == "content_block_start"]
    assert len(set(calls)) == 2
    assert all(calls)
    assert told[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_stream_of_nothing_is_a_message_of_nothing():
    assert short(events(Answer({}, "m"), [])) == ["message_start", "end_turn", "message_stop"]


def test_a_piece_of_no_call_makes_no_sense():
    with pytest.raises(ValueError, match="without a name"):
        Answer({}, "m").event(chunk(piece(0, None, "}")))


def test_an_error_within_a_stream_is_none_of_its_pieces():
    with pytest.raises(ValueError, match="it says that it failed: out of paper"):
        Answer({}, "m").event(b'{"id": "1", "error": {"message": "out of paper"}}')


WORDS = st.none() | st.text(max_size=3)
CALLS = st.lists(
    st.builds(
        lambda index, name, given, ident: {
            "index": index,
            "id": ident,
            "function": {"name": name, "arguments": given},
        },
        st.none() | st.integers(0, 2),
        st.sampled_from([None, "look"]),
        st.none() | st.text(max_size=3) | st.just({"at": 1}),
        st.sampled_from([None, "", "a", "b"]),
    ),
    max_size=2,
)
DELTAS = st.fixed_dictionaries({}, optional={"content": WORDS, "reasoning_content": WORDS, "tool_calls": CALLS})


@settings(max_examples=50)
@given(st.lists(DELTAS, max_size=6), st.sampled_from([None, "stop", "length", "tool_calls"]))
def test_any_stream_is_well_formed_or_makes_no_sense(deltas, finish):
    try:
        first, *told, delta, last = events(Answer({}, "m"), [*map(chunk, deltas), chunk({}, finish)])
    except ValueError as error:
        assert "without a name" in str(error)
        return
    assert (first["type"], delta["type"], last["type"]) == ("message_start", "message_delta", "message_stop")
    begun, opened = 0, None
    for event in told:
        if event["type"] == "content_block_start":
            assert (opened, event["index"]) == (None, begun)
            begun, opened = begun + 1, begun
        else:
            assert event["index"] == opened
            opened = None if event["type"] == "content_block_stop" else opened
    assert opened is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (400, b'{"error": {"code": 400, "message": "no room", "type": "x"}}', "invalid_request_error", "no room"),
        (401, b'{"error": "who?"}', "authentication_error", "who?"),
        (422, b'{"detail": [{"loc": ["body"]}]}', "invalid_request_error", '[{"loc":["body"]}]'),
        (429, b'{"object": "error", "message": "slow down"}', "rate_limit_error", "slow down"),
        (500, b"Internal Server Error", "api_error", "Internal Server Error"),
        (503, b"", "overloaded_error", "the engine answered 503, and no word with it"),
    ],
)
def test_a_failure_keeps_the_engines_words(status, body, kind, why):
    told = json.loads(Answer({}, "m").failure(status, body))
    assert told == {"type": "error", "error": {"type": kind, "message": why}}
