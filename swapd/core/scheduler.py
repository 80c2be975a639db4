"""The one writer of the book: ``handle(event, now)`` notes the fact, expires deadlines, settles.

Two facts are spared the walk of ``settle`` where it is sure to find nothing more to decide: see ``quiet``.

Pure: the same events at the same times give the same orders. ``deadline()`` says when it next wants to be
told that time has passed; ``view()`` is what outsiders see.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import assert_never

from swapd.core import policy, quiet, refit
from swapd.core.book import Book, Engine, Wish
from swapd.core.commands import Cause, Command, Note, Why
from swapd.core.deadlines import deadlines
from swapd.core.engine import RunId, State
from swapd.core.events import (
    Asked,
    CatalogChanged,
    Closing,
    EngineExited,
    EngineReady,
    EngineShort,
    EngineSick,
    Event,
    KeepWished,
    Left,
    LoadWished,
    MachineRead,
    PinWished,
    Ticked,
    UnloadWished,
    Weighed,
)
from swapd.core.moves import ADOPTING, LAST_DRAIN, Moves
from swapd.core.queue import Waiting
from swapd.core.quiet import is_quiet
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settle import settle
from swapd.core.spec import Spec
from swapd.core.view import View, look


class Scheduler:
    """Holds the book. ``jitter`` gives numbers in [0, 1) for the backoff; the default spreads nothing."""

    def __init__(self, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self.book = Book()
        self._jitter = jitter
        self._now = 0.0
        self._quiet = False
        self._due: float | None = None
        self._exact = False

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one fact at the monotonic second ``now``; returns the orders, in order."""
        moves = Moves(self.book, now, self._jitter)
        if not self._spared(event, moves):
            self._now, self._due = now, None
            self._note(event, moves)
            self._expire(moves)
            settle(moves)
        return moves.commands

    def deadline(self) -> float | None:
        """The next moment at which time alone changes something, or None.

        What is past already was looked at by the last ``handle``: telling it again would change nothing.
        """
        if self._due is None or not self._exact:
            self._look_ahead()
        return None if self._due == inf else self._due

    def due(self) -> float:
        """What a timer may go by: never later than ``deadline()``, now and then earlier, infinity for never."""
        return self._look_ahead() if self._due is None else self._due

    def view(self, now: float) -> View:
        """A frozen picture of the book."""
        return look(self.book, now)

    def standing(self) -> list[tuple[RunId, State]]:
        """The engines there are, and the states they are in: so much of the view costs next to nothing."""
        return [(engine.run, engine.state) for engine in self.book.engines.values()]

    def newcomer(self, name: str) -> Spec | None:
        """The model behind a name, if an engine of it is yet to start here, and others may have to go for it."""
        if self.book.closing or (found := self.book.catalog.resolve(name)) is None:
            return None
        spec, engines = found[0], self.book.engines
        engine = engines.get(spec.name)
        if spec.remote or (engine is not None and not engine.resting):
            return None
        return spec if any(not other.resting for other in engines.values()) else None

    # -- the shortcut ----------------------------------------------------------------------------------

    def _spared(self, event: Event, m: Moves) -> bool:
        """Whether the house is quiet and the event, now done with, leaves nothing to settle: see ``quiet``."""
        if self._due is None:
            if not is_quiet(self.book):
                return False
            self._look_ahead()
        due = self._due
        if not self._quiet or due is None or due <= m.now or (new := quiet.take(m, event)) is None:
            return False
        self._now, self._due, self._exact = m.now, min(due, new), False
        return True

    def _look_ahead(self) -> float:
        """Remember whether the house is quiet, and its deadline."""
        due, now, past = inf, self._now, False
        for at in deadlines(self.book, now):
            if at <= now:
                past = True  # no bound of seconds is zero; if one were, the next event must see to it
            elif at < due:
                due = at
        self._quiet = not past and is_quiet(self.book)
        self._due, self._exact = due, True
        return due

    # -- noting ----------------------------------------------------------------------------------------

    def _note(self, event: Event, m: Moves) -> None:  # noqa: C901, PLR0912  (one case an event)
        match event:
            case Asked():
                self._asked(event, m)
            case Left(ticket):
                m.leave(ticket)
            case EngineReady(run, endpoint):
                if (engine := self._current(run, State.STARTING)) is not None:
                    m.ready(engine, endpoint)
            case EngineShort(run, what):
                if (engine := self._current(run, State.READY, State.DRAINING)) is not None:
                    engine.short = what
            case EngineSick(run, why):
                if (engine := self._current(run, State.STARTING, State.READY, State.DRAINING)) is not None:
                    self._sick(engine, why, m)
            case EngineExited(run, end):
                self._exited(run, end, m)
            case CatalogChanged(catalog, found):
                refit.changed(m, catalog, found)
            case LoadWished(model):
                self._load(model, m)
            case UnloadWished(model, now):
                self._unload(model, now, m)
            case PinWished(model, pinned):
                refit.pin(m, model, pinned)
            case KeepWished(run, ttl):
                if (engine := self._current(run, State.READY)) is not None:
                    refit.keep(self.book, engine, ttl)
            case Closing():
                self._closing(m)
            case Weighed():
                refit.weighed(m, event)
            case MachineRead(reading):
                self.book.stock.read(reading, self.book.running())
            case Ticked():
                pass
            case _:
                assert_never(event)

    def _current(self, run: RunId, *states: State) -> Engine | None:
        """The engine of this very run, if it is in one of the states: late news is no news."""
        engine = self.book.engine_of(run)
        return engine if engine is not None and engine.state in states else None

    def _asked(self, event: Asked, m: Moves) -> None:
        found = self.book.catalog.resolve(event.model)
        refusal = self._unwelcome(event.model, found[0] if found else None, event.missing)
        if refusal is not None or found is None:
            assert refusal is not None
            m.refuse(event.ticket, refusal)
            return
        spec = found[0]
        m.came(event.client, spec.name)
        lead = policy.head_start(self.book, spec.name)
        self.book.queue.add(Waiting(event.ticket, spec.name, event.client, m.now), lead)

    def _unwelcome(self, name: str, spec: Spec | None, missing: Exit | None) -> Refusal | None:
        if self.book.closing:
            return Refusal(Reason.CLOSING, name, retry_after=5.0)
        if spec is None:
            return Refusal(Reason.UNKNOWN_MODEL, name, detail=self.book.catalog.near(name))
        if (broken := refit.broken(self.book, spec)) is not None:
            return broken
        if missing is not None and self.newcomer(name) is not None:  # else it is up meanwhile, or costs nobody
            return Refusal(Reason.START_FAILED, spec.name, missing)
        if why := refit.never_fits(self.book, spec):
            return Refusal(Reason.NEVER_FITS, spec.name, detail=why)
        limit = self.book.catalog.rules.queue
        if len(self.book.queue) >= limit and not self._has_slot(spec.name):
            full = f"{len(self.book.queue)} requests wait already, for any model (scheduling.queue is {limit})"
            return Refusal(Reason.QUEUE_FULL, spec.name, None, 1.0, full)
        return None

    def _has_slot(self, model: str) -> bool:
        engine = self.book.engines.get(model)
        if engine is None or engine.state is not State.READY:
            return False
        return len(engine.leases) + self.book.queue.count(model) < engine.spec.terms.concurrency

    def _sick(self, engine: Engine, why: str, m: Moves) -> None:
        fault = Exit(reason=why)
        reason = Reason.ENGINE_DIED if engine.was_up else Reason.START_FAILED
        m.refuse_all(engine.run.model, reason, fault, detail="died")
        m.stop(engine, Why(Cause.SICK, detail=why), fault)

    def _exited(self, run: RunId, end: Exit, m: Moves) -> None:
        engine = self.book.engine_of(run)
        if engine is None or engine.resting:
            return
        if engine.state is State.STARTING and not engine.was_up:
            m.refuse_all(run.model, Reason.START_FAILED, end)
        m.exited(engine, end)

    def _load(self, model: str, m: Moves) -> None:
        found = self.book.catalog.resolve(model)
        if found is None or self.book.closing:
            return
        spec = found[0]
        m.forgive(spec.name)
        self.book.rested.discard(spec.name)
        engine = self.book.engines.get(spec.name)
        up = engine is not None and engine.state is State.READY
        if not up and refit.never_fits(self.book, spec) is None:
            self.book.wishes[spec.name] = (Wish.LOAD, m.now)

    def _unload(self, model: str, now: bool, m: Moves) -> None:
        found = self.book.catalog.resolve(model)
        if found is None:
            return
        name = found[0].name
        self.book.wishes.pop(name, None)
        self.book.rested.add(name)
        m.refuse_all(name, Reason.MODEL_UNLOADED)
        m.forgive(name)
        engine = self.book.engines.get(name)
        if engine is not None and now and (not engine.leaving or engine.state is State.DRAINING):
            m.stop(engine, Why(Cause.UNLOAD))
        elif engine is not None and not engine.leaving:
            m.drain(engine, Why(Cause.UNLOAD))

    def _closing(self, m: Moves) -> None:
        """The first one drains; told again, it waits no longer."""
        for engine in [e for e in self.book.engines.values() if e.state is State.DRAINING]:
            if self.book.closing:
                m.stop(engine, Why(Cause.CLOSING))
            elif engine.phase.deadline is None:
                engine.phase.deadline = m.now + LAST_DRAIN
        self.book.closing = True
        self.book.wishes.clear()

    # -- time ------------------------------------------------------------------------------------------

    def _expire(self, m: Moves) -> None:
        for engine in list(self.book.engines.values()):
            if engine.phase.deadline is not None and engine.phase.deadline <= m.now:
                self._overdue(engine, m)
        wait = self.book.catalog.rules.wait
        while wait is not None and (first := self.book.queue.oldest()) and first.since + wait <= m.now:
            late = Refusal(Reason.QUEUE_TIMEOUT, first.model, retry_after=1.0, detail=f"{wait:g} s")
            m.refuse(first.ticket, late)
        for run in self.book.stock.overdue(m.now):
            del self.book.stock.unseen[run]
            m.commands.append(Note(run, Why(Cause.UNSEEN)))

    def _overdue(self, engine: Engine, m: Moves) -> None:
        match engine.state:
            case State.STARTING if engine.was_up:  # who waits may as well wait for the next run
                why = f"found alive, it has not answered within {ADOPTING:g} s"
                m.stop(engine, Why(Cause.SICK, detail=why), Exit(reason=why), overdue=True)
            case State.STARTING:
                bound = f"{engine.spec.terms.bounds.start:g} s"
                fault = Exit(reason=f"not ready after {bound}")
                m.refuse_all(engine.run.model, Reason.START_TIMEOUT, detail=bound)
                m.stop(engine, Why(Cause.OVERDUE), fault, overdue=True)
            case State.DRAINING | State.SAVING:
                m.stop(engine, Why(Cause.DRAIN_OVER), overdue=True)
            case State.STOPPING | State.KILLING:
                m.kill(engine)
            case State.BACKOFF | State.FAILED:
                m.cooled(engine)
            case State.READY:  # pragma: no cover  (a ready engine has no deadline of its own)
                pass
