"""How much the house takes in: bytes of a body, and connections at once."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import web

from swapd.web.errors import BAD_REQUEST, TOO_LARGE, Problem

BODY_IDLE = 60.0
"""Seconds without a byte after which a half-sent body is given up."""
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
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_IDLE) as bound:
            async for chunk in request.content.iter_any():
                bound.reschedule(asyncio.get_running_loop().time() + BODY_IDLE)
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(BAD_REQUEST, f"cannot read the body: no byte for {BODY_IDLE:g} s") from None
    return _inflate(b"".join(chunks), request.headers.get("Content-Encoding", ""), limit)


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo gzip or deflate: the engines do not, and a zip bomb must not get past the limit."""
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() not in ("gzip", "deflate"):
        raise Problem(BAD_REQUEST, f"cannot read the body: unknown Content-Encoding '{encoding}'")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem(BAD_REQUEST, f"cannot read the body: {error}") from None
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> Problem:
    text = f"cannot take the request: its body is larger than {limit} bytes (limits.body)"
    return Problem(TOO_LARGE, text)


class Doorkeeper:
    """A protocol factory around aiohttp's that turns connections away above a limit.

    Out of file descriptors, the stock accept loop logs tens of thousands of lines a second; so the limit is
    kept well below them.
    """

    def __init__(self, server: web.Server, limit: Callable[[], int]) -> None:
        self._server = server
        self._limit = limit

    def __call__(self) -> asyncio.BaseProtocol:
        """The protocol for the next connection."""
        if len(self._server.connections) >= self._limit():
            return _TurnedAway()
        return self._server()


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(_TURN_AWAY)
        transport.close()
