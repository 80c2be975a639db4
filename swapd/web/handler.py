"""aiohttp's handler of a connection, but for what it says of a request that cannot be read.

Its own answer repeats the line that it could not read, in plain text; and in that line may stand a key. And it
begins nothing new while the hall is held.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from swapd.web import errors
from swapd.web.bridge import ENDED, FOLLOWS, IDLE, behind
from swapd.web.connection import Connection
from swapd.web.errors import BAD_REQUEST, Problem
from swapd.web.holding import ENDLESS
from swapd.web.lane import KEEP_ALIVE, UNKNOWN
from swapd.web.visit import Visit, fresh_line

log = logging.getLogger("swapd")
OPTIONS: dict[str, Any] = {
    "auto_decompress": False,
    "access_log": None,
    "keepalive_timeout": KEEP_ALIVE,
    "max_line_size": 16384,
    "max_field_size": 32768,
}


class Hall(Protocol):
    """Where it stands."""

    held: bool
    """Nothing new is begun for now."""


class Handler(web.RequestHandler):
    """Answers in our own words, and to no log: a port scan must not fill the disk."""

    def __init__(
        self, server: web.Server, connection: Connection, hall: Hall, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(server, loop=loop, **OPTIONS)
        self._connection = connection
        self._hall = hall
        self._half_read = False  # a head

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        before, waits = self._request_count, self._waits()
        super().data_received(data)
        self._half_read = bool(data) and self._request_count == before and (waits or not before)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """The answer goes out; then the next request may be read."""
        end = await super().finish_response(request, resp, start_time)
        if self._hall.held and request.content.is_eof() and not self._messages and not self._half_read:
            self._pause()
        return end

    def busy(self) -> object | None:
        """The request that has begun; ``holding`` says the rest."""
        if self.transport is not None and (request := self._current_request) is not None:
            return ENDLESS if FOLLOWS in request else request
        rests = self.transport is None or (self._waits() and not self._half_read and not self._messages)
        return None if rests and not self._connection.unsent() else self

    def hold(self) -> None:
        """Whoever reads the rest of a request reads on until it is answered."""
        if self.busy() is None:
            self._pause()

    def release(self) -> None:
        """Read on, but for what waits for a reader of its own."""
        waiting = self._reading_paused or self._buffer_paused
        if not waiting and not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()

    def cut(self, problem: Problem) -> None:
        """End what is under way."""
        request = cast(web.Request | None, self._current_request)
        if request is None:
            if self._half_read:
                self.force_close()
        elif ENDED not in request and self._task_handler is not None:
            request[ENDED] = problem
            if (client := behind(request)) is not None:
                client.turn.ended = problem
            self._task_handler.cancel()

    def is_idle(self) -> bool:
        """Whether it only waits on an open websocket."""
        request = self._current_request
        return request is not None and IDLE in request and bool(request[IDLE]())

    def is_clean(self) -> bool:
        """Ask the parser, by telling it that the client has left: so this is only for the very last."""
        try:
            return self._parser is not None and self._parser.feed_eof() is None
        except Exception:  # of many kinds: it says that something is missing
            return False

    def _process_keepalive(self) -> None:
        """Close it: nothing has come for long. While the hall is held, nobody knows."""
        if self._hall.held:
            self._keepalive_handle = self._loop.call_later(UNKNOWN, self._process_keepalive)
        else:
            super()._process_keepalive()

    def _waits(self) -> bool:
        """For the next request."""
        return self._waiter is not None and not self._waiter.done()

    def _pause(self) -> None:
        if not self._connection.transport.is_closing():
            self._connection.transport.pause_reading()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer on this connection."""
        if request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)  # breaks the connection
        if status >= 500:
            log.error("cannot answer %s", request.method, exc_info=exc)
            response = errors.respond(errors.bug())
        else:
            why = (
                "a line of its head is too long"
                if isinstance(exc, LineTooLong)
                else "it is no well-formed HTTP/1.1"
            )
            response = errors.respond(Problem(BAD_REQUEST, f"cannot read the request: {why}"))
            response.headers["X-Request-ID"] = Visit(fresh_line(), "", "", 0.0).id
        response.force_close()
        return response
