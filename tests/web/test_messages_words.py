"""Anthropic's messages, told to an engine that has only chat."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.web.anthropic.words import chat_of

GO = {"role": "user", "content": "go"}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
LOOK = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
TOLD = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def used(name: str = "t1", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "look", "input": given}


def result(content: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


TALKS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "plain": ({"messages": [GO]}, [GO]),
    "system": ({"system": "Be.", "messages": [GO]}, [{"role": "system", "content": "Be."}, GO]),
    "system in blocks": (
        {"system": [text("A") | {"cache_control": {"type": "ephemeral"}}, text("B")], "messages": [GO]},
        [{"role": "system", "content": "A\nB"}, GO],
    ),
    "a billing header, which changes every time": (
        {"system": [text("x-anthropic-billing-header: cch=fa690;"), text("A")], "messages": [GO]},
        [{"role": "system", "content": "A"}, GO],
    ),
    "a billing header before the text": (
        {"system": "x-anthropic-billing-header: cch=fa690;\nA", "messages": [GO]},
        [{"role": "system", "content": "A"}, GO],
    ),
    "system at the head of the messages": (
        {"system": "A", "messages": [{"role": "system", "content": "B"}, GO]},
        [{"role": "system", "content": "A\nB"}, GO],
    ),
    "system within the talk": (
        {"messages": [GO, {"role": "system", "content": [text("Hush.")]}, assistant(text("ok"))]},
        [
            {"role": "user", "content": "go\n<system-reminder>\nHush.\n</system-reminder>"},
            {"role": "assistant", "content": "ok"},
        ],
    ),
    "turns in a row": ({"messages": [GO, GO]}, [{"role": "user", "content": "go\ngo"}]),
    "images": (
        {
            "messages": [
                user(PIXEL, text("what?"), {"type": "image", "source": {"type": "url", "url": "http://x/y"}})
            ]
        },
        [user(SHOWN, text("what?"), {"type": "image_url", "image_url": {"url": "http://x/y"}})],
    ),
    "documents of text": (
        {
            "messages": [
                user(
                    {"type": "document", "title": "T", "source": {"type": "text", "data": "D"}},
                    {"type": "document", "source": {"type": "content", "content": [text("E")]}},
                    {"type": "search_result", "title": "S", "source": "http://x", "content": [text("F")]},
                )
            ]
        },
        [{"role": "user", "content": "T\nD\nE\nS\nhttp://x\nF"}],
    ),
    "thoughts and calls": (
        {
            "messages": [
                GO,
                assistant(
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    text("Let me."),
                    used(where="é"),
                    used("t2"),
                ),
            ]
        },
        [
            GO,
            {
                "role": "assistant",
                "content": "Let me.",
                "reasoning_content": "hm",
                "reasoning": "hm",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"where":"é"}'}},
                    {"id": "t2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                ],
            },
        ],
    ),
    "results before words": (
        {"messages": [user(text("and?"), result("r"), result([text("a"), text("b")], is_error=True), result())]},
        [
            {"role": "tool", "tool_call_id": "t1", "content": "r"},
            {"role": "tool", "tool_call_id": "t1", "content": "Error: a\nb"},
            {"role": "tool", "tool_call_id": "t1", "content": ""},
            {"role": "user", "content": "and?"},
        ],
    ),
    "a result with a picture": (
        {"messages": [user(result([text("here"), PIXEL, {"type": "tool_reference", "tool_name": "look"}]))]},
        [{"role": "tool", "tool_call_id": "t1", "content": "here\nlook"}, user(SHOWN)],
    ),
}


@pytest.mark.parametrize("talk", TALKS)
def test_a_talk_is_told_in_chats_words(talk):
    asked, told = TALKS[talk]
    assert chat_of(asked) == {"messages": told}


def test_a_call_without_words_has_no_content():
    (told,) = chat_of({"messages": [assistant(used())]})["messages"]
    assert (told["content"], len(told["tool_calls"])) == (None, 1)


FIELDS = [
    ({"model": "m", "max_tokens": 9, "temperature": 0, "top_p": 0.5, "top_k": 3}, ...),
    ({"stop_sequences": ["Z"]}, {"stop": ["Z"]}),
    ({"stop_sequences": [], "temperature": None, "system": None, "tools": [], "metadata": None}, {}),
    ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    ({"metadata": {"user_id": "me"}}, {"user": "me"}),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}},
    ),
    ({"thinking": {"type": "adaptive"}}, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}),
    ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    ({"output_config": {"effort": "high"}, "context_management": {"edits": []}, "service_tier": "auto"}, {}),
    ({"tools": [LOOK, SEARCH]}, {"tools": [TOLD]}),
    ({"tools": [LOOK], "tool_choice": {"type": "auto"}}, {"tools": [TOLD], "tool_choice": "auto"}),
    ({"tools": [LOOK], "tool_choice": {"type": "any"}}, {"tools": [TOLD], "tool_choice": "required"}),
    ({"tools": [LOOK], "tool_choice": {"type": "none"}}, {"tools": [TOLD], "tool_choice": "none"}),
    ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {}),
    (
        {"tools": [LOOK], "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True}},
        {
            "tools": [TOLD],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "parallel_tool_calls": False,
        },
    ),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
            }
        },
    ),
]


@pytest.mark.parametrize(("asked", "told"), FIELDS)
def test_a_field_has_its_counterpart_or_is_left_out(asked, told):
    assert chat_of({"messages": [], **asked}) == {"messages": [], **(asked if told is ... else told)}


REFUSED = [
    ({}, "messages: an array is needed"),
    ({"messages": [1]}, "messages.0: an object is needed"),
    ({"messages": [{"role": "tool", "content": ""}]}, "messages.0.role: 'tool' is none of user, assistant and"),
    ({"messages": [user("go")]}, "messages.0.content.0: an object is needed"),
    ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text: a string is needed"),
    ({"messages": [GO, user({"type": "container_upload"})]}, "messages.1.content.0: an engine that has only chat"),
    ({"messages": [assistant({"type": "server_tool_use"})]}, "knows no 'server_tool_use' there"),
    ({"messages": [user({"type": "image", "source": {"type": "file"}})]}, "send it as base64 or url"),
    (
        {"messages": [user({"type": "document", "source": {"type": "base64"}})]},
        "content.0.source: .* send its text",
    ),
    ({"messages": [user(result([result()]))]}, "content.0.content.0: .* knows no 'tool_result' there"),
    ({"messages": [assistant(used() | {"input": "x"})]}, "content.0.input: an object is needed"),
    ({"messages": [], "system": [PIXEL]}, "system.0: .* knows no 'image' there"),
    ({"messages": [], "tools": [SEARCH]}, "tools.0: 'web_search_20250305' is a tool of Anthropic's own"),
    ({"messages": [], "tools": [{"name": "f", "input_schema": 1}]}, "tools.0.input_schema: an object"),
    (
        {"messages": [], "tools": [LOOK, SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}},
        "tool_choice",
    ),
    ({"messages": [], "tool_choice": {"type": "any"}}, "tool_choice: tools has no such tool"),
    ({"messages": [], "tools": [LOOK], "tool_choice": {"type": "most"}}, "tool_choice.type: 'most' is none of"),
    ({"messages": [], "output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ({"messages": [], "thinking": "hard"}, "thinking: an object is needed"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED)
def test_what_has_no_words_in_chat_is_refused_by_its_field(asked, why):
    with pytest.raises(ValueError, match=f"^cannot translate .*{why.replace('.', '[.]', 1)}"):
        chat_of(asked)


WORD = st.text("abc", min_size=1, max_size=3).map(text)
RESULTS = st.builds(result, st.none() | st.text("abc", max_size=3) | st.lists(WORD | st.just(PIXEL), max_size=3))
THOUGHTS = st.just({"type": "thinking", "thinking": "hm", "signature": ""})
CALLED = st.builds(used, st.sampled_from(["t1", "t2"]), at=st.none() | st.integers())
TURNS = st.one_of(
    st.builds(lambda blocks: user(*blocks), st.lists(WORD | RESULTS | st.just(PIXEL), max_size=4)),
    st.builds(lambda blocks: assistant(*blocks), st.lists(WORD | THOUGHTS | CALLED, max_size=4)),
    st.builds(lambda words: {"role": "system", "content": words["text"]}, WORD),
)


def words_of(content: Any) -> str:
    """All letters of a content, of either dialect, in order; reminders' tags and marks of errors have none."""
    if isinstance(content, list):
        return "".join(words_of(part.get("text") or part.get("content")) for part in content)
    return re.sub("</?system-reminder>|[^abc]", "", content or "")


