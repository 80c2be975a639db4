"""What every door to an engine does alike: know the client, find the model, make an errand of it, see it done.

The doors themselves differ in how they read a request and word an answer: ``openai``, and those beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Iterator
from functools import partial

from aiohttp import web

from swapd.core.settings import ClientKey
from swapd.web import ability, asked, keepalive, pooled, repair, surface
from swapd.web.bridge import Relayed, client_of
from swapd.web.client import Client
from swapd.web.entries import names
from swapd.web.errand import Errand
from swapd.web.errors import Problem
from swapd.web.gate import Config, Engines, Gate
from swapd.web.guard import Guard
from swapd.web.headers import uncompressed
from swapd.web.keepalive import Keepalive
from swapd.web.relay import Pour, as_it_comes, relay
from swapd.web.told import tell
from swapd.web.translation import Translation
from swapd.web.turns import Deliver, Turns
from swapd.web.upstream import Request, Upstream


class Inference:
    """The steps of a request, for whoever reads one."""

    def __init__(self, gate: Gate, config: Config, engines: Engines, upstream: Upstream, guard: Guard) -> None:
        self._gate = gate
        self._turns = Turns(gate, engines, upstream)
        self.config = config
        self.upstream = upstream
        self.guard = guard

    def client(self, request: web.Request) -> Client:
        """Whoever asks. Raises Problem (401), before anything of a body is read."""
        client = client_of(request)
        client.turn.who = self.guard.of(request)
        return client

    def name(self, found: asked.Peek, request: web.Request, client: Client) -> str:
        """The model that is meant, which is for the client. Raises Problem (400, 403, 404)."""
        up = self._only_ready(client.turn.who) if surface.is_own(request.path) else None
        name = asked.name_of(found, request.query, self.config.catalog, up)
        self.guard.check(client.turn.who, name)
        return name

    def errand(
        self, client: Client, name: str, out: Request, *, streams: bool, pour: Pour = as_it_comes
    ) -> Errand:
        """What is to be done for the client by the engine of a model, or by one of a pool's.

        Raises Problem (400, 501) for what cannot be done, before anything is started for it.
        """
        alias = able = None
        client.visit.model = name  # whatever becomes of it
        if (resolved := self.config.catalog.resolve(name)) is not None:
            spec, alias = resolved
            if (missing := ability.lacking(spec, out)) is not None:
                raise ability.refusal(spec, missing, self._gate, client.turn.who)
            if out.repaired and spec.terms.service.strict_json:
                raise repair.refusal(name, out.repaired)
        elif (pool := self.config.catalog.pool(name)) is not None:
            able = pooled.able(pool, self.config.catalog, out)
        # Else the gate will say that there is no such model.
        if client.turn.streams or (client.turn.who is not None and client.turn.who.tokens is not None):
            out = out._replace(lines=uncompressed(out.lines))
        return Errand(out, partial(relay, client, self.upstream, streams, pour), alias, able)

    async def through(self, client: Client, name: str, deliver: Deliver) -> web.StreamResponse:
        """Let ``deliver`` answer past aiohttp from an engine of the model, and tell aiohttp so. Raises Problem."""
        try:
            await self.answer(client, name, deliver)
        except Problem as problem:
            if client.begun:
                client.refuse(problem)
                return Relayed(client)
            if client.turn.reason:
                problem.headers["X-Swapd-Reason"] = client.turn.reason
            raise
        return Relayed(client)

    def answer(self, client: Client, name: str, deliver: Deliver) -> Awaitable[None]:
        """The same for a client past aiohttp. Within what it may ask for. Raises Problem."""
        every = self.config.settings.keepalive_comments if client.turn.streams else None
        if client.turn.who is None and every is None:  # hot: nobody counts
            return self._take(client, name, deliver)
        return self._watched(client, name, deliver, every)

    @contextlib.contextmanager
    def counted(self, client: Client) -> Iterator[None]:
        """Within what the client may ask for; once, however often it is entered. Raises Problem (429)."""
        if client.turn.counted:
            yield
            return
        with self.guard.counted(client.turn.who, client.tokens):
            client.turn.counted = True
            yield

    async def _watched(self, client: Client, name: str, deliver: Deliver, every: float | None) -> None:
        with self.counted(client), self._kept_alive(client, name, every):
            await self._take(client, name, deliver)

    def _take(self, client: Client, name: str, deliver: Deliver) -> Awaitable[None]:
        if (pool := self.config.catalog.pool(name)) is not None:
            return pooled.take(self._gate, self._turns, pool, client, deliver)
        return self._turns.take(client, name, deliver)

    def told(self, client: Client, name: str, out: Request, translation: Translation) -> Errand:
        """The same, answered in the words of the translation, which made ``out``."""
        return self.errand(client, name, out, streams=translation.streams, pour=partial(tell, translation))

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
        found, held = self.config.catalog.resolve(name), client.turn.lease is not None
        return keepalive.words(self._gate.view(), found[0].name if found else name, held=held)

    def _only_ready(self, who: ClientKey | None) -> str | None:
        """Of the models that are for the client, by a name that is."""
        ready = [names(model, who) for model in self._gate.view().models.values() if model.state == "ready"]
        theirs = [found[0] for found in ready if found]
        return theirs[0] if len(theirs) == 1 else None
