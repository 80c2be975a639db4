"""``GET /metrics``: what Prometheus scrapes. The operator's, as ``/admin`` is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import hdrs, web

from swapd.core.engine import RunId
from swapd.core.spec import Timeouts
from swapd.web.auth import check_operator
from swapd.web.errors import NOT_FOUND, Problem
from swapd.web.gate import Config
from swapd.web.headers import PRIVATE, takes_gzip
from swapd.web.upstream import EngineBroke, FirstByteLate, Upstream, get

CONNECTIONS: web.AppKey[Callable[[], int]] = web.AppKey("connections")
"""How many clients are connected now: the front door knows."""
BOUNDS = Timeouts(connect=1.0, first_byte=1.0, idle=1.0)
"""Of an engine that is asked for its own metrics."""


class Meter(Protocol):
    """Whoever counts."""

    async def scrape(
        self, ask: Callable[[RunId], Awaitable[bytes | None]], connections: int, accept: str, *, packed: bool
    ) -> tuple[bytes, str]:
        """The page and its content type. ``ask``: for an engine's own page, ``connections``: of clients."""


class Metered:
    """The handler. ``latest`` has the requests that have just ended told to who counts them."""

    def __init__(
        self,
        meter: Meter | None,
        config: Config,
        upstream: Upstream,
        latest: Callable[[], None],
    ) -> None:
        self._meter = meter
        self._config = config
        self._upstream = upstream
        self._latest = latest

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [web.get("/metrics", self.metrics)]

    async def metrics(self, request: web.Request) -> web.Response:
        """All of them, as text or OpenMetrics, and compressed where that is asked for."""
        check_operator(request, self._config.settings.admin_key)
        if self._meter is None:
            raise Problem(NOT_FOUND, "cannot show metrics: nobody counts here")
        self._latest()
        headers = dict(PRIVATE)
        if packed := takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        accept = request.headers.get(hdrs.ACCEPT, "")
        page, headers[hdrs.CONTENT_TYPE] = await self._meter.scrape(
            self._page, request.app[CONNECTIONS](), accept, packed=packed
        )
        return web.Response(body=page, headers=headers)

    async def _page(self, run: RunId) -> bytes | None:
        """An engine's own; None if it gives none."""
        try:
            code, text = await self._upstream.page(run, get("/metrics"), BOUNDS)
        except (EngineBroke, FirstByteLate):
            return None
        return text if code == web.HTTPOk.status_code else None
