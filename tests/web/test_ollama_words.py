"""Ollama's words and OpenAI's: what a request becomes, and what an answer does."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.core.need import Way
from swapd.core.refusal import Reason, Refusal
from swapd.core.view import Weight
from swapd.web.completion import Counted
from swapd.web.errors import Problem, dialect_of, of_refusal, sse_event
from swapd.web.ollama import lists, words
from swapd.web.ollama.answers import Answer, Stopwatch, as_message, as_response, nothing_said
from swapd.web.ollama.options import keep, sampling
from swapd.web.ollama.vectors import Embeddings
from swapd.web.ollama.words import Chat, Embed, Generate

PNG = "iVBORw0KGgoAAAANSUhEUg"
WEATHER = {"name": "weather", "arguments": {"city": "Oslo"}}


def chat(**body: Any) -> dict[str, Any]:
    return words.chat("m", words.reader(Chat)(json.dumps(body).encode()))


def generate(**body: Any) -> tuple[str, dict[str, Any]]:
    return words.generate("m", words.reader(Generate)(json.dumps(body).encode()))


def problem_of(call: Any, *args: Any, **more: Any) -> tuple[int, str | None]:
    with pytest.raises(Problem) as refused:
        call(*args, **more)
    return refused.value.form.status, refused.value.param


# -- requests ----------------------------------------------------------------------------------------------


def test_a_chat_streams_unless_it_says_no_and_then_asks_for_the_counts():
    said = {"messages": [{"role": "user", "content": "go"}]}
    assert chat(**said) == {"model": "m", "stream": True, "stream_options": {"include_usage": True}, **said}
    assert chat(stream=False, options={}, tools=None, format=None, think=None, **said) == {
        "model": "m",
        "stream": False,
        **said,
    }
    assert chat(tools=[{"type": "function"}], **said)["tools"] == [{"type": "function"}]


def test_options_become_sampling_parameters_and_those_of_a_launch_mean_nothing():
    given = {
        "num_predict": 7,
        "temperature": 0,
        "top_k": 40.0,
        "seed": -1,
        "num_keep": 4,
        "stop": "a",
        "repeat_penalty": 1.1,
        "num_ctx": 4096,
        "num_gpu": 99,
        "num_thread": "many",
        "mine": [],
        "top_p": None,
    }
    assert sampling(given) == {
        "max_tokens": 7,
        "temperature": 0,
        "top_k": 40,
        "seed": -1,
        "n_keep": 4,
        "stop": ["a"],
        "repeat_penalty": 1.1,
    }
    assert sampling({"num_predict": -1}) == sampling({"num_predict": -2}) == {}
    for wrong in (2**70, 1e300, "1", True, [1]):
        assert problem_of(sampling, {"seed": wrong}) == (400, "options")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
OPTIONS = ["num_predict", "temperature", "top_k", "seed", "stop", "min_p", "num_ctx", "mirostat", "repeat_last_n"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(OPTIONS) | st.text(max_size=3), VALUES, max_size=4))
def test_whatever_the_options_are_they_are_taken_or_refused_as_a_bad_request(options):
    try:
        body = json.dumps({"options": options}).encode()
        made = words.chat("m", words.reader(Chat)(body))
    except Problem as problem:
        assert problem.form.status == 400
    else:
        words.msgspec.json.encode(made)


@pytest.mark.parametrize(
    ("said", "ttl"),
    [
        (300, 300.0),
        (0, 0.0),
        (1.5, 1.5),
        (-1, None),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("-1m", None),
        ("-1", None),
        ("0", 0.0),
        ("90", 90.0),
        (" 10s ", 10.0),
        (1e300, None),
        ("9" * 40, None),
    ],
)
def test_keep_alive_is_seconds_or_a_duration_and_for_ever_below_zero(said, ttl):
    assert keep(said).ttl == (None if ttl is None else pytest.approx(ttl))


def test_keep_alive_may_be_left_out_but_not_be_nonsense():
    assert keep(None) is None
    for said in ("", "5 minutes", "m", "1x", "1h-5m", "1" * 41, "1h" * 21):
        assert problem_of(keep, said) == (400, "keep_alive")


def test_images_are_sent_as_data_urls_of_their_kind():
    images = [PNG, "/9j/4AAQ", "R0lGODlh", "UklGRhIA", "Qk02", "AAAA", "data:image/x;base64,AA"]
    told = chat(messages=[{"role": "user", "content": "what?", "images": images}])["messages"][0]["content"]
    assert told[0] == {"type": "text", "text": "what?"}
    urls = [part["image_url"]["url"] for part in told[1:]]
    kinds = [url.partition(";")[0] for url in urls]
    assert kinds == [f"data:image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "bmp", "png", "x")]
    assert urls[0] == f"data:image/png;base64,{PNG}"


def test_calls_of_tools_are_tied_to_their_answers_by_name_and_order():
    calls = [{"function": {**WEATHER, "index": 0}}, {"function": {"name": "time", "arguments": {}}, "id": "mine"}]
    told = chat(
        messages=[
            {"role": "assistant", "tool_calls": calls, "thinking": "hm"},
            {"role": "tool", "content": "noon", "tool_name": "time"},
            {"role": "tool", "content": "rain"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "time"}}]},
            {"role": "tool", "content": "one", "tool_call_id": "call_2"},
            {"role": "tool", "content": "of what?"},
        ]
    )["messages"]
    first = {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    second = {"id": "mine", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    assert told[0] == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "hm",
        "tool_calls": [first, second],
    }
    assert told[1] == {"role": "tool", "content": "noon", "tool_call_id": "mine", "name": "time"}
    assert [message.get("tool_call_id") for message in told[2:]] == ["call_0", None, "call_2", "call_0"]


def test_a_format_is_json_or_a_schema():
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    assert chat(format="json")["response_format"] == {"type": "json_object"}
    assert chat(format=schema)["response_format"]["json_schema"]["schema"] == schema
    assert "response_format" not in chat(format="")
    assert problem_of(chat, format="xml") == (400, "format")


def test_thinking_is_switched_or_measured():
    assert chat(think=False)["chat_template_kwargs"] == {"enable_thinking": False}
    assert chat(think="high")["reasoning_effort"] == "high"
    assert chat(think="high")["chat_template_kwargs"] == {"enable_thinking": True, "reasoning_effort": "high"}
    assert "chat_template_kwargs" not in chat(think="")


def test_a_prompt_is_a_chat_of_one_message_and_a_raw_one_is_completed():
    path, body = generate(prompt="go", system="be brief", images=[PNG], stream=False, options={"seed": 1})
    assert (path, body["seed"], body["messages"][0]) == (
        "/v1/chat/completions",
        1,
        {"role": "system", "content": "be brief"},
    )
    assert body["messages"][1]["content"][0]["text"] == "go"
    path, body = generate(prompt="[INST] go", raw=True, stream=False, format="json", context=[], template="")
    assert path == "/v1/completions"
    assert body == {"model": "m", "stream": False, "prompt": "[INST] go", "json_schema": {"type": "object"}}


@pytest.mark.parametrize(
    "more", [{"suffix": "x"}, {"template": "x"}, {"context": [1]}, {"images": [PNG], "raw": True}]
)
def test_what_would_be_answered_wrongly_is_refused_by_name(more):
    assert problem_of(generate, prompt="go", **more) == (501, next(iter(more)))


def test_a_body_of_other_types_is_a_bad_request():
    for body in (b"[]", b'{"messages": "go"}', b'{"messages": [{}]}', b'{"stream": 1}', b"{", b"[" * 5000):
        assert problem_of(words.reader(Chat), body)[0] == 400


def test_texts_are_embedded_as_they_are():
    assert words.embed("m", Embed(input=["a", "b"], dimensions=64)) == {
        "model": "m",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 64,
    }
    assert words.embed("m", Embed(prompt="a"))["input"] == "a"


# -- answers -----------------------------------------------------------------------------------------------


def watch() -> Stopwatch:
    ticks = count()
    return Stopwatch(lambda: float(next(ticks)), lambda: "2026-01-01T00:00:00Z")


def answer(say: Any = as_message, streams: bool = True) -> Answer:
    return Answer("m", say, watch(), streams=streams)


def stream(told: Answer, *chunks: dict[str, Any]) -> list[dict[str, Any]]:
    out = b"".join(told.event(json.dumps(chunk).encode()) for chunk in chunks) + told.end()
    assert out.endswith(b"\n")
    return [json.loads(line) for line in out.splitlines()]


def piece(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def test_a_stream_is_a_line_a_piece_and_a_last_one_with_what_it_took():
    timings = {"prompt_ms": 1.5, "predicted_ms": 20.25, "prompt_n": 3}
    counts = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "timings": timings}
    first, second, third, last = stream(
        answer(),
        piece(role="assistant", content=None),
        piece(reasoning_content="hm"),
        piece(content="a"),
        piece(content=" b"),
        piece("length"),
        counts,
    )
    assert first["message"] == {"role": "assistant", "content": "", "thinking": "hm"}
    opened = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
    assert second == {**opened, "message": {"role": "assistant", "content": "a"}, "done": False}
    assert third["message"]["content"] == " b"
    assert last == {
        **opened,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "length",
        "prompt_eval_count": 3,
        "eval_count": 2,
        "total_duration": 2_000_000_000,
        "load_duration": 0,
        "prompt_eval_duration": 1_500_000,
        "eval_duration": 20_250_000,
    }


def test_without_the_engines_timings_durations_are_those_that_were_seen():
    told = answer(as_response)
    told.watch.held()
    *_, last = stream(told, piece(content="a"), piece(reasoning="b"), piece("stop"))
    seconds = {key: last[key] / 1e9 for key in last if key.endswith("duration")}
    assert seconds == {
        "total_duration": 3,
        "load_duration": 1,
        "prompt_eval_duration": 1,
        "eval_duration": 1,
    }
    assert (last["response"], last["done_reason"], last["eval_count"]) == ("", "stop", 0)


def test_pieces_of_calls_are_told_whole_and_half_a_call_as_the_text_that_it_is():
    def call(index: int, **function: str) -> dict[str, Any]:
        named = {"id": f"c{index}"} if "name" in function else {}
        return piece(tool_calls=[{"index": index, "function": function, **named}])

    lines = stream(
        answer(),
        call(0, name="weather", arguments=""),
        call(0, arguments='{"city":'),
        call(1, name="time", arguments=""),
        call(0, arguments='"Oslo"}'),
        call(2, name="cut", arguments='{"a'),
        piece("tool_calls"),
    )
    said = [line["message"] for line in lines]
    assert said[0]["tool_calls"] == [{"id": "c0", "function": {"index": 0, **WEATHER}}]
    assert said[1]["tool_calls"][0]["function"] == {"index": 1, "name": "time", "arguments": {}}
    assert (said[2]["content"], "tool_calls" in said[2]) == ('{"a', False)
    assert (lines[-1]["done_reason"], "tool_calls" in said[-1]) == ("stop", False)


def test_a_call_that_never_ends_is_given_up_before_it_fills_the_memory_and_costs_little_until_then():
    said, more = answer(), json.dumps(piece(tool_calls=[{"index": 0, "function": {"arguments": "x" * 1000}}]))
    with pytest.raises(ValueError, match="more than 16 MiB"):
        for _ in range(17_000):
            said.event(more.encode())


def test_engines_that_send_calls_whole_or_their_arguments_as_an_object_are_understood():
    calls = [{"function": WEATHER}, {"function": {"name": "time"}}, {"function": None}]
    lines = stream(answer(), piece(tool_calls=calls), piece(content="a", tool_calls=[{"index": 0, "id": "x"}]))
    told = [line["message"]["tool_calls"][0] for line in lines[1:4]]
    assert told[0] == {"id": "x", "function": {"index": 0, **WEATHER}}
    assert [call["function"]["name"] for call in told[1:]] == ["time", ""]
    assert stream(answer(), piece(refusal="no"))[0]["message"]["content"] == "no"


def test_a_whole_answer_is_one_object():
    calls = [
        {"id": "x", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
        {"id": "y", "type": "function", "function": {"name": "cut", "arguments": "[1]"}},
    ]
    message = {"role": "assistant", "content": "hi", "reasoning_content": "hm", "tool_calls": calls}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 4}}
    told = json.loads(answer(streams=False).whole(json.dumps(body).encode()))
    assert told["message"] == {
        "role": "assistant",
        "content": "hi[1]",
        "thinking": "hm",
        "tool_calls": [{"id": "x", "function": {"index": 0, **WEATHER}}],
    }
    assert (told["done"], told["done_reason"], told["prompt_eval_count"]) == (True, "stop", 4)
    completed = {"choices": [{"text": "hi", "finish_reason": "length"}]}
    told = json.loads(answer(as_response, streams=False).whole(json.dumps(completed).encode()))
    assert (told["response"], told["done_reason"]) == ("hi", "length")
    thought = {"choices": [{"message": {"content": "", "reasoning_content": "hm"}}]}
    assert json.loads(answer(as_response).whole(json.dumps(thought).encode()))["thinking"] == "hm"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": [{}]}', b'{"choices": 1}', b"\xff"])
def test_an_answer_that_makes_no_sense_is_not_told(body):
    with pytest.raises(ValueError):
        answer(streams=False).whole(body)


def test_an_engines_error_keeps_its_words():
    said = b'{"error": {"code": 400, "message": "too large", "type": "x"}}'
    assert json.loads(answer().failure(400, said)) == {"error": "too large"}
    assert json.loads(answer().failure(502, b"<html>")) == {"error": "<html>"}
    assert json.loads(answer().failure(502, b"")) == {"error": "the engine answered 502"}


def test_an_empty_prompt_is_answered_with_what_it_did():
    told = json.loads(nothing_said("m", as_message, "load", watch()))
    assert (told["done"], told["done_reason"], told["message"]["content"]) == (True, "load", "")
    assert (told["total_duration"], "eval_count" in told) == (1_000_000_000, False)


def test_vectors_come_in_the_order_of_their_texts_and_to_the_digit():
    data = [{"index": 1, "embedding": [0.10, 2e-9]}, {"index": 0, "embedding": [1]}]
    body = (
        b'{"data": [{"index":1,"embedding":[0.10,2e-9]},{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":5}}'
    )
    told = Embeddings("m", watch(), one=False).whole(body)
    assert b'"embeddings":[[1],[0.10,2e-9]]' in told
    assert json.loads(told)["prompt_eval_count"] == 5
    assert json.loads(Embeddings("m", watch(), one=True).whole(json.dumps({"data": data[:1]}).encode())) == {
        "embedding": data[0]["embedding"]
    }
    assert json.loads(Embeddings("m", watch(), one=True).told([], Counted())) == {"embedding": []}
    assert json.loads(Embeddings("m", watch(), one=False).told([], Counted()))["embeddings"] == []
    with pytest.raises(ValueError):
        Embeddings("m", watch(), one=True).event(b"{}")
    assert Embeddings("m", watch(), one=True).end() == b""


# -- lists -------------------------------------------------------------------------------------------------


ENTRY = {
    "id": "gpt-4o",
    "capabilities": ["completion", "chat", "multimodal"],
    "context_length": 4096,
    "meta": {"n_params": 30_532_122_624, "size": 18_556_686_912, "ftype": "Q4_K - Medium", "n_embd": 2048},
}


def test_a_list_shows_names_as_they_are_and_sizes_as_far_as_they_are_known():
    row = lists.tag(ENTRY, "alpha")
    assert (row["name"], row["model"], row["size"]) == ("gpt-4o", "gpt-4o", 18_556_686_912)
    assert row["details"]["parameter_size"] == "30.5B"
    assert (row["details"]["quantization_level"], row["details"]["format"]) == ("Q4_K_M", "gguf")
    assert row["digest"] == lists.tag({**ENTRY, "id": "alpha", "meta": {}}, "alpha")["digest"]
    bare = lists.tag({"id": "x"}, "x")
    assert (bare["size"], bare["details"]["parameter_size"], bare["details"]["format"]) == (0, "", "")
    small = {"id": "x", "meta": {"n_params": 268_098_176, "ftype": "all F32 (guessed)"}}
    assert lists.tag(small, "x")["details"]["parameter_size"] == "268M"
    assert lists.tag(small, "x")["details"]["quantization_level"] == "F32"


def test_what_runs_shows_its_memory_as_it_is_measured_or_else_reckoned():
    way = Way({"CUDA0": 4 << 30, "ram": 1 << 30, "engines": 1})
    row = lists.running(ENTRY, "alpha", Weight(None, way, {}, None, ""), "soon")
    assert (row["size"], row["size_vram"], row["context_length"]) == (5 << 30, 4 << 30, 4096)
    assert (row["expires_at"], "modified_at" in row) == ("soon", False)
    row = lists.running(ENTRY, "alpha", Weight(None, way, {"ram": 7}, None, ""), "soon")
    assert (row["size"], row["size_vram"]) == (7, 0)
    assert lists.running({"id": "x"}, "x", Weight(None, None, {}, None, ""), "soon")["size"] == 0


def test_a_model_is_shown_with_its_context_where_clients_look_for_it():
    shown = lists.shown(ENTRY, {"chat", "tools"})
    info = shown["model_info"]
    assert info[f"{info['general.architecture']}.context_length"] == 4096
    assert info["general.parameter_count"] == 30_532_122_624
    assert shown["capabilities"] == ["completion", "vision", "tools"]
    assert lists.shown(ENTRY, {"chat"})["capabilities"] == ["completion", "vision"]
    assert "tools" in lists.shown(ENTRY, None)["capabilities"]
    assert "gpt-4o" in shown["modelfile"]
    bare = lists.shown({"id": "x", "capabilities": ["embedding"]}, {"embeddings", "tools"})
    assert (bare["parameters"], bare["capabilities"]) == ("", ["embedding"])


# -- errors ------------------------------------------------------------------------------------------------


def test_an_error_is_a_text_and_a_line_where_a_stream_is_of_lines():
    dialect = dialect_of("/api/chat")
    lost = of_refusal(Refusal(Reason.UNKNOWN_MODEL, "it's", detail="; did you mean 'its'?"))
    assert json.loads(dialect(lost)) == {"error": "model 'it's' not found; did you mean 'its'?"}
    full = of_refusal(Refusal(Reason.CLOSING, "a"))
    assert json.loads(sse_event(full, dialect)) == {"error": full.message}
    assert sse_event(full, dialect).count(b"\n") == 1
