"""The scales: models are weighed before they run, and engines while they run.

An ear of the desk. All that blocks (drivers, /proc, files) is done in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from swapd.core.commands import Adopt, Command, Grant, Spawn, at_once
from swapd.core.engine import RunId
from swapd.core.events import (
    Asked,
    CatalogChanged,
    EngineExited,
    EngineReady,
    EngineShort,
    Event,
    Left,
    MachineRead,
)
from swapd.core.need import RAM, Reading
from swapd.core.spec import Cost
from swapd.machine.asked import asked_by, layers_asked
from swapd.machine.ledger import Ledger, Load, Taken
from swapd.machine.observed import Observed, Runs, words
from swapd.machine.reported import Reported, shortfall
from swapd.machine.saver import Saver
from swapd.machine.watch import Loaded, Look, Meters, Watch
from swapd.machine.weigher import Weigher
from swapd.machine.weighing import Weighing

log = logging.getLogger("swapd")


class Engines(Protocol):
    """The engine room, as far as it is asked here."""

    def members(self, runs: Sequence[RunId]) -> Mapping[RunId, Sequence[int]]:
        """The pids of each run's tree. Blocks; called in a thread."""

    def lines(self, run: RunId) -> list[str]:
        """What the run wrote so far."""


class Scales:
    """Posts Weighed for each model of a catalog that budgets memory, MachineRead, and EngineShort."""

    def __init__(
        self,
        post: Callable[[Event], None],
        engines: Engines,
        ledger: Ledger,
        find_binary: Callable[[], str | None],
    ) -> None:
        self._post = post
        self._engines = engines
        self._saver = Saver(ledger)
        self._weighing = Weighing(ledger, find_binary)
        self._weigher = Weigher(post, self._weighing)
        self._runs = Runs()
        self._watch = Watch(self._runs, engines.members, self._weighing.key, self._take)

    def use(self, meters: Meters) -> None:
        """The meters are open, or better ones."""
        self._watch.use(meters)

    def begin(self, blind: bool) -> None:
        """Weigh what the catalog has, now and later. ``blind``: ``binary: auto`` sees no GPU, or cannot tell."""
        self._weigher.begin(blind)

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """An ear of the desk."""
        if (grant := at_once(event, commands)) is not None:  # what most requests come to
            self._runs.granted(grant.ticket, grant.run)
            return
        match event:
            case Asked(_, model):
                self._weigher.hurry(model)
            case Left(ticket):
                if self._runs.left(ticket):
                    self._watch.now()
            case CatalogChanged(catalog):
                self._weigher.look(catalog)
            case EngineReady(run):
                self._runs.ready(run, _now())
                self._watch.now()
            case EngineExited(run):
                self._gone(run, _now())
        for command in commands:
            self._ordered(command)
        if self._watch.pulse.hear(event, commands):
            self._watch.soon()

    async def save(self) -> None:
        """Write down what was learned by now."""
        await self._saver.aclose()

    async def aclose(self) -> None:
        """The engines are gone: save what was learned."""
        await self._weigher.aclose()
        await self._watch.aclose()
        await self._saver.aclose()

    def _ordered(self, command: Command) -> None:
        match command:
            case Grant(ticket, run):
                self._runs.granted(ticket, run)
            case Spawn(run, launch) if not launch.url:  # what runs elsewhere takes nothing here
                need = self._weigher.need(run.model, launch)
                self._runs.spawned(command, known=need is not None and bool(need.ways), at=_now())
                self._watch.now()
            case Adopt(run, launch):
                need, wanted = self._weigher.need(run.model, launch), self._weigher.knows(run.model, launch)
                self._runs.adopted(command, need is not None and bool(need.ways), _now(), wanted)
                self._watch.now()

    def _gone(self, run: RunId, now: float) -> None:
        seen = self._runs.gone(run)
        if seen is not None:
            self._watch.pulse.gone(run, seen.start.order.way.cost, now)
            self._watch.now()

    def _take(self, look: Look) -> None:
        """What a look at the meters means: for the desk, and for the ledger."""
        taken = look.reading.taken
        self._post(MachineRead(look.reading))
        for run, seen in list(self._runs.living.items()):
            if (loaded := look.loaded.get(run)) is not None:
                self._measured(run, seen, loaded, look.reading)
            elif seen.load is None and not seen.start.adopted:
                anonymous = {RAM: look.anonymous[run]} if run in look.anonymous else {}
                seen.took({n: a for n, a in taken.get(run, {}).items() if n != RAM} | anonymous)
            elif seen.served and seen.entered and seen.takes(taken.get(run, {})):
                self._record(run, seen)
        self._saver.save()

    def _measured(self, run: RunId, seen: Observed, loaded: Loaded, reading: Reading) -> None:
        """The engine is ready, and was looked at since."""
        order, taken = seen.start.order, reading.taken.get(run, {})
        seen.key = loaded.key
        reported = self._listen(run, seen)
        unmeasured = seen.start.may_use(reading.gauges.keys() - {RAM}) - taken.keys()
        if not unmeasured and taken:
            seen.entered = True
            if seen.start.adopted:
                seen.takes(taken)
                self._record(run, seen)
                return
            seen.took(taken)
            warm = not seen.start.first if loaded.warm is None else loaded.warm
            _tell(run, seen.peak, seen.start.predicted)
            self._record(run, seen, Load(seen.load or 0.0, warm))
        elif unmeasured and reported.memory:
            self._weighing.heard(loaded.key, reported.memory)
            self._weigher.renew(loaded.key, run.model, order.launch)
            _tell(run, reported.memory, seen.start.predicted)

    def _record(self, run: RunId, seen: Observed, load: Load | None = None) -> None:
        assert seen.key is not None
        order, taken = seen.start.order, Taken(seen.peak, seen.steady)
        predicted = seen.start.predicted if load else None
        self._saver.ledger.record(
            seen.key, run.model, taken, devices=order.way.devices, load=load, predicted=predicted
        )
        self._weigher.renew(seen.key, run.model, order.launch)

    def _listen(self, run: RunId, seen: Observed) -> Reported:
        """What the engine itself said while it loaded; and a word where that is less than was asked for."""
        argv, reported = seen.start.order.launch.argv, Reported()
        for line in self._engines.lines(run):
            reported.hear(line)
        if what := shortfall(layers_asked(argv), asked_by(argv).context, reported):
            log.warning("%s loaded less than was asked for: %s", run, what)
            self._post(EngineShort(run, what))
        return reported


def _now() -> float:
    return asyncio.get_running_loop().time()


def _tell(run: RunId, took: Cost, predicted: Cost) -> None:
    text, wrong = words(took, predicted)
    log.log(logging.WARNING if wrong else logging.INFO, "%s took %s", run, text)
