"""Requests that nobody should send: nearly right ones, and such as have no sense at all."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from swapd.web import surface
from tests.web.test_form import TYPE, body, part

Route = tuple[str, str]
"""Method and pattern."""
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
BLOCKS: list[Any] = [
    {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
    {"type": "image", "source": IMAGE},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "b"}]},
    {"type": "thinking", "thinking": "hm", "signature": "s"},
]
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
        "messages": [{"role": "user", "content": BLOCKS}, {"role": "assistant", "content": "so"}],
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
        "suffix": "end",
        "system": "s",
        "images": ["iVBORw0KGgo="],
        "raw": True,
        "context": [1],
        "template": "t",
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
LONGEST_SHOWN = 5000
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 7, 1.5, 10**30, -(10**400), 1e308, float("nan"), float("inf")]),
    st.sampled_from(
        ["", "x", "a\0b", LONE, "é\u2028", "x" * 300, "9" * 5000, "1h", "-5m", "data:,x", "user", "tool"]
    ),
    st.sampled_from([[], {}, [[]], [None], [{}], [1, "a"], {"type": "text"}, {"type": 7}, {"": None}, [LONE]]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=5,
    ),
)


class Wild(NamedTuple):
    """Its bytes; ``whole``: they are a request that waits for nothing more."""

    text: bytes
    whole: bool

    def __repr__(self) -> str:
        """Some are of a size that nobody reads."""
        return f"Wild({self.text[:LONGEST_SHOWN]!r}, of {len(self.text)} bytes, whole={self.whole})"


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
    if draw(st.integers(0, 9)) == 0:
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


@st.composite
def bodies(draw: st.DrawFn, path: str) -> bytes:
    """Of any kind; one in eight is cut short, or has a byte too many."""
    kind = draw(st.integers(0, 9))
    if path in surface.UPLOADED and kind:
        text = _form(draw)
    elif kind < 7:
        text = draw(nearly(path))
    elif kind == 7:
        text = draw(st.binary(max_size=60))
    else:
        text = draw(
            st.sampled_from([b"", b"{", b"[]", b"null", b"\xef\xbb\xbf{}", b"NaN", b'{"model":1e999}', b'"\xff"'])
        )
    spoilt = draw(st.integers(0, 15))
    if text and spoilt < 2:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] if spoilt else text[:at] + draw(st.binary(max_size=3)) + text[at:]
    return text


NAMES = (
    *MODELS,
    "%00",
    "%ff",
    "a%2Fb",
    "..",
    "%2e%2e",
    "é",
    "x" * 300,
    "a b",
    "%",
    "%0d%0aX:y",
    "%f0%9f%98%80",
    ";",
)
QUERIES = (
    "?model=alpha",
    "?model=%00",
    "?model=%ff&model=alpha",
    "?autoload=false",
    "?tail=9" + "9" * 30,
    "?tail=-1",
)
QUERIES += (
    "?tail=x",
    "?wait=0",
    "?follow=0",
    "?%",
    "?=&=",
    "?a=" + "b" * 20_000,
    "?model=" + "é" * 100,
    "?%ud800",
    "??",
)


def _target(draw: st.DrawFn, pattern: str) -> bytes:
    """A path that the pattern is for; and one in ten that is none."""
    before, brace, after = pattern.partition("{")
    name = draw(st.sampled_from(NAMES)) if brace else ""
    rest = "/v1/x" if "rest" in after else after.partition("}")[2]
    query = draw(st.sampled_from(QUERIES)) if draw(st.integers(0, 3)) == 0 else ""
    target = f"{before}{name}{rest}{query}".encode()
    odd = (
        b"/" + target,
        b"//",
        b"/\x7f",
        target + b"/",
        b"http://x" + target,
        b"*",
        b"x:80",
        target + b"#f",
        b"\xff",
    )
    return draw(st.sampled_from(odd)) if draw(st.integers(0, 9)) == 0 else target


HEADERS: tuple[bytes, ...] = (
    *(b"Expect: 100-continue", b"Expect: x", b"Upgrade: websocket\r\nConnection: Upgrade", b"Upgrade: h2c"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: \xff", b"Accept-Encoding: gzip;q=x"),
    *(
        b"Host: evil.example",
        b"Host: [::1",
        b"Host: localhost:99999",
        b"Host: \xff",
        b"Host: x\r\nHost: y",
        b"host:",
    ),
    *(b"Origin: null", b"Origin: http://[", b"Origin: http://localhost:1", b"Origin: \xe9", b"Origin: https://e"),
    *(b"Origin: https://e\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: \xff,",),
    *(
        b"Sec-Fetch-Site: cross-site",
        b"X-Forwarded-For: x, [::1",
        b"X-Forwarded-For: 1.2.3.4:99",
        b'Forwarded: for="[',
    ),
    *(b"X-Request-ID: a b", b"x-request-id: ok-1", b"X-Request-Id: \xff", b"X-Request-ID: " + b"a" * 200),
    *(b"Authorization: Basic \xff", b"Authorization: Bearer", b"Authorization: Basic YQ", b"x-api-key:\t\xe9"),
    *(
        b"Content-Type: application/json; charset=\xff",
        b"Content-Type: multipart/form-data; boundary=",
        b"Content-Type: ;",
    ),
    *(
        b"Connection: close",
        b"Connection: te, close",
        b"Keep-Alive: x",
        b"TE: trailers",
        b"Trailer: x",
        b"Cookie: \x80",
    ),
    *(
        b"Last-Event-ID: 9-9",
        b"Last-Event-ID: -",
        b"Range: bytes=0-",
        b"If-None-Match: *",
        b"Date: x",
        b"Accept: text/html",
    ),
    *(b"X-A: " + b"a" * size for size in (8_000, 30_000, 33_000, 65_536, 70_000)),
    *(b"\r\n".join(b"X-%d: %s" % (n, b"v" * 500) for n in range(count)) for count in (64, 120, 200)),
)
_TOKEN = st.text("abcXYZ-_!#", min_size=1, max_size=8).map(str.encode)
_ODD = st.builds(
    b"%s: %s".__mod__, st.tuples(_TOKEN, st.binary(max_size=12).map(lambda v: v.translate(None, b"\r\n")))
)


def _framed(draw: st.DrawFn, text: bytes) -> tuple[bytes, bytes, bool]:
    """Headers that say where the body ends, the body, and whether they are right."""
    size = len(text)
    in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (size, text) if text else b"0\r\n\r\n"
    counted = (b"Content-Length: %d" % size, text, True)
    if draw(st.integers(0, 9)) < 6:
        return counted
    chunked = b"Transfer-Encoding: chunked"
    zipped = gzip.compress(text, mtime=0)
    return draw(
        st.sampled_from(
            [
                (chunked, in_chunks, True),
                (b"Content-Encoding: gzip\r\nContent-Length: %d" % len(zipped), zipped, True),
                (b"Content-Encoding: gzip\r\nContent-Length: %d" % len(zipped[:-3]), zipped[:-3], True),
                (b"Content-Length: %d" % (size + 9), text, False),
                (b"Content-Length: %d" % (size // 2), text, False),
                (b"Content-Length: %d\r\n%s" % (size, chunked), in_chunks, False),
                (b"%s\r\nContent-Length: %d" % (chunked, size), in_chunks, False),
                (b"Content-Length: %d\r\nContent-Length: 3" % size, text, False),
                (b"Content-Length: -1", text, False),
                (b"Content-Length: 99999999999999999999", text, False),
                (b"Transfer-Encoding: gzip, chunked", in_chunks, False),
                (chunked, in_chunks[: len(in_chunks) // 2], False),
                (chunked, b"xyz\r\n" + text, False),
                (b"X: y", text, False),
            ]
        )
    )


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "CONNECT", "TRACE")


@st.composite
def requests(draw: st.DrawFn, routes: Sequence[Route]) -> Wild:
    """Of any of the routes."""
    method, pattern = draw(st.sampled_from(routes))
    if method == "*" or draw(st.integers(0, 9)) == 0:
        method = draw(st.sampled_from(METHODS))
    target = _target(draw, pattern)
    text = draw(bodies(pattern)) if method not in ("GET", "HEAD") or draw(st.integers(0, 5)) == 0 else b""
    framing, sent, whole = _framed(draw, text)
    more = draw(st.lists(st.sampled_from(HEADERS) | _ODD, max_size=draw(st.sampled_from([0, 0, 1, 3]))))
    kind = [b"Content-Type: " + TYPE.encode()] if pattern in surface.UPLOADED else []
    version = draw(st.sampled_from([b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]))
    lines = draw(st.permutations([b"Host: x", framing, *kind, *more])) if more else [b"Host: x", framing, *kind]
    head = b"\r\n".join([b"%s %s %s" % (method.encode(), target, version), *lines]) + b"\r\n\r\n"
    ends = draw(st.integers(0, 29))
    if ends == 0:
        cut = draw(st.integers(0, len(head) - 1))
        return Wild(head[:cut], False)
    return Wild(head + sent, whole)
