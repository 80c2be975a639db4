"""Servers of other kinds, as far as their documentation says how they answer: none of them can run here.

Each answers its health check as that kind does while it loads and once it is up, has the routes that the kind has
and no others, and asks for its key where the kind does. What they answer is made up. Sources: see ``core.kinds``;
where LocalAI and the others want no key: their pages on authentication.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

CERTIFICATE = Path(__file__).with_name("tls.pem")
"""Of 127.0.0.1, signed by itself, with the key that belongs to it: good for nothing but these tests."""
OPENAI = {"/v1/chat/completions", "/v1/completions", "/v1/models"}
EMBEDS, RERANKS = {"/v1/embeddings"}, {"/v1/rerank"}


@dataclass(frozen=True)
class Documented:
    """What the documentation of a kind says. ``open``: paths that need no key; a prefix where it ends in ``/``."""

    health: str
    paths: frozenset[str]
    open: tuple[str, ...] = ()
    loading: int | None = None
    """The status of its health check while it loads; None: nobody listens meanwhile."""
    guards_only_v1: bool = False


DOCUMENTED = {
    "vllm": Documented(
        "/health",
        frozenset(OPENAI | EMBEDS | RERANKS | {"/v1/messages", "/v1/responses", "/tokenize", "/detokenize"}),
        guards_only_v1=True,
    ),
    "sglang": Documented(
        "/health",
        frozenset(OPENAI | EMBEDS | RERANKS | {"/v1/messages", "/v1/responses", "/tokenize", "/detokenize"}),
        open=("/health",),
        loading=503,
    ),
    "tgi": Documented("/health", frozenset(OPENAI | {"/tokenize"}), open=("/health",), loading=503),
    "ollama": Documented(
        "/api/version", frozenset(OPENAI | EMBEDS | {"/v1/messages", "/v1/responses", "/api/tags"})
    ),
    "localai": Documented(
        "/readyz",
        frozenset(OPENAI | EMBEDS | RERANKS | {"/v1/messages", "/v1/responses", "/v1/tokenize"}),
        open=("/readyz", "/healthz"),
        loading=503,
    ),
    "lmstudio": Documented("/v1/models", frozenset(OPENAI | EMBEDS | {"/v1/messages", "/v1/responses"})),
    "openai": Documented("/v1/models", frozenset(OPENAI | EMBEDS | {"/v1/responses", "/v1/moderations"})),
}


@dataclass
class Fake:
    """One server. ``key``: what it wants as a Bearer; ``up``: whether its model is loaded."""

    kind: str
    key: str | None = None
    up: bool = True
    redirects: str = ""
    """Where it sends everybody instead of answering."""
    heard: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    """Each request: path with its query, headers by their names in lower case, and the body if it is JSON."""
    sockets: set[TransportSocket] = field(default_factory=set)

    @property
    def says(self) -> Documented:
        """Its documentation."""
        return DOCUMENTED[self.kind]

    def app(self) -> web.Application:
        """To be served."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    def asked(self, path: str) -> list[tuple[str, dict[str, str], Any]]:
        """What came for that path."""
        return [one for one in self.heard if one[0].partition("?")[0] == path]

    async def answer(self, request: web.Request) -> web.Response:
        """Any request."""
        body = await request.json() if request.can_read_body else None
        if request.transport is not None:
            self.sockets.add(request.transport.get_extra_info("socket"))
        self.heard.append((str(request.rel_url), {k.lower(): v for k, v in request.headers.items()}, body))
        if self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects + request.path})
        if self._is_guarded(request.path) and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        if request.path == self.says.health and not self.up:
            return web.Response(status=self.says.loading or 500)
        if request.path == self.says.health and request.path != "/v1/models":
            return web.json_response({"version": "0.40.12"}) if self.kind == "ollama" else web.Response()
        if request.path not in self.says.paths:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response(_said(request.path, self.kind, body))

    def _is_guarded(self, path: str) -> bool:
        if self.key is None or path in self.says.open:
            return False
        return path.startswith(("/v1/", "/v2/")) if self.says.guards_only_v1 else True


@asynccontextmanager
async def served(fake: Fake, port: int = 0, *, tls: bool = False) -> AsyncIterator[str]:
    """Its base URL, on a port of 127.0.0.1 (0 picks one)."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    runner = web.AppRunner(fake.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        async with asyncio.timeout(5):
            while any(one.fileno() >= 0 for one in fake.sockets):  # a goodbye over TLS takes two
                await asyncio.sleep(0.005)


def _said(path: str, kind: str, body: Any) -> dict[str, Any]:
    if path == "/v1/models":
        return {"object": "list", "data": [{"id": "theirs", "object": "model", "owned_by": kind}]}
    if path == "/v1/embeddings":
        return {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    message = {"role": "assistant", "content": f"{kind} says {body.get('model')}"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "x", "object": "chat.completion", "created": 1, "model": body.get("model"), "choices": choices}
