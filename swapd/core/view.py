"""What outsiders see: frozen pictures of the book. Times are monotonic seconds, ages seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swapd.core.book import Book, Engine, Failure
from swapd.core.engine import RESTING, Endpoint, RunId, State
from swapd.core.spec import Cost, Spec


@dataclass(frozen=True, slots=True)
class EngineView:
    """A model's engine: its run, its state and since when, where it answers, how busy it is."""

    run: RunId
    state: State
    since: float
    endpoint: Endpoint | None
    leases: int
    idle: float | None
    """Seconds without a lease, None while busy or not ready."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model of the config; ``engine`` is None while it is cold."""

    spec: Spec
    aliases: tuple[str, ...]
    engine: EngineView | None
    waiting: int
    failure: Failure | None
    """Of its last run that did."""

    @property
    def state(self) -> str:
        """As ``status`` shows it."""
        return self.engine.state.value if self.engine else "cold"


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


def look(book: Book, now: float) -> View:
    """Take the picture."""
    aliases: dict[str, list[str]] = {}
    for alias in book.catalog.aliases.values():
        aliases.setdefault(alias.model, []).append(alias.name)
    models = {n: _model(book, s, tuple(aliases.get(n, ())), now) for n, s in book.catalog.models.items()}
    free = book.free()
    used = {name: total - free[name] for name, total in book.catalog.budget.items()}
    gone = tuple(_engine(e, now) for n, e in book.engines.items() if n not in models)
    return View(now, book.catalog.budget, used, models, gone, book.closing)


def _model(book: Book, spec: Spec, aliases: tuple[str, ...], now: float) -> ModelView:
    history = book.history.get(spec.name)
    failure = history.last if history is not None else None
    engine = book.engines.get(spec.name)
    seen = _engine(engine, now) if engine is not None else None
    return ModelView(spec, aliases, seen, book.queue.count(spec.name), failure)


def _engine(engine: Engine, now: float) -> EngineView:
    idle = now - engine.idle_since if engine.state is State.READY and not engine.leases else None
    endpoint = engine.up.endpoint if engine.up else None
    return EngineView(engine.run, engine.state, engine.phase.since, endpoint, len(engine.leases), idle)
