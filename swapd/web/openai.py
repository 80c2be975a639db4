"""The doors to engines as they are: OpenAI's API and others that pass through untouched, and ``/upstream``."""

from __future__ import annotations

from aiohttp import web

from swapd.core.spec import Catalog, Spec
from swapd.web import asked, repair, surface, tunnel
from swapd.web.anthropic import messages
from swapd.web.client import Client
from swapd.web.errand import as_it_is, check_lent
from swapd.web.express import Express
from swapd.web.headers import JSON, upstream_lines
from swapd.web.inference import Inference
from swapd.web.limits import expect, off_loop, read_body
from swapd.web.upstream import Request

SANDBOX = b"Content-Security-Policy: sandbox allow-scripts allow-forms\r\n"


class OpenAI:
    """The handlers."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            *(web.post(path, self.by_body, expect_handler=expect) for path in surface.POSTED),
            *(web.get(path, self.by_query, allow_head=False) for path in surface.SHOWN),
            web.route("*", "/upstream/{rest:(?s:.+)}", self.by_path, expect_handler=expect),
        ]

    async def by_express(self, client: Client, request: Express) -> None:
        """The same as ``by_body``, from the express lane."""
        inference = self._inference
        client.turn.who = inference.guard.who(request.keys)
        found, sent = repair.read(request.body, asked.peek)
        client.turn.streams = bool(found.stream)
        name = asked.name_of(found, {}, inference.config.catalog)
        inference.guard.check(client.turn.who, name)
        out = Request("POST", request.target, request.lines, *sent, ability=surface.ABILITIES[request.target])
        await inference.answer(client, name, inference.errand(client, name, out, streams=client.turn.streams))

    async def by_body(self, request: web.Request) -> web.StreamResponse:
        """A POST whose JSON body names the model."""
        return await self.posted(self._inference.client(request), request, surface.full(request.path))

    async def posted(self, client: Client, request: web.Request, path: str) -> web.StreamResponse:
        """The same for a client that is let in, to the engine's ``path``."""
        body = await read_body(request, self._inference.config.settings.limits.body)
        found, sent = await off_loop(repair.read, body, asked.peek)
        name = self._inference.name(found, request, client)
        client.turn.streams = bool(found.stream)
        lines = JSON + upstream_lines(request.raw_headers, b"content-type")
        if path == messages.PATH and messages.only_chats(self._inference.config.catalog, name):
            return await self._by_chat(client, name, request, sent)
        out = Request("POST", path + query_of(request), lines, *sent, ability=surface.ABILITIES[path])
        return await self._relayed(client, name, out, client.turn.streams)

    async def by_query(self, request: web.Request) -> web.StreamResponse:
        """A GET whose query names the model."""
        client = self._inference.client(request)
        name = self._inference.name(asked.Peek(), request, client)
        client.visit.lines += _apart(self._inference.config.catalog, name)
        target, ability = request.path + query_of(request), surface.ABILITIES[request.path]
        out = Request("GET", target, upstream_lines(request.raw_headers), None, ability=ability)
        return await self._relayed(client, name, out, False)

    async def by_path(self, request: web.Request) -> web.StreamResponse:
        """Anything at all, to the engine of the model that the path names, unchanged."""
        client, config = self._inference.client(request), self._inference.config
        raw = request.rel_url.raw_path.partition("/upstream/")[2]
        name, path = asked.split_path(raw, config.catalog)
        self._inference.guard.check(client.turn.who, name)
        _check_lent(config.catalog, name)
        client.visit.lines += _apart(config.catalog, name)
        path += query_of(request)
        if tunnel.wanted(request):
            out, pour = tunnel.asked(request, path)
            errand = self._inference.errand(client, name, out, streams=True, pour=pour)
        else:
            body = await read_body(request, config.settings.limits.body) if request.can_read_body else None
            out = Request(request.method, path, upstream_lines(request.raw_headers), body)
            streams = await off_loop(asked.wants_stream, body or b"")
            errand = self._inference.errand(client, name, out, streams=streams)
        errand.aim = as_it_is
        return await self._inference.through(client, name, errand)

    async def _by_chat(
        self, client: Client, name: str, request: web.Request, sent: repair.Repaired
    ) -> web.StreamResponse:
        """Anthropic's messages, from an engine that has none."""
        body, answer = await off_loop(messages.by_chat, sent.body, name)
        lines = JSON + upstream_lines(request.raw_headers, b"content-type", b"accept-encoding")
        out = Request("POST", messages.CHAT, lines, body, sent.places, ability=surface.ABILITIES[messages.CHAT])
        return await self._inference.through(client, name, self._inference.told(client, name, out, answer))

    async def _relayed(self, client: Client, name: str, out: Request, streams: bool) -> web.StreamResponse:
        errand = self._inference.errand(client, name, out, streams=streams)
        return await self._inference.through(client, name, errand)


def _check_lent(catalog: Catalog, name: str) -> None:
    """What ``as_it_is`` would refuse of any model that is meant is not waited for. Raises Problem (403)."""
    for spec in _meant(catalog, name):
        check_lent(spec)


def _apart(catalog: Catalog, name: str) -> bytes:
    """A browser is to keep pages of a server that somebody else runs apart from our own page and its session.

    Those of an engine that runs here may be what they are: it could do more harm than its page.
    """
    return SANDBOX if any(spec.remote for spec in _meant(catalog, name)) else b""


def _meant(catalog: Catalog, name: str) -> list[Spec]:
    """The model of that name or alias, or those of a pool."""
    resolved, pool = catalog.resolve(name), catalog.pool(name)
    names = pool.models if pool is not None else [resolved[0].name] if resolved is not None else []
    return [catalog.models[member] for member in names]


def query_of(request: web.Request) -> str:
    """The raw query, with its ``?`` if there is one."""
    query = request.rel_url.raw_query_string
    return f"?{query}" if query else ""
