"""Websockets (RFC 6455) of engines: once one has consented, bytes run both ways, and nobody here reads them.

What the engine sends runs to the client as the body of any answer does. What the client sends comes from aiohttp:
it has read the request, and keeps what came behind it (64 KiB at most) until there is a taker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from aiohttp import HttpVersion11, web

from swapd.web.bridge import IDLE
from swapd.web.frames import Frames
from swapd.web.headers import upstream_lines
from swapd.web.relay import Passing, Pour, as_it_comes
from swapd.web.upstream import Request
from swapd.web.wire import Lost

STILL = 1.0
"""Seconds without a byte after which it is idle."""
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def wanted(request: web.Request) -> bool:
    """Whether the client asks for a websocket."""
    if request.method != "GET" or request.version < HttpVersion11:
        return False
    words = ",".join(request.headers.getall("Connection", ())).lower().split(",")
    switches = "upgrade" in [word.strip() for word in words]
    return switches and request.headers.get("Upgrade", "").strip().lower() == "websocket"


def asked(request: web.Request, target: str) -> tuple[Request, Pour]:
    """How an engine is asked for the websocket that it has at ``target``, its raw path and query; and what is
    done with its answer.

    Browsers let any page open one, and read it: where no key is needed, the guard has kept out foreign pages.
    """
    lines, way = upstream_lines(request.raw_headers) + _UPGRADE, _WayIn(request)
    request[IDLE] = way.is_idle
    return Request("GET", target, lines, None, upgrade=True), partial(_both_ways, way)


async def _both_ways(way: _WayIn, passing: Passing) -> None:
    """Until one side closes. An engine that answers anything else than 101 has no websocket to give.

    No silence is too long: who wants to know whether the other side lives sends pings. But an engine that is sent
    something has to take it.
    """
    client, answer = passing.client, passing.answer
    if answer.head.code != 101:
        return await as_it_comes(passing)
    answer.body = _WayOut(way.stir)
    way.open(passing)
    try:
        with contextlib.suppress(Lost, TimeoutError):  # its frames tell a cut from an end
            await answer.pour(client.switched(answer, passing.notes), client.channel, None, passing.until)
    finally:
        way.close()
    return None


class _WayOut(Frames):
    """From the engine."""

    def __init__(self, stir: Callable[[], None]) -> None:
        super().__init__()
        self._stir = stir

    def take(self, data: bytes) -> bytes:
        """Everything."""
        self._stir()
        return super().take(data)


class _WayIn:
    """From the client to the engine. To aiohttp it is a reader of the frames that follow the client's request.

    While the engine takes nothing the client is not read, and so nobody would see that it leaves: that is bounded.
    """

    def __init__(self, request: web.Request) -> None:
        self._protocol = request.protocol
        self._passing: Passing | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stirred = 0.0

    def stir(self) -> None:
        """Something passes, one way or the other."""
        self._stirred = asyncio.get_running_loop().time()

    def is_idle(self) -> bool:
        """Whether it is open, and nothing has passed for a while."""
        return self._passing is not None and asyncio.get_running_loop().time() - self._stirred >= STILL

    def open(self, passing: Passing) -> None:
        """From now on all goes to the engine, beginning with what has come already."""
        self._passing = passing
        self.stir()
        self._protocol.set_parser(cast(Any, self))

    def close(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """More from the client. That was not the end, and nothing of it is left."""
        assert self._passing is not None
        self.stir()
        self._passing.answer.feed(data, self)
        return False, b""

    def feed_eof(self) -> None:
        """The client has left: aiohttp cancels whoever waits for it."""

    def pause(self) -> None:
        """The engine takes no more for now: let the client wait, for ``timeouts.idle``."""
        self._protocol.pause_reading()
        assert self._passing is not None
        if (idle := self._passing.bounds.idle) is not None:
            self._timer = asyncio.get_running_loop().call_later(idle, self._passing.client.channel.reset)

    def resume(self) -> None:
        """It does again."""
        self.close()
        self._protocol.resume_reading()
