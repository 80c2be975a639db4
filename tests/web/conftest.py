"""The front hall with a gate that gives out leases on an engine played by the test."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestServer

from swapd.core.commands import Command
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import CatalogChanged, EngineExited, EngineReady, Event, Ticket
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.scheduler import Scheduler
from swapd.core.settings import Address, Limits, Settings
from swapd.core.spec import Alias, Catalog, Edits, Launch, Listing, Retry, Service, Spec, Terms, Timeouts
from swapd.core.view import View
from swapd.dispatch import Lease
from swapd.doors import open_sockets, url_of
from swapd.web.app import Besides, create_app
from swapd.web.events import Feed
from swapd.web.front_door import FrontDoor
from swapd.web.upstream import Upstream
from tests.web import raw


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Both loops: their transports differ in what they tell of a peer, and in what class they are."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def no_bug_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the doors log as an error is a bug of ours."""
    yield
    bugs = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not [record.getMessage() for record in bugs if record.name == "swapd"]


class FakeGate:
    """Grants at once, or refuses as told; counts who holds."""

    def __init__(self, catalog: Catalog, endpoint: Endpoint) -> None:
        self.catalog = catalog
        self.endpoint = endpoint
        self.refusal: Refusal | None = None
        self.posted: list[Event] = []
        self.asked: list[tuple[str, str]] = []
        self.holding: set[Ticket] = set()
        self.released = asyncio.Event()
        self.open = asyncio.Event()
        """Whether it grants at once; else whoever asks waits."""
        self.open.set()
        self.kept: list[Any] = []
        self.lacks: Refusal | None = None
        """What keeps any engine from starting."""
        self.leases: list[Lease] = []
        self.now = 0.0
        self.scheduler = Scheduler()
        self.hears(CatalogChanged(catalog))

    def post(self, event: Event) -> None:
        self.posted.append(event)

    def view(self) -> View:
        return self.scheduler.view(self.now)

    def hears(self, *events: Event) -> None:
        """What the view shows came to be by these."""
        for event in events:
            self.scheduler.handle(event, self.now)

    async def missing(self, model: str) -> Refusal | None:
        return self.lacks

    async def until(self, fact: Callable[[View], bool]) -> None:
        assert fact(self.view())

    @asynccontextmanager
    async def lease(self, model: str, client: str = "") -> AsyncIterator[Lease]:
        self.asked.append((model, client))
        await self.open.wait()
        if self.refusal is not None:
            raise Refused(self.refusal)
        found = self.catalog.resolve(model)
        if found is None:
            raise Refused(Refusal(Reason.UNKNOWN_MODEL, model))
        lease = Lease(Ticket(len(self.asked)), RunId(found[0].name, 1), self.endpoint, found[0], 0.25, 1.5)
        self.leases.append(lease)
        self.holding.add(lease.ticket)
        try:
            yield lease
        finally:
            if lease._keeper is not None:
                self.kept.append(lease._keeper)
            self.holding.discard(lease.ticket)
            if not self.holding:
                self.released.set()


@dataclass
class FakeConfig:
    catalog: Catalog
    settings: Settings = field(default_factory=lambda: Settings(hosts=("x",)))
    generation: int = 1
    problems: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=lambda: {"generation": 2, "added": ["x"]})

    warnings: list[dict[str, Any]] = field(default_factory=list)

    async def texts(self) -> list[dict[str, Any]]:
        return [{"path": "x.yaml", "text": "models: {}"}]

    async def reload(self) -> dict[str, Any]:
        return self.outcome


class FakeBook:
    lines = ("one", "two", "three")

    def tail(self, n: int) -> list[str]:
        return list(self.lines[-n:])

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[str]]:
        async def more() -> AsyncIterator[str]:
            yield "four"

        yield more()


class FakeEngines:
    def pid(self, run: RunId) -> int | None:
        return 4711

    def logs(self, model: str) -> FakeBook:
        return FakeBook()


