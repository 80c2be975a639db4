"""Requests that nobody should send: nearly right ones, and such as have no sense at all."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from swapd.web import surface
from tests.web.test_form import TYPE
from tests.web.wild_bodies import MODELS, RIGHT, bodies, one_in

Route = tuple[str, str]
"""Method and pattern."""
LONGEST_SHOWN = 5000


class Wild(NamedTuple):
    """Its bytes; ``whole``: they are a request that waits for nothing more."""

    text: bytes
    whole: bool

    def __repr__(self) -> str:
        """Some are of a size that nobody reads."""
        return f"Wild({self.text[:LONGEST_SHOWN]!r}, of {len(self.text)} bytes, whole={self.whole})"


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
    query = draw(st.sampled_from(QUERIES)) if one_in(4, draw) else ""
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
    return draw(st.sampled_from(odd)) if one_in(12, draw) else target


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
    if not one_in(4, draw):
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
    talks = [route for route in routes if surface.full(route[1]) in RIGHT]
    method, pattern = draw(st.sampled_from(routes) | st.sampled_from(talks))
    if method == "*" or one_in(15, draw):
        method = draw(st.sampled_from(METHODS))
    target = _target(draw, pattern)
    text = draw(bodies(pattern)) if method not in ("GET", "HEAD") or one_in(6, draw) else b""
    framing, sent, whole = _framed(draw, text)
    more = draw(st.lists(st.sampled_from(HEADERS) | _ODD, max_size=draw(st.sampled_from([0, 0, 1, 3]))))
    kind = [b"Content-Type: " + TYPE.encode()] if pattern in surface.UPLOADED else []
    version = draw(st.sampled_from([b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]))
    lines = draw(st.permutations([b"Host: x", framing, *kind, *more])) if more else [b"Host: x", framing, *kind]
    head = b"\r\n".join([b"%s %s %s" % (method.encode(), target, version), *lines]) + b"\r\n\r\n"
    if one_in(30, draw):
        cut = draw(st.integers(0, len(head) - 1))
        return Wild(head[:cut], False)
    return Wild(head + sent, whole)
