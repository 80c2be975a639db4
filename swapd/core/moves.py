"""The mechanics: every change of the book that gives an order. Decides nothing; ``settle`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swapd.core.book import Book, Engine, Failure, Held, Phase, Up, Wish
from swapd.core.commands import Adopt, Cause, Command, Grant, Kill, Note, Refuse, Revoke, Spawn, Terminate, Why
from swapd.core.engine import Endpoint, RunId, Signal, State, When, follow
from swapd.core.events import Found, Ticket
from swapd.core.need import Way
from swapd.core.placement import sharers
from swapd.core.policy import COOL_DOWN, GIVE_UP, HEALTHY, backoff, order
from swapd.core.queue import Waiting
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Restart, Spec

ADOPTING = 15.0
"""Seconds within which an engine that was up before, and was found alive, is to answer again."""
KILL_AGAIN = 5.0
"""Seconds between two SIGKILLs to a tree that will not go (a process in uninterruptible sleep)."""
SERVICE_NEWS = 0.2
"""How much one more lease counts in the mean of how long they last."""
LAST_DRAIN = 30.0
"""Seconds a ``drain: never`` gets all the same when the daemon itself must go."""


class Moves:
    """One handling of one event: the book, the time, and the orders so far."""

    __slots__ = ("_jitter", "book", "commands", "now")

    def __init__(self, book: Book, now: float, jitter: Callable[[], float]) -> None:
        self.book = book
        self.now = now
        self.commands: list[Command] = []
        self._jitter = jitter

    # -- engines ---------------------------------------------------------------------------------------

    def spawn(self, spec: Spec, why: Why, way: Way) -> Engine:
        """Begin a new run of a cold model, placed so."""
        history = self.book.recall(spec.name)
        history.runs += 1
        run = RunId(spec.name, history.runs)
        phase = Phase(State.STARTING, self.now, self.now + spec.terms.bounds.start)
        engine = Engine(run, spec, phase, owed=self._quantum(spec.name), way=way)
        self.book.engines[spec.name] = engine
        self.book.promised.pop(spec.name, None)
        stop, grace = spec.terms.stop, spec.terms.bounds.stop
        self.commands.append(Spawn(run, spec.launch, why, way, sharers(self.book, way, spec), stop, grace))
        return engine

    def adopt(self, spec: Spec, found: Found) -> Engine:
        """Take over a run of an earlier life of the daemon. ``spec``: its launch, and the terms of today."""
        history = self.book.recall(spec.name)
        history.runs = max(history.runs, found.run.n)
        bound = ADOPTING if found.ready else spec.terms.bounds.start
        phase = Phase(State.STARTING, self.now, self.now + bound)
        engine = Engine(found.run, spec, phase, way=found.way, idle_since=self.now, found=found)
        self.book.engines[spec.name] = engine
        self.commands.append(Adopt(found.run, spec.launch, Why(Cause.FOUND), found.way))
        return engine

    def ready(self, engine: Engine, endpoint: Endpoint) -> None:
        """The run answers; its model's wish, if any, has come true."""
        load = self.now - engine.phase.since
        if self._advance(engine, Signal.READY) is State.READY:
            engine.up = Up(endpoint, self.now, load)
            engine.idle_since = self.now
            if not engine.owed:  # all it was loaded for have left: it is owed to those who came meanwhile
                engine.owed = self._quantum(engine.run.model)
            if engine.found is None:  # else it took but a moment, which tells nothing of a load
                history = self.book.recall(engine.run.model)
                history.load, history.measured, history.own = max(load, 0.001), True, True
            self.book.shares.loaded([w.client for w in self.book.queue.of(engine.run.model)], load)
            self.book.wishes.pop(engine.run.model, None)

    def stop(self, engine: Engine, why: Why, fault: Exit | None = None, overdue: bool = False) -> None:
        """End the run now. Leases still there are cut: the caller has made sure that this is right."""
        if engine.resting:
            self._advance(engine, Signal.STOP)
            return
        drained = engine.phase.why
        self._advance(engine, Signal.OVERDUE if overdue else Signal.STOP)
        engine.phase.fault = fault
        self._set_deadline(engine, engine.spec.terms.bounds.stop)
        cut = replace(drained, detail=why.cause.value) if drained and why.cause is Cause.DRAIN_OVER else why
        self.commands += [Revoke(ticket, engine.run, cut) for ticket in sorted(engine.leases)]
        self.commands.append(Terminate(engine.run, engine.spec.terms.stop, why))

    def drain(self, engine: Engine, why: Why) -> None:
        """Give no new leases and let the old ones end; at once a stop where there are none."""
        if not engine.leases:
            self.stop(engine, why)
            return
        bound = engine.spec.terms.bounds.drain
        if self.book.closing and bound is None:
            bound = LAST_DRAIN
        self._advance(engine, Signal.DRAIN)
        engine.phase.why = why
        self._set_deadline(engine, bound)
        self.commands.append(Note(engine.run, why))

    def kill(self, engine: Engine) -> None:
        """The grace is over."""
        self._advance(engine, Signal.OVERDUE)
        self._set_deadline(engine, KILL_AGAIN)
        self.commands.append(Kill(engine.run))

    def exited(self, engine: Engine, end: Exit) -> None:
        """The tree is gone. Nobody asked for it, or a fault came before: then the model rests a while."""
        alive = engine.state in (State.STARTING, State.READY)
        fault = end if alive else engine.phase.fault
        if fault is not None and fault is not end and not fault.log:
            fault = Exit(end.code, end.signal, fault.reason, end.log, fault.hint or end.hint)
        if fault is not None:
            self._count_failure(engine, fault)
        true = {When.FAULT} if fault is not None else set()
        restart = engine.spec.terms.restart
        if restart is Restart.NEVER or self.book.recall(engine.run.model).failures >= GIVE_UP:
            true.add(When.GIVEN_UP)
        self.book.stock.gone(engine.run, engine.cost, self.now)
        self.book.shares.gone(engine.run, self.now)
        engine.leases.clear()  # their holders notice by the broken socket and post Left, which is harmless
        self._advance(engine, Signal.EXIT, frozenset(true if fault is not None else ()))
        engine.phase.fault = fault
        if engine.state is State.BACKOFF:
            failures = self.book.recall(engine.run.model).failures
            self._set_deadline(engine, backoff(failures, self._jitter()))
        elif engine.state is State.FAILED:
            self._set_deadline(engine, None if restart is Restart.NEVER else COOL_DOWN)

    def cooled(self, engine: Engine) -> None:
        """The rest is over: the model is cold again. Its failures stay counted; after FAILED one try is left."""
        if engine.state is State.FAILED:
            self.book.recall(engine.run.model).failures = GIVE_UP - 1
        self._advance(engine, Signal.COOLED)
        self.come_back(engine.run.model)

    def come_back(self, model: str) -> None:
        """The model, cold after a failure, is to be up again if there is room; unless the operator unloaded it.

        A pinned one is wished for anyway.
        """
        spec, book = self.book.catalog.models.get(model), self.book
        if spec is None or book.closing or model in book.rested or book.to_pin(spec):
            return
        if spec.terms.restart is Restart.ALWAYS or (
            spec.terms.restart is Restart.AUTO and spec.terms.stay.preload
        ):
            book.wishes[model] = (Wish.RESTART, self.now)

    def forgive(self, model: str) -> None:
        """Clear the count of failures, and end a rest that came of it."""
        self.book.recall(model).failures = 0
        engine = self.book.engines.get(model)
        if engine is not None and engine.resting:
            self._advance(engine, Signal.STOP)

    # -- tickets ---------------------------------------------------------------------------------------

    def came(self, client: str, model: str) -> None:
        """Somebody asks for the model, and is not turned away."""
        self.book.rested.discard(model)
        self.book.habits.asked(client, model, self.now)
        self.book.shares.came(client, self.now)

    def grant(self, waiting: Waiting, engine: Engine) -> None:
        """Give the ticket a lease on a ready engine."""
        self.book.queue.pop(waiting.ticket, granted_at=self.now)
        self.lease(waiting.ticket, waiting.client, waiting.since, engine)

    def lease(self, ticket: Ticket, client: str, since: float, engine: Engine) -> None:
        """The ticket, in no queue any more, holds the ready engine."""
        assert engine.up is not None
        run, now = engine.run, self.now
        engine.leases.add(ticket)
        if ticket in engine.owed:
            engine.owed[ticket] = now
        self.book.holding[ticket] = Held(run, client, now)
        self.book.shares.leased(run, client, now)
        loaded = engine.up.load if since < engine.up.at else 0.0
        self.commands.append(Grant(ticket, run, engine.up.endpoint, engine.spec, now - since, loaded))

    def refuse(self, ticket: Ticket, refusal: Refusal) -> None:
        """Turn a ticket away, whether it waits already or not."""
        waiting = self.book.queue.pop(ticket)
        if waiting is not None:
            self._ended(waiting.client, waiting.model, answered=False)
            if (engine := self.book.engines.get(waiting.model)) is not None:
                engine.owed.pop(ticket, None)
        self.commands.append(Refuse(ticket, refusal))

    def refuse_all(
        self,
        model: str,
        reason: Reason,
        end: Exit | None = None,
        detail: str = "",
        retry_after: float | None = 1.0,
    ) -> None:
        """Turn away everybody who waits for the model."""
        for waiting in self.book.queue.of(model):
            self.refuse(waiting.ticket, Refusal(reason, model, end, retry_after, detail))

    def leave(self, ticket: Ticket) -> None:
        """Withdraw or release; harmless twice."""
        waiting = self.book.queue.pop(ticket, gave_up_at=self.now)
        if waiting is not None:
            self._ended(waiting.client, waiting.model, answered=False)
            if (engine := self.book.engines.get(waiting.model)) is not None:
                engine.owed.pop(ticket, None)
        held = self.book.holding.pop(ticket, None)
        if held is not None:
            self._release(ticket, held)

    def _release(self, ticket: Ticket, held: Held) -> None:
        model = held.run.model
        self.book.shares.released(held.run, held.client, self.now)
        self._ended(held.client, model, answered=True)
        history = self.book.recall(model)
        history.service += SERVICE_NEWS * (self.now - held.since - history.service)
        engine = self.book.engine_of(held.run)
        if engine is None or ticket not in engine.leases:
            return
        engine.leases.discard(ticket)
        engine.owed.pop(ticket, None)
        engine.idle_since, engine.served = self.now, True

    def _ended(self, client: str, model: str, answered: bool) -> None:
        """A ticket of the client is over."""
        self.book.habits.ended(client, model, self.now, answered)
        self.book.shares.went(client)

    def _quantum(self, model: str) -> dict[Ticket, float | None]:
        """Those a model is loaded for: as many of its waiters as it can serve at once, in their turns.

        Not all of them: three hundred requests of one client must not keep the box for as long as they last.
        """
        spec = self.book.catalog.models[model]
        return {waiting.ticket: None for waiting in order(self.book, model, self.now)[: spec.terms.concurrency]}

    # -- within ----------------------------------------------------------------------------------------

    def _advance(self, engine: Engine, signal: Signal, true: frozenset[When] = frozenset()) -> State | None:
        target = follow(engine.state, signal, true)
        if target is None:
            del self.book.engines[engine.run.model]
        elif target is not engine.state:
            engine.phase = Phase(target, self.now, None, engine.phase.fault)
        return target

    def _set_deadline(self, engine: Engine, seconds: float | None) -> None:
        engine.phase.deadline = None if seconds is None else self.now + seconds

    def _count_failure(self, engine: Engine, end: Exit) -> None:
        history = self.book.recall(engine.run.model)
        if engine.up is not None and self.now - engine.up.at >= HEALTHY:
            history.failures = 0
        history.failures += 1
        history.last = Failure(engine.run, self.now, end)
        self.book.wishes.pop(engine.run.model, None)
