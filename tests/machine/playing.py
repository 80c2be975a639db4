"""A desk that is played by hand, with meters and engines that do as they are told."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field

from swapd.core.commands import Adopt, Cause, Grant, Spawn, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import (
    Asked,
    CatalogChanged,
    EngineExited,
    EngineReady,
    Left,
    Ticket,
    Weighed,
)
from swapd.core.need import RAM, Gauge, Reading
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog, Launch, Spec, Terms
from swapd.machine.ledger import Ledger
from swapd.machine.scales import Scales
from tests.ledgers import Warnings
from tests.processes import until

MIB, GIB = 1 << 20, 1 << 30
ONE = RunId("alpha", 1)
WHY = Why(Cause.ASKED)


@dataclass
class Machine:
    """Meters and engines in one: what it is told to show."""

    gpus: dict[str, Gauge] = field(default_factory=dict)
    taken: dict[RunId, dict[str, int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    readings: int = 0
    closed: bool = False
    broken: bool = False
    starved: int | None = None
    """How often it was out of descriptors when the runs were looked at; None: it has some."""
    busy: threading.Lock = field(default_factory=threading.Lock)

    def read(self, at, trees):
        assert self.busy.acquire(blocking=False), "two readings at once"
        try:
            self.readings += 1
            if self.broken:
                raise RuntimeError("a meter that does not keep its word")
            shown = {run: dict(cost) for run, cost in self.taken.items() if run in trees}
            return Reading(at, {RAM: Gauge(16 * GIB, 8 * GIB), **self.gpus}, shown)
        finally:
            self.busy.release()

    def close(self):
        self.closed = True

    def members(self, runs):
        if self.starved is not None:
            self.starved += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), b"/proc")
        return {run: [] for run in runs}

    def lines(self, run):
        return list(self.said)


class Play:
    """A desk that is played by hand."""

    def __init__(self, tmp_path, folder):
        self.folder = folder
        self.machine = Machine()
        self.events = []
        self.ledger = Ledger.open(tmp_path / "state", Warnings())
        self.scales = Scales(self.events.append, self.machine, self.ledger, lambda: None)
        self.catalog = Catalog()
        self._tickets = 0

    def spec(self, name="alpha", *flags, **cost):
        words = ("llama-server", "-m", str(self.folder / f"{name}.gguf"), "-c", "2048", *flags)
        return Spec(name, Launch(words), Terms(cost=cost))

    def tell(self, *specs, budget=None):
        budget = {RAM: 4 * GIB} if budget is None else budget
        self.catalog = Catalog(models={spec.name: spec for spec in specs}, budget=budget)
        self.scales.hear(CatalogChanged(self.catalog), [])

    def begin(self, *specs, blind=False, **more):
        self.tell(*specs, **more)
        self.scales.use(self.machine)
        self.scales.begin(blind)

    async def weighed(self, model="alpha", source=None):
        """The last word on the model."""

        def found():
            told = [e for e in self.events if isinstance(e, Weighed) and e.model == model]
            return told if told and source in (None, told[-1].need.source) else []

        return (await until(found))[-1]

    async def reads_again(self):
        before = self.machine.readings
        await until(lambda: self.machine.readings > before)

    def spawn(self, way, run=ONE):
        self.scales.hear(
            Asked(Ticket(99), run.model), [Spawn(run, self.catalog.models[run.model].launch, WHY, way)]
        )
        self.scales.hear(Left(Ticket(99)), [])

    async def up(self, way, run=ONE, **taken):
        """Start it, let it be seen loading, and let it be ready."""
        self.machine.taken[run] = taken
        self.spawn(way, run)
        await self.reads_again()
        self.scales.hear(EngineReady(run, Endpoint("127.0.0.1", 1)), [])

    async def found(self, way, launch=None, run=ONE, **taken):
        """An earlier life of the daemon left it: let it be taken over, seen, and answer."""
        self.machine.taken[run] = taken
        launch = self.catalog.models[run.model].launch if launch is None else launch
        self.scales.hear(CatalogChanged(self.catalog), [Adopt(run, launch, Why(Cause.FOUND), way)])
        await self.reads_again()
        self.scales.hear(EngineReady(run, Endpoint("127.0.0.1", 1)), [])

    def serve(self, run=ONE):
        self._tickets += 1
        ticket, spec = Ticket(self._tickets), self.catalog.models[run.model]
        granted = Grant(ticket, run, Endpoint("127.0.0.1", 1), spec, 0.0, 0.0)
        self.scales.hear(Asked(ticket, run.model), [granted])
        self.scales.hear(Left(ticket), [])

    def exit(self, run=ONE):
        self.machine.taken.pop(run, None)
        self.scales.hear(EngineExited(run, Exit()), [])

    def entries(self):
        return list(self.ledger._entries.values())
