"""``/v1/models``: what there is to ask for. Listing never starts anything, and never waits."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from swapd.core.pools import choose
from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey
from swapd.core.spec import LATEST
from swapd.core.view import ModelView
from swapd.web import asked
from swapd.web.asked import Peek
from swapd.web.entries import entry, names
from swapd.web.errors import of_refusal
from swapd.web.gate import Config, Gate
from swapd.web.guard import Guard
from swapd.web.learned import Learned
from swapd.web.pool_entries import pool_entry, theirs


class Models:
    """The handlers, and the lists themselves for whoever shows them in another dialect."""

    def __init__(self, gate: Gate, config: Config, learned: Learned, guard: Guard) -> None:
        self._guard = guard
        self._gate = gate
        self._config = config
        self._learned = learned

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module. To come after paths that begin as these do."""
        return [
            web.get("/v1/models", self.list),
            web.get("/models", self.list),
            web.get("/v1/models/{id:.+}", self.one),
            web.get("/models/{id:.+}", self.one),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """All models and aliases that are not unlisted and are for the client, aliases as entries of their own."""
        who = self._guard.of(request)
        entries = [self._entry(name, m, who) for m in listed(self._gate, who) for name in names(m, who)]
        view = self._gate.view()
        entries += [pool_entry(pool, view, self._learned) for pool in theirs(self._config.catalog, who)]
        return web.json_response({"object": "list", "data": entries})

    async def one(self, request: web.Request) -> web.Response:
        """One of them, by name or alias; unlisted ones too, to whoever knows the name."""
        who = self._guard.of(request)
        name = asked.name_of(Peek(model=request.match_info["id"]), {}, self._config.catalog)
        self._guard.check(who, name)
        if (pool := self._config.catalog.pool(name)) is not None:
            return web.json_response(pool_entry(pool, self._gate.view(), self._learned))
        model = find(self._gate, self._config, name)
        shown = name if name in names(model, who) else name.removesuffix(LATEST)
        return web.json_response(self._entry(shown, model, who))

    def _entry(self, name: str, model: ModelView, who: ClientKey | None) -> dict[str, Any]:
        return entry(name, model, self._learned.of(model), who)


def listed(gate: Gate, who: ClientKey | None) -> list[ModelView]:
    """The models that the client's lists show."""
    shown = (m for m in gate.view().models.values() if not m.spec.terms.service.listing.unlisted)
    return [model for model in shown if names(model, who)]


def find(gate: Gate, config: Config, name: str) -> ModelView:
    """The model behind a name or an alias; of a pool, the one that would be asked now. Raises Problem (404)."""
    view, pool = gate.view(), config.catalog.pool(name)
    found = config.catalog.resolve(name) if pool is None else config.catalog.resolve(choose(view, pool)[0])
    model = view.models.get(found[0].name) if found is not None else None
    if model is None:
        raise of_refusal(Refusal(Reason.UNKNOWN_MODEL, name, detail=config.catalog.near(name)))
    return model
