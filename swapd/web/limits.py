"""How much the house takes in: bytes of a body, and connections at once."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast

from aiohttp import HttpVersion11, web

from swapd.web.errors import BAD_REQUEST, TOO_LARGE, Problem, dialect_of, respond

BODY_IDLE = 60.0
"""Seconds without a byte after which a half-sent body is given up."""
LARGE = 1 << 20
"""Bytes from which on a body is worked at in a thread."""
FEW, SOON = 64, 1.0
"""So many who are turned away are heard out at once, and for so many seconds."""
BODY_LIMIT: web.AppKey[Callable[[], int]] = web.AppKey("body_limit")
KEYED: web.AppKey[Callable[[web.Request], object]] = web.AppKey("keyed")
"""Raises Problem for whoever has no right to ask."""
T = TypeVar("T")
_NO_ROOM = (
    b'{"error": {"message": "cannot accept the connection: limits.connections is reached", '
    b'"type": "overloaded_error", "param": null, "code": "queue_full"}}'
)
_TURN_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_NO_ROOM), _NO_ROOM)
)


async def read_body(request: web.Request, limit: int) -> bytes:
    """The request's body, decompressed; never more than ``limit`` bytes of it are held.

    Raises Problem: 413 above the limit (at once, where Content-Length says so), 400 if it stalls or is
    compressed in a way we do not know.
    """
    chunks = [chunk async for chunk in incoming(request, limit)]
    body, encoding = b"".join(chunks), request.headers.get("Content-Encoding", "").lower()
    if encoding in ("", "identity"):
        return body
    return await off_loop(_inflate, body, encoding, limit)


async def incoming(request: web.Request, limit: int, key: str = "body") -> AsyncIterator[bytes]:
    """The request's body as it comes. Raises Problem: 413 above ``limits.key``, 400 if it stalls."""
    check_length(request, limit, key)
    size = 0
    while True:
        try:
            async with asyncio.timeout(BODY_IDLE):
                chunk = await request.content.readany()
        except TimeoutError:
            raise Problem(BAD_REQUEST, f"cannot read the body: no byte for {BODY_IDLE:g} s") from None
        if not chunk:
            return
        size += len(chunk)
        if size > limit:
            raise _too_large(limit, key)
        yield chunk


def check_length(request: web.Request, limit: int, key: str = "body") -> None:
    """Whether a body is to come that is too large. Raises Problem (413)."""
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit, key)


async def off_loop(work: Callable[..., T], body: bytes, *more: Any) -> T:
    """Do ``work`` on a body: a large one in a thread, so that no stream stands still meanwhile."""
    if len(body) < LARGE:
        return work(body, *more)
    return await asyncio.to_thread(work, body, *more)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """``Expect: 100-continue``: nobody is invited to send what will be refused."""
    return invited(request, lambda asked: check_length(asked, asked.app[BODY_LIMIT]()))


def invited(request: web.Request, check: Callable[[web.Request], object]) -> web.StreamResponse | None:
    """The same with a ``check`` that raises Problem."""
    if request.headers["Expect"].lower() != "100-continue":
        text = "cannot do what the request expects: only 100-continue is known"
        return respond(Problem(BAD_REQUEST, text), dialect_of(request.path))
    try:
        request.app[KEYED](request)
        check(request)
    except Problem:
        return None  # the handler will refuse it in the same words
    if request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo gzip or deflate: the engines do not, and a zip bomb must not get past the limit."""
    if encoding not in ("gzip", "deflate"):
        raise Problem(BAD_REQUEST, f"cannot read the body: unknown Content-Encoding '{encoding}'")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(BAD_REQUEST, f"cannot read the body: {error}") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise Problem(BAD_REQUEST, "cannot read the body: its compressed data is cut short or too long")
    return plain


def _too_large(limit: int, key: str = "body") -> Problem:
    text = f"cannot take the request: its body is larger than {limit} bytes (limits.{key})"
    return Problem(TOO_LARGE, text)


class TurnedAway(asyncio.Protocol):
    """The lane of a connection above the limit.

    Out of file descriptors, the stock accept loop logs tens of thousands of lines a second; so the limit is
    kept well below them. Whoever is closed before it has asked is told nothing: its own words break the
    connection. So a few are heard out; in a flood nobody is.
    """

    def __init__(self, heard: set[TurnedAway]) -> None:
        """``heard``: those who are heard out now."""
        self._heard = heard
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it ask, if it does so soon."""
        self._door = cast(asyncio.Transport, transport)  # uvloop's is no subclass of asyncio's
        if len(self._heard) >= FEW:
            self.end()
        else:
            self._heard.add(self)
            self._timer = asyncio.get_running_loop().call_later(SOON, self.end)

    def data_received(self, data: bytes) -> None:
        """What it asks nobody reads."""
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has heard."""
        if self in self._heard:
            self._heard.discard(self)
            self._timer.cancel()

    def end(self) -> None:
        """It had its time."""
        self._tell()
        self._door.close()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._door.write(_TURN_AWAY)
            with contextlib.suppress(OSError):  # it has left
                self._door.write_eof()
