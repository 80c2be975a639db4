"""A world for walks: engines, clients and an operator of every temper, all drawn from one seeded ``Random``.

It answers each order as a real house might (late, never, deaf, dead), and time only ever jumps: to the next thing
that happens out there, or to the scheduler's own deadline, whichever comes first. So a wake-up that the
scheduler forgets to ask for shows as a caller who starves.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.engine import RunId
from swapd.core.refusal import Exit
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Spec
from tests.core.box import LEARNED, Box
from tests.core.laws import Laws
from tests.core.play import endpoint, line, model
from tests.core.survivors import survivors

SERVICE = 8.0
"""Longest a caller works on a lease, seconds."""
LOAD = 12.0
"""Longest an engine takes to get ready, if it does."""
TO_A_HUNDREDTH = 0.01
"""So early (s) the end of a linger may be: it is searched for, and told no closer."""


@dataclass(frozen=True)
class Temper:
    """How the world of one walk behaves: chances in [0, 1], and seconds."""

    fails: float = 0.0
    """A start that exits, hangs or reports itself sick."""
    crashes: float = 0.0
    deaf: float = 0.0
    """Exits only when killed, and not always by the first kill."""
    gives_up: float = 0.0
    """A caller who leaves before it is answered."""
    rumours: float = 0.0
    """News told twice, late, or of runs long gone."""
    meddles: float = 0.0
    """Edits, loads and unloads by the operator."""
    survives: float = 0.0
    """An engine that an earlier life of the daemon left: as the config wants it, or otherwise, or of no model."""
    pace: float = 3.0
    """Mean seconds between two callers."""


@dataclass
class World:
    """One walk. ``step`` lets the next thing happen."""

    rng: Random
    catalog: Catalog
    temper: Temper
    clients: tuple[str, ...] = ("ann", "bob", "eve")
    most: int = 12
    """Tickets at once: so the wait of each has a bound that can be computed."""
    scheduler: Scheduler = field(default_factory=Scheduler)
    laws: Laws = field(default_factory=Laws)
    now: float = 0.0
    box: Box | None = None
    """Where memory is budgeted: the machine's."""
    asking: bool = True
    asked: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._coming: list[tuple[float, int, Any]] = []
        self._count = 0
        self._gone: list[RunId] = []
        found = tuple(survivors(self.rng, self.catalog, self.box, self.temper.survives))
        self.hears(fact.CatalogChanged(self.catalog, found))
        self._later(self.rng.expovariate(1 / self.temper.pace), self._somebody_asks)
        if self.temper.meddles:
            self._later(5, self._operator)
        if self.box is not None:
            self._later(0.5, self._reads)

    # -- time ------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """To the next happening, or the scheduler's deadline; False when nothing is to come any more."""
        due = self.scheduler.deadline()
        at = self._coming[0][0] if self._coming else None
        if due is None and at is None:
            return False
        upto = min(t for t in (due, at) if t is not None)
        if self.rng.random() < 0.3 and upto - TO_A_HUNDREDTH > self.now:
            self._idles(self.now + self.rng.random() * (upto - TO_A_HUNDREDTH - self.now))
        self.now = upto
        if due is not None and due <= self.now:
            self.hears(fact.Ticked())
            return True
        what = heapq.heappop(self._coming)[2]
        if callable(what):
            what()
        else:
            self.hears(what)
        return True

    def _idles(self, now: float) -> None:
        """Before its deadline the scheduler has nothing to do: else it has forgotten to say when."""
        orders = self.scheduler.handle(fact.Ticked(), now)
        assert not orders, f"at {now:g}, not at a deadline: {[line(o) for o in orders]}"

    def _later(self, seconds: float, what: Any) -> None:
        self._count += 1
        heapq.heappush(self._coming, (self.now + seconds, self._count, what))

    def _perhaps(self, chance: float) -> bool:
        return self.rng.random() < chance

    # -- events in, orders out -------------------------------------------------------------------------

    def hears(self, event: fact.Event) -> None:
        self.story.append(f"{self.now:8.2f}  {_told(event)}")
        orders = self.scheduler.handle(event, self.now)
        self.story += [f"{'':10}    -> {line(o)}" for o in orders]
        self.laws.witness(self.scheduler, event, self.now, orders)
        again = self.scheduler.handle(fact.Ticked(), self.now)
        assert not again, f"told the same time twice: {[line(o) for o in again]}"
        if self.box is not None:
            self._in_the_box(event, orders, self.box)
        for command in orders:
            self._does(command)
        if isinstance(event, fact.EngineExited):
            self._gone.append(event.run)

    def _does(self, command: order.Command) -> None:  # noqa: C901  (one case an order)
        match command:
            case order.Spawn(run):
                self._starts(run, self.rng.random() * LOAD)
            case order.Adopt(run):
                life = self.laws.living(run)
                self._starts(run, 0.05 if life.found and life.found.ready else self.rng.random() * LOAD)
            case order.Terminate(run):
                if not self._perhaps(self.temper.deaf):
                    self._later(self.rng.random() * 2, fact.EngineExited(run, Exit(code=0)))
            case order.Kill(run):
                if not self._perhaps(self.temper.deaf / 2):
                    self._later(0.1, fact.EngineExited(run, Exit(signal="SIGKILL")))
            case order.Grant(ticket, run):
                self._answered(ticket)
                self._wishes(run)
                self._later(self.rng.random() * SERVICE, fact.Left(ticket))
            case order.Refuse(ticket):
                self._answered(ticket)
                self._later(0, fact.Left(ticket))
            case order.Revoke(ticket):
                self._later(0.1, fact.Left(ticket))
            case order.Note():
                pass

    def _wishes(self, run: RunId) -> None:
        """Some clients say how long their engine is to stay."""
        if self._perhaps(0.1):
            self._later(0, fact.KeepWished(run, self.rng.choice([None, 0.0, 20.0])))

    def _answered(self, ticket: int) -> None:
        if (asked := self.asked.pop(ticket, None)) is not None:
            self.waits.append(self.now - asked)

    # -- memory ----------------------------------------------------------------------------------------

    def _in_the_box(self, event: fact.Event, orders: list[order.Command], box: Box) -> None:
        """What happens to the machine's memory, and what must be weighed."""
        if isinstance(event, fact.CatalogChanged):
            for spec in event.catalog.models.values():
                if not spec.remote:
                    self._later(self.rng.random() * 3, fact.Weighed(spec.name, spec.launch, box.needs[spec.name]))
            box.held |= {one.run: dict(one.way.cost) for one in event.found}
        elif isinstance(event, fact.EngineReady):
            up = self.laws.catalog.models.get(event.run.model)
            if up is not None and not up.remote and not box.needs[up.name].ways:
                self._later(1, fact.Weighed(up.name, up.launch, LEARNED))
        elif isinstance(event, fact.EngineExited) and event.run in box.held:
            late = 9.0 if self._perhaps(0.1) else self.rng.random() * 2
            box.gone[event.run] = box.held.pop(event.run), self.now + late
        for command in orders:
            if isinstance(command, order.Spawn):
                box.held[command.run] = dict(command.way.cost)

    def _reads(self) -> None:
        """The meters look, and tell a little later. A stranger comes and goes."""
        if self.box is None or not (self.asking or self.asked or self.laws.lives):
            return
        if self._perhaps(0.05):
            self.box.stranger = self.rng.randrange(16) if self.asking and not self.box.stranger else 0
        self.box.stranger *= self.asking
        self._later(self.rng.random(), fact.MachineRead(self.box.look(self.now)))
        self._later(0.2 + self.rng.random(), self._reads)

    # -- engines ---------------------------------------------------------------------------------------

    def _starts(self, run: RunId, load: float) -> None:
        if self._perhaps(self.temper.fails):
            end = [fact.EngineExited(run, Exit(code=1)), fact.EngineSick(run, "no such file"), None]
            if (news := self.rng.choice(end)) is not None:
                self._later(load, news)
            return
        self._later(load, fact.EngineReady(run, endpoint(run)))
        if self._perhaps(self.temper.crashes):
            died = fact.EngineExited(run, Exit(signal="SIGSEGV"))
            self._later(
                load + self.rng.expovariate(1 / 30), self.rng.choice([died, fact.EngineSick(run, "hangs")])
            )

    # -- callers ---------------------------------------------------------------------------------------

    def _somebody_asks(self) -> None:
        if not self.asking:
            return
        self._later(self.rng.expovariate(1 / self.temper.pace), self._somebody_asks)
        if len(self.asked) + len(self.laws.holding) >= self.most:
            return
        ticket = fact.Ticket(len(self.laws.answered) + 10_000 + self._count)
        name = self.rng.choice([*self.catalog.models, *self.catalog.aliases])
        self.asked[ticket] = self.now
        if self._perhaps(self.temper.gives_up):
            self._later(self.rng.random() * 2 * LOAD, lambda: self._gives_up(ticket))
        self.hears(fact.Asked(ticket, name, self.rng.choice(self.clients)))
        if self._perhaps(self.temper.rumours):
            self._later(self.rng.random() * 20, self._rumour)

    def _gives_up(self, ticket: fact.Ticket) -> None:
        self.asked.pop(ticket, None)
        self.hears(fact.Left(ticket))
        self.hears(fact.Left(ticket))

    def _rumour(self) -> None:
        """Old news: of a run long gone, or of a living one that was told before."""
        if not self._gone:
            return
        run = self.rng.choice(self._gone)
        news: list[fact.Event] = [
            fact.EngineReady(run, endpoint(run)),
            fact.EngineSick(run, "?"),
            fact.EngineExited(run, Exit(code=0)),
        ]
        self.hears(self.rng.choice(news))

    # -- the operator ----------------------------------------------------------------------------------

    def _operator(self) -> None:
        if not self.asking:
            return
        self._later(self.rng.expovariate(self.temper.meddles), self._operator)
        name = self.rng.choice(list(self.catalog.models))
        deed = self.rng.randrange(8)
        if deed == 0:
            self.hears(fact.LoadWished(name))
        elif deed == 1:
            self.hears(fact.UnloadWished(name, self.rng.random() < 0.3))
        elif deed > 5:
            self.hears(fact.PinWished(name, deed == 7))
        else:
            self.hears(fact.CatalogChanged(self._edited(name, deed)))

    def _edited(self, name: str, deed: int) -> Catalog:
        """Take a model out or put it back, relaunch it, change its terms, or change the budget."""
        now = self.laws.catalog
        models = dict(now.models)
        spec = models.get(name)
        if spec is None:
            models[name] = self.catalog.models[name]
        elif deed == 2:
            del models[name]
        elif deed == 3:
            models[name] = replace(spec, launch=Launch((name, str(self._count))))
        elif deed == 4:
            cost = {kind: self.rng.randint(0, amount) for kind, amount in now.budget.items()}
            concurrency = self.rng.randint(1, 3)
            stay = replace(spec.terms.stay, ttl=self.rng.choice([None, 0.0, 20.0]))
            models[name] = Spec(
                name, spec.launch, replace(spec.terms, cost=cost, concurrency=concurrency, stay=stay)
            )
        budget = now.budget
        if deed == 5:
            budget = {kind: self.rng.randint(1, amount + 1) for kind, amount in self.catalog.budget.items()}
        aliases = {alias: a for alias, a in self.catalog.aliases.items() if a.model in models}
        return Catalog(models, aliases, budget, now.rules)


def _told(event: fact.Event) -> str:
    if isinstance(event, fact.CatalogChanged):
        models = {n: (s.launch.argv, dict(s.terms.cost)) for n, s in event.catalog.models.items()}
        found = [(str(one.run), one.launch.argv, dict(one.way.cost), one.ready) for one in event.found]
        return f"CatalogChanged({models}, {event.catalog.budget}, {found})"
    return str(event)


__all__ = ["LOAD", "SERVICE", "Temper", "World", "model"]
