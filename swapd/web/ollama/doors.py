"""The doors of Ollama's API, for clients that speak no other.

A chat, a prompt or a text is put into OpenAI's words (``words``), an engine answers, and its answer is put
back (``answers``, ``vectors``). An empty one only loads its model, or with ``keep_alive: 0`` unloads
it. Lists (``lists``) start nothing, and models are not made here: the operator writes them into the config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from swapd.core.engine import State
from swapd.core.events import KeepWished, UnloadWished
from swapd.core.settings import ClientKey
from swapd.core.view import ModelView
from swapd.web import repair, surface
from swapd.web.asked import Peek, name_of, unreadable
from swapd.web.client import Client
from swapd.web.completion import Counted
from swapd.web.dashboard import to_page
from swapd.web.entries import entry, names
from swapd.web.errand import Presence
from swapd.web.errors import UNSUPPORTED, Problem
from swapd.web.gate import Clock, Gate, Lease
from swapd.web.headers import JSON, upstream_lines
from swapd.web.inference import Inference
from swapd.web.learned import Learned
from swapd.web.limits import expect, off_loop, read_body
from swapd.web.models import find, listed
from swapd.web.ollama import lists, words
from swapd.web.ollama.answers import Answer, Say, Stopwatch, as_message, as_response, nothing_said
from swapd.web.ollama.options import FOR_EVER, Keep, keep
from swapd.web.ollama.vectors import Embeddings
from swapd.web.ollama.words import Chat, Embed, Generate, Named
from swapd.web.pool_entries import pool_entry, theirs
from swapd.web.relay import notes_on
from swapd.web.upstream import Request

RUNNING = "Ollama is running"
"""What clients look for at ``/``."""
_MADE = ("/api/pull", "/api/push", "/api/create", "/api/copy")
_CHAT, _GENERATE = words.reader(Chat), words.reader(Generate)
_EMBED, _NAMED = words.reader(Embed), words.reader(Named)
T = TypeVar("T", Chat, Generate, Embed)


class Sent(NamedTuple):
    """A request: whose, for which model, as it came; how long its engine is to stay, if it says so."""

    client: Client
    request: web.Request
    name: str
    body: repair.Repaired
    keep: Keep | None
    watch: Stopwatch


class Ollama:
    """The handlers."""

    def __init__(self, inference: Inference, gate: Gate, learned: Learned, clock: Clock) -> None:
        self._inference = inference
        self._gate = gate
        self._learned = learned
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        asked = {
            "/api/chat": self.chat,
            "/api/generate": self.generate,
            "/api/embed": self.embed,
            "/api/embeddings": self.embed,
            "/api/show": self.show,
        }
        return [
            web.get("/", self.root),
            *(web.post(path, handler, expect_handler=expect) for path, handler in asked.items()),
            web.get("/api/tags", self.tags),
            web.get("/api/ps", self.ps),
            web.get("/api/version", self.version),
            *(web.post(path, self.make, expect_handler=expect) for path in _MADE),
            web.delete("/api/delete", self.make),
        ]

    async def root(self, request: web.Request) -> web.Response:
        """That somebody is here, for everybody; browsers are shown the dashboard."""
        return to_page(request) or web.Response(text=RUNNING, headers={"Vary": "Accept"})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """The next message of a chat."""
        sent, said = await self._read(request, _CHAT)
        if not said.messages:
            return await self._says_nothing(sent, as_message)
        answer = Answer(sent.name, as_message, sent.watch, streams=said.streams)
        return await self._told(sent, lambda: ("/v1/chat/completions", words.chat(sent.name, said)), answer)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """The answer to a prompt."""
        sent, said = await self._read(request, _GENERATE)
        if not said.prompt and not said.images:
            return await self._says_nothing(sent, as_response)
        answer = Answer(sent.name, as_response, sent.watch, streams=said.streams)
        return await self._told(sent, lambda: words.generate(sent.name, said), answer)

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """Vectors of texts; at the older path, of one."""
        sent, said = await self._read(request, _EMBED)
        answer = Embeddings(sent.name, sent.watch, one=request.path.endswith("embeddings"))
        if not said.input and not said.prompt:
            return await self._idle(sent, lambda why: answer.told([], Counted()))
        return await self._told(sent, lambda: ("/v1/embeddings", words.embed(sent.name, said)), answer)

    async def show(self, request: web.Request) -> web.Response:
        """What is known of a model."""
        who = self._inference.guard.of(request)
        body = await read_body(request, self._inference.config.settings.limits.body)
        found, _ = await off_loop(repair.read, body, _NAMED)
        catalog = self._inference.config.catalog
        name = name_of(Peek(model=found.model or found.name), {}, catalog)
        self._inference.guard.check(who, name)
        model = find(self._gate, self._inference.config, name)
        can = model.spec.terms.service.abilities
        await self._learned.when_asked(model)
        return web.json_response(lists.shown(self._entry(name, model, who), can))

    async def tags(self, request: web.Request) -> web.Response:
        """All models and aliases that are for the client."""
        rows = [lists.tag(shown, model.spec.name) for shown, model in self._entries(request)]
        return web.json_response({"models": rows})

    async def ps(self, request: web.Request) -> web.Response:
        """Those that are up, and until when if nobody asks."""
        view, rows = self._gate.view(), []
        for shown, model in self._entries(request):
            if model.engine is not None and model.engine.state is State.READY:
                own = model.spec.name
                until = view.stays_until(own)
                at = self._clock(view.now + FOR_EVER if until is None else until, view.now)
                rows.append(lists.running(shown, own, view.weight(own), at))
        return web.json_response({"models": rows})

    async def version(self, request: web.Request) -> web.Response:
        """Of the API."""
        self._inference.guard.of(request)
        return web.json_response({"version": lists.VERSION})

    async def make(self, request: web.Request) -> web.Response:
        """Models are neither fetched nor made nor deleted by clients."""
        self._inference.guard.of(request)
        what = request.path.removeprefix(surface.OLLAMA)
        raise Problem(
            UNSUPPORTED, f"cannot {what} models: the operator adds and removes them in swapd's YAML config"
        )

    async def _read(self, request: web.Request, read: Callable[[bytes], T]) -> tuple[Sent, T]:
        """A request that names its model in its body. Raises Problem."""
        inference = self._inference
        client, watch = inference.client(request), Stopwatch(monotonic, self._stamp)
        body = await read_body(request, inference.config.settings.limits.body)
        said, mended = await off_loop(repair.read, body, read)
        name = inference.name(Peek(model=said.model), request, client)
        return Sent(client, request, name, mended, keep(said.keep_alive), watch), said

    async def _told(
        self, sent: Sent, made: Callable[[], tuple[str, dict[str, Any]]], answer: Answer | Embeddings
    ) -> web.StreamResponse:
        """Ask an engine what was ``made`` of the request, and give its answer in its words. Raises Problem."""

        def encoded(_: bytes) -> tuple[str, bytes]:
            try:
                path, chat = made()
                return path, msgspec.json.encode(chat)
            except RecursionError as error:  # to write takes more than to read did
                raise unreadable(error) from None

        path, body = await off_loop(encoded, sent.body.body)
        lines = JSON + upstream_lines(sent.request.raw_headers, b"content-type", b"accept", b"accept-encoding")
        out = Request("POST", path, lines, body, sent.body.places, ability=surface.ABILITIES[path])
        errand = self._inference.told(sent.client, sent.name, out, answer)
        errand.held = lambda lease: self._keep(sent, lease)
        return await self._inference.through(sent.client, sent.name, errand)

    async def _says_nothing(self, sent: Sent, say: Say) -> web.StreamResponse:
        """An empty prompt."""
        return await self._idle(sent, lambda why: nothing_said(sent.name, say, why, sent.watch))

    async def _idle(self, sent: Sent, told: Callable[[str], bytes]) -> web.StreamResponse:
        """Only load the model, or unload it. Others that hold it are not cut off."""
        if sent.keep is not None and sent.keep.ttl == 0:
            model = find(self._gate, self._inference.config, sent.name)
            self._gate.post(UnloadWished(model.spec.name))
            return web.Response(body=told("unload"), content_type="application/json")

        async def loaded(lease: Lease) -> None:
            self._keep(sent, lease)
            sent.client.whole(200, told("load"), notes_on(lease, 0))

        return await self._inference.through(sent.client, sent.name, Presence(loaded))

    def _keep(self, sent: Sent, lease: Lease) -> None:
        """An engine is held: how long it is to stay is the client's to say."""
        sent.watch.held()
        if sent.keep is not None:
            self._gate.post(KeepWished(lease.run, sent.keep.ttl))

    def _stamp(self) -> str:
        now = monotonic()
        return self._clock(now, now)

    def _entries(self, request: web.Request) -> Iterator[tuple[lists.Entry, ModelView]]:
        """What the client's lists show."""
        who = self._inference.guard.of(request)
        for model in listed(self._gate, who):
            for name in names(model, who):
                yield self._entry(name, model, who), model
        view, config = self._gate.view(), self._inference.config
        for pool in theirs(config.catalog, who):
            yield pool_entry(pool, view, self._learned), find(self._gate, config, pool.name)

    def _entry(self, name: str, model: ModelView, who: ClientKey | None) -> dict[str, Any]:
        return entry(name, model, self._learned.of(model), who)