@dataclass
class Hall:
    """Everything a test needs: a client of the front hall, and the fakes behind it."""

    client: aiohttp.ClientSession
    gate: FakeGate
    config: FakeConfig
    upstream: Upstream
    port: int
    feed: Feed
    door: FrontDoor
    engines: FakeEngines

    def happens(self, event: Event, *commands: Command) -> None:
        self.feed.hear(event, commands)

    def hear(self, event: Event, *commands: Command) -> None:
        self.upstream.hear(event, commands)

    def limit(self, **changes: int) -> None:
        self.config.settings = replace(self.config.settings, limits=Limits(**changes))


EngineHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TIMEOUTS = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)


def catalog() -> Catalog:
    service = Service(
        timeouts=TIMEOUTS, retry=Retry(1, 0.01), listing=Listing(context=4096, description="a model")
    )
    hidden = Service(timeouts=TIMEOUTS, listing=Listing(unlisted=True))
    renamed = Service(timeouts=TIMEOUTS, upstream_model="Org/Real", edits=Edits(default={"top_k": 5}))
    hasty = Service(timeouts=Timeouts(connect=2.0, first_byte=0.2, idle=0.2), retry=Retry(0, 0))
    once = Service(timeouts=TIMEOUTS, retry=Retry(0, 0), listing=Listing(unlisted=True))
    specs = [
        Spec("alpha", Launch(("x",)), Terms(service=service)),
        Spec("org/beta", Launch(("x",)), Terms(service=renamed)),
        Spec("hidden", Launch(("x",)), Terms(service=hidden)),
        Spec("hasty", Launch(("x",)), Terms(service=hasty)),
        Spec("once", Launch(("x",)), Terms(service=once)),
    ]
    cold = Alias("alpha:cold", "alpha", Edits(set={"temperature": 0}, strip=("seed",)))
    return Catalog({s.name: s for s in specs}, {"alpha:cold": cold, "gpt-4o": Alias("gpt-4o", "alpha")})


@pytest.fixture
async def hall() -> AsyncIterator[Callable[[EngineHandler], Awaitable[Hall]]]:
    """``await hall(handler)``: the front hall over an engine that answers everything with ``handler``."""
    opened: list[Any] = []
    upstreams: list[Upstream] = []
    gates: list[FakeGate] = []

    async def build(engine: EngineHandler) -> Hall:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", engine)
        played = TestServer(app)
        await played.start_server()
        known = catalog()
        assert played.port is not None
        gate = FakeGate(known, Endpoint("127.0.0.1", played.port))
        config, upstream = FakeConfig(known), Upstream()
        for name in known.models:
            upstream.hear(EngineReady(RunId(name, 1), gate.endpoint), ())
        clock = lambda at, now: "2026-01-01T00:00:00Z"  # noqa: E731  (it is data here)
        feed, engines = Feed(clock, kept=5), FakeEngines()
        front = create_app(gate, config, engines, upstream, clock, Besides(feed))
        door = FrontDoor(front, config, 1 << 20)
        sockets = open_sockets([Address("127.0.0.1", 0)])
        await door.open(sockets)
        client = aiohttp.ClientSession(url_of(sockets[0]), auto_decompress=False)
        opened.extend([client, door, played])
        upstreams.append(upstream)
        gates.append(gate)
        return Hall(client, gate, config, upstream, sockets[0].getsockname()[1], feed, door, engines)

    yield build
    for upstream in upstreams:
        upstream.close()
    for gate in gates:
        for keeper in gate.kept:
            keeper.close()
    for thing in opened:
        await thing.close()


@pytest.fixture
async def raw_hall(hall: Any) -> AsyncIterator[Callable[[raw.Talk], Awaitable[tuple[Hall, raw.Engine]]]]:
    """``await raw_hall(talk)``: the front hall over an engine whose every byte the test writes."""
    engines: list[raw.Engine] = []

    async def nobody(request: web.Request) -> web.Response:
        raise AssertionError("the engine moved")

    async def build(talk: raw.Talk) -> tuple[Hall, raw.Engine]:
        front, engine = await hall(nobody), raw.Engine(talk)
        await engine.open()
        engines.append(engine)
        front.gate.endpoint = Endpoint("127.0.0.1", engine.port)
        for name in front.gate.catalog.models:
            front.hear(EngineExited(RunId(name, 1), Exit()))
            front.hear(EngineReady(RunId(name, 1), front.gate.endpoint))
        return front, engine

    yield build
    for engine in engines:
        await engine.close()
