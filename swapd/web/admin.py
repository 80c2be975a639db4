"""The operator's doors under ``/admin``, and ``/health`` and ``/ready`` for everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

from aiohttp import web

from swapd.core.events import LoadWished, UnloadWished
from swapd.core.refusal import Reason, Refusal, Refused
from swapd.core.spec import Catalog
from swapd.core.view import View
from swapd.web.auth import check_operator
from swapd.web.bridge import FOLLOWS
from swapd.web.errors import BAD_REQUEST, INVALID, Form, Problem, of_refusal
from swapd.web.events import Feed, stream
from swapd.web.gate import Clock, Config, Engines, Gate, Upgrade
from swapd.web.headers import PRIVATE
from swapd.web.status import Picture

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CANNOT_UPGRADE = Form(409, "cannot_upgrade", INVALID)
TAIL = 200
"""Lines of log shown where no number is asked for."""


class Admin:
    """The handlers."""

    def __init__(
        self,
        gate: Gate,
        config: Config,
        engines: Engines,
        clock: Clock,
        feed: Feed,
        upgrade: Upgrade | None = None,
    ) -> None:
        self._gate = gate
        self._config = config
        self._engines = engines
        self._clock = clock
        self._feed = feed
        self._upgrade = upgrade

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.get("/health", self.health),
            web.get("/ready", self.ready),
            web.post("/admin/models/{name:.+}/load", self._guarded(self.load)),
            web.post("/admin/models/{name:.+}/unload", self._guarded(self.unload)),
            web.post("/admin/unload", self._guarded(self.unload_all)),
            web.post("/admin/reload", self._guarded(self.reload)),
            web.get("/admin/logs/{name:.+}", self._guarded(self.logs)),
            web.get("/admin/explain/{name:.+}", self._guarded(self.explain)),
            web.get("/admin/events", self._guarded(self.events)),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Alive."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """200 once all that the config wants up is so, but for what was unpinned; else 503 with what is not."""
        missing = [
            name
            for name, model in self._gate.view().models.items()
            if (model.spec.terms.stay.preload or model.spec.terms.stay.pinned)
            and model.pinning is not False
            and model.state != "ready"
        ]
        if missing:
            return web.json_response({"status": "loading", "missing": missing}, status=503)
        return web.json_response({"status": "ok"})

    async def explain(self, request: web.Request) -> web.Response:
        """Why one model is, or is not, up, and when those who wait may be served."""
        return _told(self._picture().explanation(self._known(request)))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What happens and is decided, as it does."""
        return await stream(self._feed, request, lambda: self._admit(request))

    async def load(self, request: web.Request) -> web.Response:
        """Bring the model up whatever failed before; 200 when it is, ``?wait=0``: 202 at once."""
        name = self._known(request)
        if (refusal := await self._gate.missing(name)) is not None:
            raise of_refusal(refusal)
        self._gate.post(LoadWished(name))
        if self._state(name) == "ready":  # though it may be busy: a load does not queue for a slot
            return _told({"model": name, "state": "ready"})
        if request.query.get("wait") == "0":
            return _told({"model": name, "state": self._state(name)}, 202)
        try:
            async with self._gate.lease(name, "operator"):
                return _told({"model": name, "state": self._state(name)})
        except Refused as refused:
            raise of_refusal(refused.refusal) from None

    async def unload(self, request: web.Request) -> web.Response:
        """Drain the model and stop its engine; 200 when it is gone. ``?now=1``: cut what it serves instead."""
        name = self._known(request)
        await unloaded(self._gate, [name], now=request.query.get("now") == "1")
        return _told({"model": name, "state": "cold"})

    async def unload_all(self, request: web.Request) -> web.Response:
        """The same for every model."""
        names = list(self._gate.view().models)
        await unloaded(self._gate, names, now=request.query.get("now") == "1")
        return _told({"models": names, "state": "cold"})

    async def reload(self, request: web.Request) -> web.Response:
        """Read the config again; 422 with all problems if it has any, and then nothing changes.

        ``?exec=1``: the daemon executes itself anew; 202 once nothing speaks against that.
        """
        if request.query.get("exec") == "1":
            return await self._execute()
        outcome = await self._config.reload()
        return _told(outcome, 422 if "problems" in outcome else 200)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """The last lines of the model's engines as text; ``?follow=1`` goes on with new ones."""
        book = self._engines.logs(self._known(request))
        try:
            tail = int(request.query.get("tail", TAIL))
        except ValueError:
            raise Problem(BAD_REQUEST, "cannot show logs: ?tail= takes a number of lines") from None
        response = web.StreamResponse(headers=PRIVATE | {"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        if request.query.get("follow") != "1":
            await response.write("".join(f"{line}\n" for line in book.tail(tail)).encode())
            return response
        request[FOLLOWS] = response
        async with book.subscribe() as lines:
            await response.write("".join(f"{line}\n" for line in book.tail(tail)).encode())
            with suppress(Problem):  # its right has ended: so does what it reads
                async for line in lines:
                    self._admit(request)
                    if line is not None:
                        await response.write(f"{line}\n".encode())
        return response

    async def _execute(self) -> web.Response:
        if self._upgrade is None:
            raise Problem(BAD_REQUEST, "cannot upgrade: this swapd cannot execute itself anew")
        if why := await self._upgrade.ask():
            raise Problem(CANNOT_UPGRADE, why)
        return _told({"upgrading": True, "execs": self._upgrade.execs}, 202)

    def _picture(self) -> Picture:
        return Picture(self._gate.view(), self._engines, self._clock)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self._admit(request)
            return await handler(request)

        return guarded

    def _admit(self, request: web.Request) -> None:
        """Raises Problem (401, 403, 429)."""
        check_operator(request, self._config.settings.admin_key)

    def _known(self, request: web.Request) -> str:
        """The model's own name for the name or alias in the path. Raises Problem (400, 404)."""
        return known(self._config.catalog, request.match_info["name"])

    def _state(self, name: str) -> str:
        model = self._gate.view().models.get(name)
        return model.state if model is not None else "cold"


def _told(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers=PRIVATE)


def known(catalog: Catalog, asked: str) -> str:
    """The own name of the model that is asked for by name or alias. Raises Problem (400, 404)."""
    found = catalog.resolve(asked)
    if found is None and (pool := catalog.pool(asked)) is not None:
        members = ", ".join(f"'{name}'" for name in pool.models)
        raise Problem(BAD_REQUEST, f"cannot use '{asked}' here: it is a pool; name one of its models: {members}")
    if found is None:
        raise of_refusal(Refusal(Reason.UNKNOWN_MODEL, asked, detail=catalog.near(asked)))
    return found[0].name


async def unloaded(gate: Gate, names: Collection[str], *, now: bool = False) -> None:
    """Let the models go; return once their engines are gone. ``now``: what they serve is cut."""
    runs = {engine.run for engine in gate.view().living if engine.run.model in names}
    for name in names:
        gate.post(UnloadWished(name, now))

    def gone(view: View) -> bool:
        """Whether these very runs are over: somebody may have asked for the model anew by now."""
        return not any(engine.run in runs for engine in view.living)

    await gate.until(gone)  # bounded by the engines' own drain, stop and kill bounds
