"""The operator's doors to how everything stands, and stood: the status, live, and the history."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from aiohttp import web

from swapd.web.auth import check_operator
from swapd.web.errors import BAD_REQUEST, NOT_FOUND, Problem
from swapd.web.gate import Clock
from swapd.web.headers import PRIVATE
from swapd.web.live import Live
from swapd.web.status import Scene

HOURS = 24.0
"""So far back one may look; what is kept is no older."""


class Outlook:
    """The handlers. ``tell``: whoever counts requests hears of those that have ended, now."""

    def __init__(self, scene: Scene, live: Live, clock: Clock, tell: Callable[[], None]) -> None:
        self._scene = scene
        self._live = live
        self._clock = clock
        self._tell = tell

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.get("/admin/status", self.status),
            web.get("/admin/live", self.live, allow_head=False),
            web.get("/admin/history", self.history),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """Everything that is known, as one object."""
        self._admit(request)
        self._tell()
        text = await self._scene.status(self._clock)
        return web.Response(text=text, content_type="application/json", headers=PRIVATE)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The same, and then what changes."""
        self._admit(request)
        return await self._live.stream(request, lambda: self._admit(request))

    async def history(self, request: web.Request) -> web.Response:
        """What happened in the last ``?hours=``."""
        self._admit(request)
        hours = _hours(request.query.get("hours", "6"))
        if (history := self._scene.history) is None:
            raise Problem(NOT_FOUND, "cannot show what happened: no history is kept here")
        self._tell()
        body = await history.since(hours)
        return web.Response(body=body, content_type="application/json", headers=PRIVATE)

    def _admit(self, request: web.Request) -> None:
        check_operator(request, self._scene.config.settings.admin_key)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not isfinite(hours) or not 0 < hours <= HOURS:
        raise Problem(BAD_REQUEST, f"cannot show what happened: ?hours= takes a number up to {HOURS:g}, above 0")
    return hours
