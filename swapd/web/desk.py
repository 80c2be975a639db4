"""More doors of the operator's: what stays pinned, what the config says, and trying a model from the page."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from swapd.core.events import PinWished
from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey
from swapd.web.admin import known
from swapd.web.auth import check_operator
from swapd.web.bridge import client_of
from swapd.web.errors import of_refusal
from swapd.web.gate import Config, Gate
from swapd.web.headers import PRIVATE
from swapd.web.openai import OpenAI

OPERATOR = ClientKey("operator", "")
"""Who asks from the page: as a client with every model, and no limit."""
TRIED = "/ui/try"
"""Before the path of what is tried."""


class Desk:
    """The handlers."""

    def __init__(self, gate: Gate, config: Config, openai: OpenAI) -> None:
        self._gate = gate
        self._config = config
        self._openai = openai

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.post("/admin/models/{name:.+}/pin", self.pin),
            web.post("/admin/models/{name:.+}/unpin", self.unpin),
            web.get("/admin/config", self.config),
            web.post(f"{TRIED}/v1/chat/completions", self.try_it),
            web.post(f"{TRIED}/v1/embeddings", self.try_it),
        ]

    async def pin(self, request: web.Request) -> web.Response:
        """Load the model and keep it, until it is unpinned. Raises Problem (503) if it could never be up so."""
        self._admit(request)
        name = known(self._config.catalog, request.match_info["name"])
        if (why := self._gate.view().never_fits(name)) is not None:
            raise of_refusal(Refusal(Reason.NEVER_FITS, name, detail=why))
        return self._wished(name, pinned=True)

    async def unpin(self, request: web.Request) -> web.Response:
        """Let the model go as any other does, though the config pins it."""
        self._admit(request)
        return self._wished(known(self._config.catalog, request.match_info["name"]), pinned=False)

    async def config(self, request: web.Request) -> web.Response:
        """The files, and what is wrong with them."""
        self._admit(request)
        found: dict[str, Any] = {
            "generation": self._config.generation,
            "files": await self._config.texts(),
            "problems": list(self._config.problems),
            "warnings": list(self._config.warnings),
        }
        return web.json_response(found, headers=PRIVATE)

    async def try_it(self, request: web.Request) -> web.StreamResponse:
        """The way of any request, once the operator is let in."""
        self._admit(request)
        client = client_of(request)
        client.turn.who = OPERATOR
        return await self._openai.posted(client, request, request.path.removeprefix(TRIED))

    def _wished(self, name: str, *, pinned: bool) -> web.Response:
        self._gate.post(PinWished(name, pinned))
        model = self._gate.view().models.get(name)
        state = model.state if model is not None else "cold"
        return web.json_response({"model": name, "pinned": pinned, "state": state})

    def _admit(self, request: web.Request) -> None:
        check_operator(request, self._config.settings.admin_key)
