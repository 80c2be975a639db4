"""``/v1/models``: what there is to ask for. Listing never starts anything, and never waits."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from swapd.core.refusal import Reason, Refusal
from swapd.core.view import ModelView
from swapd.web.errors import of_refusal
from swapd.web.gate import Config, Gate

CREATED = 1_700_000_000
"""Clients want a ``created``; ours is the same for every model and for ever, so that it never confuses a cache."""


class Models:
    """The handlers."""

    def __init__(self, gate: Gate, config: Config) -> None:
        self._gate = gate
        self._config = config

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.get("/v1/models", self.list),
            web.get("/models", self.list),
            web.get("/v1/models/{id:.+}", self.one),
            web.get("/models/{id:.+}", self.one),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """All models and aliases that are not unlisted, aliases as entries of their own."""
        entries = [
            entry(name, model)
            for model in self._gate.view().models.values()
            if not model.spec.terms.service.listing.unlisted
            for name in (model.spec.name, *model.aliases)
        ]
        return web.json_response({"object": "list", "data": entries})

    async def one(self, request: web.Request) -> web.Response:
        """One of them, by name or alias; unlisted ones too, to whoever knows the name."""
        name = request.match_info["id"]
        for model in self._gate.view().models.values():
            if name == model.spec.name or name in model.aliases:
                return web.json_response(entry(name, model))
        raise of_refusal(Refusal(Reason.UNKNOWN_MODEL, name, detail=self._config.catalog.near(name)))


def entry(name: str, model: ModelView) -> dict[str, Any]:
    """One entry in OpenAI's shape; the context length under all the names that clients look for."""
    listing = model.spec.terms.service.listing
    found: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "swapd",
        "status": {"value": _STATUS.get(model.state, "unloaded")},
    }
    if listing.description:
        found["description"] = listing.description
    if listing.metadata:
        found["metadata"] = dict(listing.metadata)
    if listing.context:
        found |= {"context_length": listing.context, "max_model_len": listing.context}
        found["meta"] = {"n_ctx": listing.context}
    return found


_STATUS = {"ready": "loaded", "draining": "loaded", "starting": "loading"}
"""llama.cpp's router words, which Open WebUI and others read."""
