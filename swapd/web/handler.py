"""aiohttp's handler of a connection, but for what it says of a request that cannot be read.

Its own answer repeats the line that it could not read, in plain text; and in that line may stand a key.
"""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from swapd.web import errors
from swapd.web.errors import BAD_REQUEST, Problem
from swapd.web.lane import KEEP_ALIVE
from swapd.web.visit import Visit, fresh_line

log = logging.getLogger("swapd")
OPTIONS: dict[str, Any] = {
    "auto_decompress": False,
    "access_log": None,
    "keepalive_timeout": KEEP_ALIVE,
    "max_line_size": 16384,
    "max_field_size": 32768,
}


class Handler(web.RequestHandler):
    """Answers in our own words, and to no log: a port scan must not fill the disk."""

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
