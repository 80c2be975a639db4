"""Bodies that nobody should send: nearly right ones for each path, and such as have no sense at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from swapd.web import surface
from tests.web.test_form import body, part

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
ASKED = [{"type": "text", "text": "a", "cache_control": {}}, {"type": "image", "source": IMAGE}]
SAID = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
]
ANSWERED = [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "b"}]}]
TALK = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 9, "stream": False}
RIGHT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": [CALL]}],
        "tools": [TOOL],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "/v1/embeddings": {"input": ["a", "b"], "encoding_format": "float", "dimensions": 2},
    "/v1/rerank": {"query": "a", "documents": ["b", {"text": "c"}], "top_n": 1},
    "/v1/messages": {
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": ASKED},
            {"role": "assistant", "content": SAID},
            {"role": "user", "content": ANSWERED},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "description": "d"}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 5},
        "stop_sequences": ["x"],
        "temperature": 0.5,
        "stream": True,
    },
    "/api/chat": {
        "messages": [
            {"role": "user", "content": "go", "images": ["iVBORw0KGgo="]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "1", "tool_name": "f"},
        ],
        "tools": [TOOL],
        "format": {"type": "object"},
        "options": {"num_predict": 5, "temperature": 0.1, "stop": ["x"], "num_ctx": 9, "seed": 1},
        "think": "high",
        "keep_alive": "5m",
        "stream": False,
    },
    "/api/generate": {
        "prompt": "go",
        "system": "s",
        "images": ["iVBORw0KGgo="],
        "format": "json",
        "options": {"top_k": 1},
        "keep_alive": -1,
    },
    "/api/embed": {"input": ["a"], "truncate": True, "dimensions": 2, "keep_alive": 0, "options": {}},
    "/api/embeddings": {"prompt": "a", "options": {"num_ctx": 1}},
    "/api/show": {"verbose": True, "name": "alpha"},
}
OTHERS: dict[str, Any] = {"prompt": "a", "input": "a", "n_predict": 1, "stream": False}
MODELS = (
    "alpha",
    "alpha",
    "org/beta",
    "gpt-4o",
    "alpha:cold",
    "alpha:latest",
    "chats",
    "chats",
    "strict",
    "nobody",
)
DEEP = st.integers(900, 1000) | st.sampled_from([10, 400, 5000, 100_000])
LONE = "\ud800"
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 7, 1.5, 10**30, -(10**400), 1e308]),
    st.sampled_from(
        ["", "x", "a\0b", LONE, "é\u2028", "x" * 300, "9" * 5000, "1h", "-5m", "data:,x", "user", "tool"]
    ),
    st.sampled_from([[], {}, [[]], [None], [{}], [1, "a"], {"type": "text"}, {"type": 7}, {"": None}, [LONE]]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=5,
    ),
)


def one_in(n: int, draw: st.DrawFn) -> bool:
    """The ends of a range are drawn too often."""
    return draw(st.integers(0, n)) == (n + 1) // 2


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within one."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in ((*at, key), *_places(each, (*at, key)))]


def _put(value: Any, at: Sequence[Any], new: Any) -> Any:
    """A copy with something else in one place; nothing, where that is ``...``."""
    if not at:
        return new
    copied, (key, *rest) = (dict(value) if isinstance(value, dict) else list(value)), at
    if not rest and new is ...:
        del copied[key]
    else:
        copied[key] = _put(copied[key], rest, new)
    return copied


@st.composite
def nearly(draw: st.DrawFn, path: str) -> bytes:
    """JSON for the path, but for one or two values."""
    said: dict[str, Any] = {"model": draw(st.sampled_from(MODELS)), **RIGHT.get(surface.full(path), OTHERS)}
    for _ in range(draw(st.integers(0, 2))):
        if places := _places(said):
            said = _put(said, draw(st.sampled_from(places)), draw(st.just(...) | JUNK))
    text = json.dumps(said, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if one_in(10, draw):
        depth, way = draw(DEEP), draw(st.sampled_from(list(said) or ["x"]))
        inner = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
        deep = inner[0] * depth + (b"1" if inner[0] != b"[" else b"") + inner[1] * depth
        text = text[:-1] + b', "%s": %s}' % (way.encode("utf-8", "replace"), deep)
    return text


def _form(draw: st.DrawFn) -> bytes:
    parts = [
        part("model", draw(st.sampled_from([name.encode() for name in MODELS]) | st.binary(max_size=5))),
        part("file", draw(st.binary(max_size=30)), '; filename="a\\"%22.wav"\r\nContent-Type: audio/wav'),
        part("stream", draw(st.sampled_from([b"true", b"1", b"\xff"]))),
        part(
            draw(st.sampled_from(["", "model", "x\0", "é"])),
            b"y",
            draw(st.sampled_from(["", "; x", "\r\nA", "; a*=u''%"])),
        ),
    ]
    return body(*draw(st.permutations(parts))[: draw(st.integers(0, 4))])


BODIES = (b"", b"{", b"[]", b"null", b"\xef\xbb\xbf{}", b'{"model":NaN}', b'{"model":1e999}', b'"\xff"')


@st.composite
def bodies(draw: st.DrawFn, path: str) -> bytes:
    """Of any kind; some are cut short, or have a few bytes too many."""
    if path in surface.UPLOADED and not one_in(8, draw):
        text = _form(draw)
    elif one_in(10, draw):
        text = draw(st.binary(max_size=60) | st.sampled_from(BODIES))
    else:
        text = draw(nearly(path))
    if text and one_in(12, draw):
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] if one_in(2, draw) else text[:at] + draw(st.binary(max_size=3)) + text[at:]
    return text
