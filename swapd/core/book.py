"""The book: all the scheduler knows. Plain records; only ``moves`` and ``scheduler`` write in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from swapd.core.commands import Why
from swapd.core.engine import RESTING, WINDING_DOWN, Endpoint, RunId, State
from swapd.core.events import Found, Ticket
from swapd.core.habits import Habits
from swapd.core.need import Way
from swapd.core.queue import Queue
from swapd.core.refusal import Exit
from swapd.core.shares import Shares
from swapd.core.spec import Catalog, Cost, Spec
from swapd.core.stock import Stock
from swapd.core.verdict import Verdict

DEFAULT_LOAD = 5.0
"""Seconds a load is taken to last before one was seen."""
HOPELESS = 10.0
"""Seconds after a SIGKILL for which its room is counted on: what the kernel holds longer it may hold for ever."""


@dataclass(slots=True)
class Phase:
    """A state, since when, until when at the latest, the fault that led out of the good ones, why it drains."""

    state: State
    since: float
    deadline: float | None = None
    fault: Exit | None = None
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Up:
    """A run that got ready: where it answers, when, and how many seconds it took."""

    endpoint: Endpoint
    at: float
    load: float


@dataclass(slots=True)
class Engine:
    """One run of one model's engine."""

    run: RunId
    spec: Spec
    """The launch it runs with, and the terms of today."""
    phase: Phase
    up: Up | None = None
    leases: set[Ticket] = field(default_factory=set)
    owed: dict[Ticket, float | None] = field(default_factory=dict)
    """Its quantum: the tickets it was loaded for, until they are served or gone, and since when each is served."""
    way: Way = field(default_factory=lambda: Way({}))
    """Where it runs, and what it takes there."""
    idle_since: float = 0.0
    short: str = ""
    """What it loaded less than was asked for."""
    served: bool = False
    """Whether it has answered anybody: then it has prompts in its cache."""
    found: Found | None = None
    """How an earlier life of the daemon left it; None if it was started in this one."""

    @property
    def cost(self) -> Cost:
        """What is reckoned for it."""
        return self.way.cost

    @property
    def state(self) -> State:
        """Short for ``phase.state``."""
        return self.phase.state

    @property
    def loaded(self) -> float:
        """When it got ready; infinity before."""
        return self.up.at if self.up is not None else inf

    @property
    def was_up(self) -> bool:
        """Whether it ever answered, in this life of the daemon or an earlier one."""
        return self.up is not None or (self.found is not None and self.found.ready)

    @property
    def resting(self) -> bool:
        """No process stands behind this record."""
        return self.state in RESTING

    @property
    def leaving(self) -> bool:
        """Its room is promised to others already."""
        return self.state in WINDING_DOWN


@dataclass(frozen=True, slots=True)
class Failure:
    """Which run failed, when (monotonic), and how."""

    run: RunId
    at: float
    exit: Exit


@dataclass(slots=True)
class History:
    """What is remembered of a model beyond one engine."""

    runs: int = 0
    load: float = DEFAULT_LOAD
    measured: bool = False
    """Whether ``load`` was seen, in this life or an earlier one."""
    own: bool = False
    """Whether it was seen in this one: then what was remembered of it is older."""
    service: float = 1.0
    """Seconds that a lease lasts, as a decaying mean."""
    failures: int = 0
    """In a row."""
    last: Failure | None = None


class Wish(Enum):
    """Why a model should be up though nobody waits for it."""

    LOAD = "load"
    PINNED = "pinned"
    PRELOAD = "preload"
    RESTART = "restart"

    @property
    def modest(self) -> bool:
        """Whether it evicts nobody: it comes true at once, where there is room, or not at all."""
        return self in (Wish.PRELOAD, Wish.RESTART)


