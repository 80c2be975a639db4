"""Web pages of others: which may ask (CORS, the Fetch standard), and which must not use the operator's browser.

A browser sends some requests for any page and asks nobody; it only keeps the answer from the page. That is too
late where no key is needed: a model would have been loaded, and a GPU used. So such a request is refused by its
Origin, or where there is none by ``Sec-Fetch-Site`` (images, frames, links).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aiohttp import hdrs, web

from swapd.web.errors import NOT_PERMITTED, Problem
from swapd.web.hosts import is_loopback, name_of

MAX_AGE = 7200
"""Seconds for which a browser may remember that a page may ask: Chromium's limit."""
EXPOSED = (
    *("X-Request-ID", "Request-ID", "Retry-After", "X-Should-Retry"),
    *(f"X-Swapd-{what}" for what in ("Model", "Run", "Queued-Ms", "Load-Ms", "Reason", "Repaired")),
    *(f"X-RateLimit-{what}-{of}" for of in ("Requests", "Tokens") for what in ("Limit", "Remaining", "Reset")),
)
"""What a page may read of an answer's head."""
_OPERATORS = ("/admin", "/metrics", "/ui")
_WEB = ("http://", "https://")
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
_EVERY_METHOD = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class Cors:
    """``origins``: of the pages that may ask; ``*`` alone: all."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._all = "*" in origins
        self._origins = frozenset(origins)
        self._exposed = f"Access-Control-Expose-Headers: {', '.join(EXPOSED)}\r\n".encode()

    def lines(self, request: web.Request) -> bytes:
        """The headers by which a page may read the answer to its request; nothing for all others."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or request.path.startswith(_OPERATORS) or not self._allows(origin):
            return b""
        return self._opened(origin) + self._exposed

    def preflight(self, request: web.Request, methods: Iterable[str]) -> web.Response:
        """The answer to a page that asks whether it may ask. Raises Problem (403)."""
        origin, asked = request.headers[hdrs.ORIGIN], request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
        if not self._allows(origin):
            text = f"cannot let pages of {origin[:200]!r} ask: add it to cors.origins in the config"
            raise Problem(NOT_PERMITTED, text, about=page_of(request))
        response = web.Response(status=204)
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = ", ".join(sorted(methods) or _EVERY_METHOD)
        response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(MAX_AGE)
        if _NAMES.fullmatch(asked):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
        if request.headers.get("Access-Control-Request-Private-Network") == "true":
            response.headers["Access-Control-Allow-Private-Network"] = "true"
        return response

    def check_page(self, request: web.Request) -> None:
        """Keep out a foreign web page, where no key does. Raises Problem (403).

        What is no web page (``chrome-extension://``, ``tauri://``) was installed by the user, and passes. So do
        pages of this machine that ask at this machine, whatever their port, as with Ollama.
        """
        origin = request.headers.get(hdrs.ORIGIN)
        host = request.headers.get(hdrs.HOST, "")
        foreign = _is_fetched(request) if origin is None else self._is_foreign(origin, host)
        if foreign and not self._all:
            whose = f"the web page {origin[:200]!r}" if origin else "another web page"
            advice = "add its origin to cors.origins in the config, or give the config 'clients' with keys"
            raise Problem(NOT_PERMITTED, f"cannot work for {whose}: {advice}", about=page_of(request))

    def _allows(self, origin: str) -> bool:
        return self._all or origin in self._origins

    def _is_foreign(self, origin: str, host: str) -> bool:
        origin = origin.lower()
        if origin != "null" and not origin.startswith(_WEB):
            return False
        place = origin.partition("://")[2]
        ours = place == host.lower() or (is_loopback(name_of(place)) and is_loopback(name_of(host)))
        return not ours and not self._allows(origin)

    def _opened(self, origin: str) -> bytes:
        if self._all:
            return b"Access-Control-Allow-Origin: *\r\n"
        return b"Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n" % origin.encode("ascii")


def page_of(request: web.Request) -> str:
    """What tells of a page that is refused, for the access log."""
    if (origin := request.headers.get(hdrs.ORIGIN)) is not None:
        return f"Origin {origin[:100]}"
    return f"Sec-Fetch-Site {request.headers.get('Sec-Fetch-Site', '')[:100]}"


def asks_first(request: web.Request) -> bool:
    """Whether it is a preflight, of something that pages may ever ask for."""
    head = request.headers
    asks = request.method == hdrs.METH_OPTIONS and hdrs.ORIGIN in head
    return asks and hdrs.ACCESS_CONTROL_REQUEST_METHOD in head and not request.path.startswith(_OPERATORS)


def _is_fetched(request: web.Request) -> bool:
    """Whether another page needs the answer for itself; a link that was followed shows it in a page of its own."""
    head = request.headers
    followed = head.get("Sec-Fetch-Mode") == "navigate" and head.get("Sec-Fetch-Dest") == "document"
    foreign = head.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
    return foreign and not (followed and request.method == hdrs.METH_GET)
