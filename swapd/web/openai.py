"""The inference doors: find the model, hold an engine, relay. OpenAI's API, and ``/upstream``."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from aiohttp import web

from swapd.core import explain
from swapd.core.commands import Cause
from swapd.core.events import EngineSick
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.settings import ClientKey
from swapd.web import asked, repair, surface
from swapd.web.bridge import Relayed, client_of
from swapd.web.client import Client
from swapd.web.entries import names
from swapd.web.errors import FIRST_BYTE_LATE, Problem, of_refusal
from swapd.web.express import Express
from swapd.web.gate import Config, Engines, Gate, Lease
from swapd.web.guard import Guard
from swapd.web.headers import JSON, upstream_lines
from swapd.web.limits import expect, off_loop, read_body
from swapd.web.relay import broken_off, relay
from swapd.web.upstream import EngineBroke, FirstByteLate, Request, Upstream

LAST_LINES = 20
NOTHING = 0.05
"""Seconds that are no wait."""
LONGEST_PAUSE = 60
"""Seconds for which a client is sent away at most: an estimate for later is worth little."""


class Inference:
    """The handlers, with what they need from the house."""

    def __init__(self, gate: Gate, config: Config, engines: Engines, upstream: Upstream, guard: Guard) -> None:
        self._gate = gate
        self._engines = engines
        self._config = config
        self._upstream = upstream
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            *(web.post(path, self.by_body, expect_handler=expect) for path in surface.POSTED),
            *(web.get(path, self.by_query, allow_head=False) for path in surface.SHOWN),
            web.route("*", "/upstream/{rest:(?s:.+)}", self.by_path, expect_handler=expect),
        ]

    async def by_express(self, client: Client, request: Express) -> None:
        """The same as ``by_body``, from the express lane."""
        client.who = self._guard.who(request.keys)
        found, sent = repair.read(request.body, asked.peek)
        name = asked.name_of(found, {}, self._config.catalog)
        self._guard.check(client.who, name)
        out = Request("POST", request.target, request.lines, *sent)
        serve = self._serve if client.who is None else self._answer  # hot, where nobody counts
        await serve(client, name, await self._edit(name, out), bool(found.stream))

    async def by_body(self, request: web.Request) -> web.StreamResponse:
        """A POST whose JSON body names the model."""
        client = self._client(request)
        body = await read_body(request, self._config.settings.limits.body)
        found, sent = await off_loop(repair.read, body, asked.peek)
        name = self._name(found, request, client)
        lines = JSON + upstream_lines(request.raw_headers, b"content-type")
        out = Request("POST", surface.full(request.path) + _query(request), lines, *sent)
        return await self._through(client, name, await self._edit(name, out), bool(found.stream))

    async def by_query(self, request: web.Request) -> web.StreamResponse:
        """A GET whose query names the model."""
        client = self._client(request)
        out = Request("GET", request.path + _query(request), upstream_lines(request.raw_headers), None)
        return await self._through(client, self._name(asked.Peek(), request, client), out, False)

    async def by_path(self, request: web.Request) -> web.StreamResponse:
        """Anything at all, to the engine of the model that the path names, unchanged."""
        client = self._client(request)
        raw = request.rel_url.raw_path.partition("/upstream/")[2]
        name, path = asked.split_path(raw, self._config.catalog)
        self._guard.check(client.who, name)
        body = await read_body(request, self._config.settings.limits.body) if request.can_read_body else None
        out = Request(request.method, path + _query(request), upstream_lines(request.raw_headers), body)
        return await self._through(client, name, out, await off_loop(asked.wants_stream, body or b""))

    def _client(self, request: web.Request) -> Client:
        """Whoever asks. Raises Problem, before anything of a body is read."""
        client = client_of(request)
        client.who = self._guard.of(request)
        return client

    def _name(self, found: asked.Peek, request: web.Request, client: Client) -> str:
        """The model that is meant, which is for the client. Raises Problem."""
        up = self._only_ready(client.who) if surface.is_own(request.path) else None
        name = asked.name_of(found, request.query, self._config.catalog, up)
        self._guard.check(client.who, name)
        return name

    def _only_ready(self, who: ClientKey | None) -> str | None:
        """Of the models that are for the client, by a name that is."""
        ready = [names(model, who) for model in self._gate.view().models.values() if model.state == "ready"]
        theirs = [found[0] for found in ready if found]
        return theirs[0] if len(theirs) == 1 else None

    async def _through(self, client: Client, name: str, out: Request, streams: bool) -> web.StreamResponse:
        """Answer past aiohttp, and tell it so."""
        try:
            await self._answer(client, name, out, streams)
        except Problem as problem:
            if client.reason:
                problem.headers["X-Swapd-Reason"] = client.reason
            raise
        return Relayed(client)

    async def _edit(self, name: str, out: Request) -> Request:
        resolved = self._config.catalog.resolve(name)
        if resolved is None or out.body is None:
            return out  # the gate will say that there is no such model
        spec, alias = resolved
        service = spec.terms.service
        if out.repaired and service.strict_json:
            raise repair.refusal(name, out.repaired)
        edits = [edit for edit in (service.edits, alias.edits if alias else None) if edit]
        if not edits and service.upstream_model is None:
            return out  # untouched, to the byte
        return out._replace(body=await off_loop(asked.edited, out.body, edits, service.upstream_model))

    async def _answer(self, client: Client, name: str, out: Request, streams: bool) -> None:
        """Within what the client may ask for."""
        with self._guard.counted(client.who, client.tokens):
            await self._serve(client, name, out, streams)

    async def _serve(self, client: Client, name: str, out: Request, streams: bool) -> None:
        """Hold an engine and relay; again, after a pause, if the engine breaks before its first byte."""
        tries = 0
        while True:
            try:
                async with self._gate.lease(name, client.name) as lease:
                    held = lease
                    client.reason = self._reason(lease)
                    client.lease = lease
                    return await relay(client, lease, out, self._upstream, streams=streams)
            except Refused as refused:
                raise self._problem(self._with_last_lines(refused.refusal)) from None
            except FirstByteLate as late:
                raise Problem(FIRST_BYTE_LATE, f"cannot get an answer for model '{name}': {late}") from None
            except EngineBroke as broke:
                retry = held.spec.terms.service.retry
                # One taken away on purpose is not asked for again: that would undo the operator's unload.
                on_purpose = held.revoked is not None and held.revoked.cause is not Cause.SICK
                if on_purpose or not broke.unheard or tries == retry.attempts:
                    raise self._died(held, str(broke)) from None
                tries += 1
                await asyncio.sleep(retry.backoff)
                if broke.deaf:  # and has not ended meanwhile: the desk drops news of what has
                    self._gate.post(EngineSick(held.run, f"nobody listens at {held.endpoint} any more"))

    def _reason(self, lease: Lease) -> str:
        """What it waited for last: others that had the engine, its load, or before that the room for it."""
        if lease.queued < NOTHING:
            return ""
        if not lease.loaded:
            return "busy"
        view = self._gate.view()
        model = view.models.get(lease.spec.name)
        engine = model.engine if model is not None else None
        since_ready = view.now - engine.since if engine is not None and engine.run == lease.run else 0.0
        if since_ready >= NOTHING:
            return "busy"
        return "swap" if lease.queued - lease.loaded - since_ready >= NOTHING else "load"

    def _problem(self, refusal: Refusal) -> Problem:
        """A refusal of one that waited also says for what, and when it may be worth coming back."""
        problem = of_refusal(refusal)
        view = self._gate.view()
        if refusal.reason not in (Reason.QUEUE_FULL, Reason.QUEUE_TIMEOUT) or refusal.model not in view.models:
            return problem
        found = explain.of(view, refusal.model)
        if found.stand is not None:
            problem.message += f"; {refusal.model} {explain.words(found)}"
        first = next((waiter.eta for waiter in found.outlook.queue), found.outlook.ready)
        if first is not None:
            problem.headers["Retry-After"] = str(min(max(1, math.ceil(first)), LONGEST_PAUSE))
        return problem

    def _with_last_lines(self, refusal: Refusal) -> Refusal:
        """A start that was given up has no exit yet; what the engine wrote so far says most about why."""
        end = refusal.exit or Exit(reason="it is being stopped")
        if refusal.reason not in (Reason.START_TIMEOUT, Reason.START_FAILED) or end.log:
            return refusal
        lines = self._engines.logs(refusal.model).tail(LAST_LINES)
        return replace(refusal, exit=replace(end, log=tuple(lines)))

    def _died(self, lease: Lease, why: str) -> Problem:
        """The run's own end says more than the broken socket, where it is known already."""
        told = broken_off(lease, why)
        model = self._gate.view().models.get(lease.spec.name)
        if model is not None and model.failure is not None and model.failure.run == lease.run:
            told = replace(told, exit=model.failure.exit, detail="died")
        return of_refusal(told)


def _query(request: web.Request) -> str:
    query = request.rel_url.raw_query_string
    return f"?{query}" if query else ""
