"""The doors of llama-swap that other tools poll, in its shapes (read from its code, a build of 2026).

Two things differ. Its ``GET /unload`` unloads; here that is a POST, as any web page can have a browser GET
something. And what is unloaded finishes its requests first.
"""

from __future__ import annotations

import shlex
from typing import Any

from aiohttp import web

from swapd.core.engine import RESTING, State
from swapd.core.settings import ClientKey
from swapd.core.text import without_secrets
from swapd.core.view import EngineView, ModelView
from swapd.web.admin import known, unloaded
from swapd.web.auth import check_operator
from swapd.web.entries import names
from swapd.web.errors import INVALID_KEY, Problem
from swapd.web.gate import Config, Gate
from swapd.web.guard import Guard

_STATES = {State.STARTING: "starting", State.READY: "ready"}
"""All others are on their way out."""


class LlamaSwap:
    """The handlers."""

    def __init__(self, gate: Gate, config: Config, guard: Guard) -> None:
        self._gate = gate
        self._config = config
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.get("/running", self.running, allow_head=False),
            web.post("/unload", self.unload_all),
            web.post("/api/models/unload", self.unload_all),
            web.post("/api/models/unload/{model:.+}", self.unload),
        ]

    async def running(self, request: web.Request) -> web.Response:
        """The models that have an engine, as far as they are for whoever asks."""
        models = self._theirs(self._who(request))
        found = [_shown(m, m.engine) for m in models if m.engine is not None and m.engine.state not in RESTING]
        return web.json_response({"running": found})

    async def unload_all(self, request: web.Request) -> web.Response:
        """Let all of them go; answers when they are gone."""
        await unloaded(self._gate, [model.spec.name for model in self._theirs(self._who(request))])
        return web.json_response({"msg": "ok"})

    async def unload(self, request: web.Request) -> web.Response:
        """The same for one. Raises Problem (403, 404)."""
        who, name = self._who(request), request.match_info["model"]
        self._guard.check(who, name)
        await unloaded(self._gate, [known(self._config.catalog, name)])
        return web.Response(text="OK")

    def _who(self, request: web.Request) -> ClientKey | None:
        """The client that asks; None if it is the operator, or anybody may. Raises Problem (401, 403, 429)."""
        try:
            return self._guard.of(request)
        except Problem as problem:
            if problem.form is not INVALID_KEY:
                raise
            check_operator(request, self._config.settings.admin_key)
            return None

    def _theirs(self, who: ClientKey | None) -> list[ModelView]:
        return [model for model in self._gate.view().models.values() if names(model, who)]


def _shown(model: ModelView, engine: EngineView) -> dict[str, Any]:
    launch, stay = model.spec.launch, model.spec.terms.stay
    where = launch.url or str(engine.endpoint or "")
    return {
        "model": model.spec.name,
        "state": _STATES.get(engine.state, "stopping"),
        "cmd": shlex.join(without_secrets(launch.argv, launch.key.rpartition(" ")[2])),
        "proxy": where,
        "ttl": 0 if model.pinned or stay.ttl is None else max(1, int(stay.ttl)),
        "name": "",
        "description": model.spec.terms.service.listing.description or "",
    }
