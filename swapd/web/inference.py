"""What every door to an engine does alike: know the client, find the model, edit the body, hold an engine, answer.

The doors themselves differ in how they read a request and word an answer: ``openai``, and those beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from aiohttp import web

from swapd.core.settings import ClientKey
from swapd.core.spec import Alias, Spec
from swapd.web import ability, asked, keepalive, pooled, repair, surface
from swapd.web.bridge import Relayed, client_of
from swapd.web.client import Client, Late
from swapd.web.entries import names
from swapd.web.errors import Problem
from swapd.web.gate import Config, Engines, Gate
from swapd.web.guard import Guard
from swapd.web.keepalive import Keepalive
from swapd.web.limits import off_loop
from swapd.web.relay import relay
from swapd.web.told import tell
from swapd.web.translation import Translation
from swapd.web.turns import Deliver, Turns
from swapd.web.upstream import Request, Upstream


class Inference:
    """The steps of a request, for whoever reads one."""

    def __init__(self, gate: Gate, config: Config, engines: Engines, upstream: Upstream, guard: Guard) -> None:
        self._gate = gate
        self._turns = Turns(gate, engines)
        self.config = config
        self.upstream = upstream
        self.guard = guard

    def client(self, request: web.Request) -> Client:
        """Whoever asks. Raises Problem (401), before anything of a body is read."""
        client = client_of(request)
        client.who = self.guard.of(request)
        return client

    def name(self, found: asked.Peek, request: web.Request, client: Client) -> str:
        """The model that is meant, which is for the client. Raises Problem (400, 403, 404)."""
        up = self._only_ready(client.who) if surface.is_own(request.path) else None
        name = asked.name_of(found, request.query, self.config.catalog, up)
        self.guard.check(client.who, name)
        return name

    async def aimed(self, client: Client, name: str, out: Request) -> Request:
        """The request as the model's engine is to get it: edited as the model and its alias want. Raises Problem
        (400, 501).
        """
        resolved = self.config.catalog.resolve(name)
        if resolved is None:
            if (pool := self.config.catalog.pool(name)) is not None:
                client.late = Late(pooled.able(pool, self.config.catalog, out), self._edited)
            return out  # else the gate will say that there is no such model
        spec, alias = resolved
        if (missing := ability.lacking(spec, out)) is not None:
            raise ability.refusal(spec, missing, self._gate, client.who)
        return await self._edited(spec, out, alias)

    async def _edited(self, spec: Spec, out: Request, alias: Alias | None = None) -> Request:
        service = spec.terms.service
        if out.upload is not None and service.upstream_model is not None:
            return out._replace(upload=out.upload.named(service.upstream_model))
        if out.body is None:
            return out
        if out.repaired and service.strict_json:
            raise repair.refusal(alias.name if alias else spec.name, out.repaired)
        edits = [edit for edit in (service.edits, alias.edits if alias else None) if edit]
        if not edits and service.upstream_model is None:
            return out  # untouched, to the byte
        return out._replace(body=await off_loop(asked.edited, out.body, edits, service.upstream_model))

    async def through(self, client: Client, name: str, deliver: Deliver) -> web.StreamResponse:
        """Let ``deliver`` answer past aiohttp from an engine of the model, and tell aiohttp so. Raises Problem."""
        try:
            await self.answer(client, name, deliver)
        except Problem as problem:
            if client.begun:
                client.refuse(problem)
                return Relayed(client)
            if client.reason:
                problem.headers["X-Swapd-Reason"] = client.reason
            raise
        return Relayed(client)

    async def answer(self, client: Client, name: str, deliver: Deliver) -> None:
        """The same for a client past aiohttp. Within what it may ask for. Raises Problem."""
        every = self.config.settings.keepalive_comments if client.streams else None
        pool = self.config.catalog.pool(name)
        take = self._turns.take if pool is None else partial(pooled.take, self._gate, self._turns, pool)
        if client.who is None and every is None:  # hot: nobody counts
            await take(client, name, deliver)
            return
        with self.guard.counted(client.who, client.tokens), self._kept_alive(client, name, every):
            await take(client, name, deliver)

    def relayed(self, client: Client, out: Request, *, streams: bool) -> Deliver:
        """Deliver the engine's answer to ``out`` as it comes, to the byte."""
        return partial(relay, client, request=out, upstream=self.upstream, streams=streams)

    def told(self, client: Client, out: Request, translation: Translation) -> Deliver:
        """Deliver it in the words of the translation, which made ``out``."""
        pour = partial(tell, translation)
        return partial(relay, client, request=out, upstream=self.upstream, streams=translation.streams, pour=pour)

    @contextlib.contextmanager
    def _kept_alive(self, client: Client, name: str, every: float | None) -> Iterator[None]:
        if every is None:
            yield
            return
        comments = Keepalive(client, every, lambda: self._waits_for(client, name))
        try:
            yield
        finally:
            comments.stop()

    def _waits_for(self, client: Client, name: str) -> bytes:
        name = client.visit.model or name  # of a pool, the model that is tried
        found = self.config.catalog.resolve(name)
        return keepalive.words(self._gate.view(), found[0].name if found else name, held=client.lease is not None)

    def _only_ready(self, who: ClientKey | None) -> str | None:
        """Of the models that are for the client, by a name that is."""
        ready = [names(model, who) for model in self._gate.view().models.values() if model.state == "ready"]
        theirs = [found[0] for found in ready if found]
        return theirs[0] if len(theirs) == 1 else None