@dataclass(slots=True)
class Groups:
    """The engines by what can become of them: one look at all, for the many questions of one ``settle``."""

    starting: list[Engine] = field(default_factory=list)
    ready: list[Engine] = field(default_factory=list)
    leaving: list[Engine] = field(default_factory=list)
    resting: list[Engine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease: on which run, by which client, since when."""

    run: RunId
    client: str
    since: float


@dataclass(slots=True)
class Book:
    """The whole of it."""

    catalog: Catalog = field(default_factory=Catalog)
    engines: dict[str, Engine] = field(default_factory=dict)
    queue: Queue = field(default_factory=Queue)
    holding: dict[Ticket, Held] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    shares: Shares = field(default_factory=Shares)
    stock: Stock = field(default_factory=Stock)
    wishes: dict[str, tuple[Wish, float]] = field(default_factory=dict)
    """Model -> the wish and since when."""
    promised: dict[str, None] = field(default_factory=dict)
    """Models that room is being made for: a victim's own late traffic must not take it back."""
    history: dict[str, History] = field(default_factory=dict)
    rested: set[str] = field(default_factory=set)
    """Models that the operator unloaded: none of them comes up by itself until somebody asks."""
    pinning: dict[str, bool] = field(default_factory=dict)
    """The operator's own word on whether a model is pinned, where it was given: it goes before the config's."""
    closing: bool = False
    pins: tuple[str, ...] = ()
    """The pinned models that can ever fit."""
    least: Cost = field(default_factory=dict)
    """What even the most modest model takes of each resource."""
    shrunk: bool = False
    """Whether the budget may have become smaller than what runs."""
    suited: bool = False
    """Whether every engine was compared with the catalog of today."""
    placed: dict[str, tuple[Way, ...] | None] = field(default_factory=dict)
    """The models' ways as far as they were asked for, since the last news of budgets or needs."""
    untold: set[str] = field(default_factory=set)
    """Models whose need is not told."""
    never: dict[str, str | None] = field(default_factory=dict)
    """Why a model can never fit, as far as it was asked, since then too."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """What the last walk found about each model that is wanted and not up, as far as it came."""

    def recall(self, model: str) -> History:
        """The model's history, begun if there is none."""
        return self.history.setdefault(model, History())

    def engine_of(self, run: RunId) -> Engine | None:
        """The engine if this very run is its current one."""
        engine = self.engines.get(run.model)
        return engine if engine is not None and engine.run == run else None

    def running(self) -> Iterator[Engine]:
        """The engines that have, or may still have, a process."""
        return (engine for engine in self.engines.values() if engine.phase.state not in RESTING)

    def groups(self) -> Groups:
        """Who is where."""
        found = Groups()
        for engine in self.engines.values():
            state = engine.phase.state
            if state is State.READY:
                found.ready.append(engine)
            elif state is State.STARTING:
                found.starting.append(engine)
            else:
                (found.resting if state in RESTING else found.leaving).append(engine)
        return found

    def free(self) -> dict[str, int]:
        """What the budget and the machine have left. Below zero after the operator, or a stranger, took some."""
        left = self.stock.limits(self.catalog.budget)
        for engine in self.running():
            for name, amount in engine.way.cost.items():
                if name in left:
                    left[name] -= amount
        for unseen in self.stock.unseen.values():
            for name, amount in unseen.cost.items():
                if name in left:
                    left[name] -= amount
        return left

    def unbudgeted(self, engines: Iterable[Engine]) -> dict[str, int]:
        """What these engines leave of the operator's budget, whatever strangers do: below zero, too much runs."""
        taken = total(engine.cost for engine in engines)
        return {name: amount - taken.get(name, 0) for name, amount in self.catalog.budget.items()}

    def coming(self, now: float) -> dict[str, int]:
        """What those on their way out will give back, and what is gone but not seen free."""
        leaving = (
            engine.cost for engine in self.engines.values() if engine.leaving and not _hopeless(engine, now)
        )
        return total((*leaving, *(unseen.cost for unseen in self.stock.unseen.values())))

    def pinned(self, model: str) -> bool:
        """Whether the model is to be up for ever, and not laid to rest by the operator."""
        spec = self.catalog.models.get(model)
        return spec is not None and self.to_pin(spec) and model not in self.rested

    def holds(self, model: str) -> bool:
        """Whether it is pinned, and has its place: one that is pinned in vain goes as any other."""
        return model in self.pins and self.pinned(model)

    def to_pin(self, spec: Spec) -> bool:
        """Whether the operator, or else the config, pins the model."""
        return self.pinning.get(spec.name, spec.terms.stay.pinned)

    def demanded(self, model: str) -> bool:
        """Whether anybody, or any wish, wants the model up."""
        return bool(self.queue.count(model)) or model in self.wishes


def _hopeless(engine: Engine, now: float) -> bool:
    return engine.state is State.KILLING and now - engine.phase.since >= HOPELESS


def total(costs: Iterable[Cost]) -> dict[str, int]:
    """The sum of several costs."""
    out: dict[str, int] = {}
    for cost in costs:
        for name, amount in cost.items():
            out[name] = out.get(name, 0) + amount
    return out
