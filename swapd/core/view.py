"""What outsiders see: frozen pictures of the book. Times are monotonic seconds, ages seconds.

The picture itself is cheap. What costs more (``weight``, ``outlook``, ``resources``) is read from the book when it
is asked for, so ask at once: within the same step of the loop it fits the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from swapd.core import forecast, placement, refit
from swapd.core.book import Book, Engine, Failure, Wish, total
from swapd.core.engine import RESTING, Endpoint, RunId, State
from swapd.core.forecast import Outlook
from swapd.core.need import Need, Way, is_memory
from swapd.core.spec import Cost, Spec


@dataclass(frozen=True, slots=True)
class EngineView:
    """A model's engine: its run, its state and the bounds of that, where it answers, how busy it is."""

    run: RunId
    state: State
    since: float
    endpoint: Endpoint | None
    leases: int
    idle: float | None
    """Seconds without a lease, None while busy or not ready."""
    deadline: float | None = None
    """When its state ends at the latest; of a resting one, when it may be tried again, None: not by itself."""
    found: bool = False
    """Whether an earlier life of the daemon left it."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model of the config; ``engine`` is None while it is cold."""

    spec: Spec
    aliases: tuple[str, ...]
    engine: EngineView | None
    waiting: int
    failure: Failure | None
    """Of its last run that did."""
    wish: Wish | None
    """Why it should be up though nobody waits for it."""
    failures: int = 0
    """How often it failed in a row; 0 where its last run did not, or was forgiven."""
    pinning: bool | None = None
    """The operator's own word on whether it is pinned; None: the config's holds."""

    @property
    def pinned(self) -> bool:
        """In force."""
        return self.spec.terms.stay.pinned if self.pinning is None else self.pinning

    @property
    def state(self) -> str:
        """As ``status`` shows it."""
        return self.engine.state.value if self.engine else "cold"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a model takes."""

    need: Need | None
    """None while it is being told, and where memory is not budgeted."""
    way: Way | None
    """What is reckoned with: where its engine runs, else the best way to place it; None while nothing is known."""
    measured: Cost
    """What its engine was last seen to hold, as far as the meters tell."""
    load: float | None
    """Seconds that its last load took; None before one was seen."""
    short: str
    """What its engine loaded less than was asked for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One memory of the machine, in bytes. What no meter reads, or nobody budgets, is None."""

    total: int | None
    budget: int | None
    used: int
    """Reckoned for our engines."""
    free: int | None
    """As it was read: what a new process could still take."""
    strangers: int
    """Held by processes that are not ours."""
    lost: bool
    """Its device was there and is gone."""


@dataclass(frozen=True, slots=True)
class View:
    """The whole book at the monotonic second ``now``."""

    now: float
    budget: Cost
    used: Cost
    models: Mapping[str, ModelView]
    leftovers: tuple[EngineView, ...]
    """Engines of models that the config no longer has."""
    closing: bool
    _book: Book = field(repr=False, compare=False)

    @property
    def living(self) -> list[EngineView]:
        """The engines that have, or may still have, a process."""
        engines = [m.engine for m in self.models.values() if m.engine is not None]
        return [e for e in (*engines, *self.leftovers) if e.state not in RESTING]

    @property
    def quiet(self) -> bool:
        """Whether no engine has a process."""
        return not self.living

    def hopeless(self, seconds: float) -> bool:
        """Whether all that live were killed so long ago and still do: to wait longer is in vain."""
        return all(e.state is State.KILLING and self.now - e.since >= seconds for e in self.living)

    def weight(self, model: str) -> Weight:
        """What a model of the picture takes."""
        book, spec = self._book, self.models[model].spec
        engine, history = book.engines.get(model), book.history.get(model)
        living = engine is not None and not engine.resting
        way = engine.way if engine is not None and living else next(iter(placement.ways(book, spec) or ()), None)
        return Weight(
            book.stock.need(model, spec.launch),
            way,
            book.stock.reading.taken.get(engine.run, {}) if engine is not None and living else {},
            history.load if history is not None and history.measured else None,
            engine.short if engine is not None and living else "",
        )

    def never_fits(self, model: str) -> str | None:
        """The arithmetic, if a model of the picture can never be loaded."""
        return refit.never_fits(self._book, self.models[model].spec)

    def stays_until(self, model: str) -> float | None:
        """When the ready engine of a model goes if nobody asks again, by its ttl of today; None: never."""
        engine = self._book.engines.get(model)
        if engine is None or engine.state is not State.READY or self._book.pinned(model):
            return None
        ttl = engine.spec.terms.stay.ttl
        return None if ttl is None else (self.now if engine.leases else engine.idle_since) + ttl

    def outlook(self, model: str) -> Outlook:
        """Who waits for a model of the picture and when each may be served, and what is in the way."""
        return forecast.outlook(self._book, model, self.now)

    def oldest(self) -> dict[str, float]:
        """Each model that somebody waits for, and since when (monotonic) the first of them does."""
        return {name: first.since for name, first in self._book.queue.firsts()}

    @property
    def age(self) -> float | None:
        """Seconds since the meters were read; None before they ever were."""
        at = self._book.stock.reading.at
        return max(0.0, self.now - at) if isfinite(at) else None

    def resources(self) -> dict[str, Resource]:
        """Every memory that is budgeted or read."""
        stock, budget, used = self._book.stock, self.budget, _used(self._book)
        gauges, lost = stock.reading.gauges, stock.reading.lost
        names = dict.fromkeys([*(name for name in budget if is_memory(name)), *gauges, *sorted(lost)])
        found = {}
        for name in names:
            gauge = gauges.get(name)
            size, free = (gauge.total, gauge.free) if gauge is not None else (None, None)
            others = stock.strangers(name)
            found[name] = Resource(size, budget.get(name), used.get(name, 0), free, others, name in lost)
        return found


def look(book: Book, now: float) -> View:
    """Take the picture."""
    aliases: dict[str, list[str]] = {}
    for alias in book.catalog.aliases.values():
        aliases.setdefault(alias.model, []).append(alias.name)
    models = {n: _model(book, s, tuple(aliases.get(n, ())), now) for n, s in book.catalog.models.items()}
    taken = _used(book)
    used = {name: taken.get(name, 0) for name in book.catalog.budget}
    gone = tuple(_engine(e, now) for n, e in book.engines.items() if n not in models)
    return View(now, book.catalog.budget, used, models, gone, book.closing, book)


def _used(book: Book) -> dict[str, int]:
    """What is reckoned for our engines, those that are gone and not seen gone among them."""
    return total((*(e.cost for e in book.running()), *(unseen.cost for unseen in book.stock.unseen.values())))


def _model(book: Book, spec: Spec, aliases: tuple[str, ...], now: float) -> ModelView:
    history = book.history.get(spec.name)
    failure = history.last if history is not None else None
    engine = book.engines.get(spec.name)
    seen = _engine(engine, now) if engine is not None else None
    wish, _ = book.wishes.get(spec.name, (None, 0.0))
    last = history is not None and failure is not None and failure.run.n == history.runs
    failures = history.failures if history is not None and last else 0
    pinning = book.pinning.get(spec.name)
    return ModelView(spec, aliases, seen, book.queue.count(spec.name), failure, wish, failures, pinning)


def _engine(engine: Engine, now: float) -> EngineView:
    idle = now - engine.idle_since if engine.state is State.READY and not engine.leases else None
    endpoint = engine.up.endpoint if engine.up else None
    phase = engine.phase
    found = engine.found is not None
    return EngineView(
        engine.run, phase.state, phase.since, endpoint, len(engine.leases), idle, phase.deadline, found
    )