@settings(max_examples=50)
@given(st.lists(TURNS, max_size=5))
def test_of_a_talk_every_word_is_told_and_every_call(talk):
    told = chat_of({"messages": talk})["messages"]
    assert "system" not in [message["role"] for message in told[1:]]
    said, heard = ("".join(words_of(turn["content"]) for turn in turns) for turns in (talk, told))
    assert sorted(said) == sorted(heard)
    asked = [block["id"] for turn in talk for block in turn["content"] if "input" in block]
    assert asked == [call["id"] for message in told for call in message.get("tool_calls", [])]


KEYS = st.sampled_from(["type", "text", "source", "content", "data", "id", "input", "thinking", "tool_use_id"])
KINDS = st.sampled_from(["text", "image", "document", "thinking", "tool_use", "tool_result", "base64", "url"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIELDS_SENT = ["messages", "system", "tools", "tool_choice", "thinking", "metadata", "output_config", "stream"]


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from(FIELDS_SENT), JUNK, max_size=2),
    st.lists(
        TURNS | st.builds(dict, role=st.sampled_from(["user", "assistant", "system"]), content=JUNK), max_size=3
    ),
)
def test_whatever_is_asked_is_translated_or_refused(junk, talk):
    try:
        assert chat_of({"messages": talk, **junk})["messages"] is not None
    except ValueError as error:
        assert str(error).startswith("cannot translate ")
