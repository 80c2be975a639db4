"""The doors to engines as they are: OpenAI's API and others that pass through untouched, and ``/upstream``."""

from __future__ import annotations

from aiohttp import web

from swapd.web import asked, repair, surface
from swapd.web.client import Client
from swapd.web.express import Express
from swapd.web.headers import JSON, upstream_lines
from swapd.web.inference import Inference
from swapd.web.limits import expect, off_loop, read_body
from swapd.web.upstream import Request


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
        client.who = inference.guard.who(request.keys)
        found, sent = repair.read(request.body, asked.peek)
        name = asked.name_of(found, {}, inference.config.catalog)
        inference.guard.check(client.who, name)
        out = await inference.edited(name, Request("POST", request.target, request.lines, *sent))
        await inference.answer(client, name, inference.relayed(client, out, streams=bool(found.stream)))

    async def by_body(self, request: web.Request) -> web.StreamResponse:
        """A POST whose JSON body names the model."""
        client = self._inference.client(request)
        body = await read_body(request, self._inference.config.settings.limits.body)
        found, sent = await off_loop(repair.read, body, asked.peek)
        name = self._inference.name(found, request, client)
        lines = JSON + upstream_lines(request.raw_headers, b"content-type")
        out = Request("POST", surface.full(request.path) + query_of(request), lines, *sent)
        return await self._relayed(client, name, await self._inference.edited(name, out), bool(found.stream))

    async def by_query(self, request: web.Request) -> web.StreamResponse:
        """A GET whose query names the model."""
        client = self._inference.client(request)
        name = self._inference.name(asked.Peek(), request, client)
        out = Request("GET", request.path + query_of(request), upstream_lines(request.raw_headers), None)
        return await self._relayed(client, name, out, False)

    async def by_path(self, request: web.Request) -> web.StreamResponse:
        """Anything at all, to the engine of the model that the path names, unchanged."""
        client, config = self._inference.client(request), self._inference.config
        raw = request.rel_url.raw_path.partition("/upstream/")[2]
        name, path = asked.split_path(raw, config.catalog)
        self._inference.guard.check(client.who, name)
        body = await read_body(request, config.settings.limits.body) if request.can_read_body else None
        out = Request(request.method, path + query_of(request), upstream_lines(request.raw_headers), body)
        return await self._relayed(client, name, out, await off_loop(asked.wants_stream, body or b""))

    async def _relayed(self, client: Client, name: str, out: Request, streams: bool) -> web.StreamResponse:
        return await self._inference.through(client, name, self._inference.relayed(client, out, streams=streams))


def query_of(request: web.Request) -> str:
    """The raw query, with its ``?`` if there is one."""
    query = request.rel_url.raw_query_string
    return f"?{query}" if query else ""
