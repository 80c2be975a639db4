"""The only place that decides. Re-levels the whole book after every event; it never reacts edge by edge."""

from __future__ import annotations

from swapd.core import policy
from swapd.core.book import Engine, Wish
from swapd.core.commands import Cause, Why
from swapd.core.engine import State
from swapd.core.moves import Moves
from swapd.core.policy import Candidate
from swapd.core.refusal import Reason, Refusal
from swapd.core.spec import Cost

_WISHED = {Wish.LOAD: Cause.LOAD, Wish.PINNED: Cause.PINNED, Wish.PRELOAD: Cause.PRELOAD}


def settle(m: Moves) -> None:
    """Bring the book from what is to what should be, as far as orders can."""
    if m.book.closing:
        _wind_down(m)
        return
    _let_go(m)
    _end_drains(m)
    _refuse_resting(m)
    _wish_pinned(m)
    _retire(m)
    while _grant(m, _Room(m).make()):
        pass  # a grant begins its lane's patience anew: who stood behind it may be next already


def _let_go(m: Moves) -> None:
    """Engines whose model is gone from the config, or whose launch is not the config's any more."""
    for engine in list(m.book.engines.values()):
        spec = m.book.catalog.models.get(engine.run.model)
        if engine.leaving or (spec is not None and spec.launch == engine.spec.launch):
            continue
        m.drain(engine, Why(Cause.REMOVED if spec is None else Cause.RELAUNCH))


def _end_drains(m: Moves) -> None:
    for engine in m.book.engines.values():
        if engine.state is State.DRAINING and not engine.leases:
            m.stop(engine, Why(Cause.DRAINED))


def _refuse_resting(m: Moves) -> None:
    """Nobody waits for a model that rests after failures, but for the short rest after a first crash."""
    for name, engine in m.book.engines.items():
        if not engine.resting or not m.book.queue.count(name):
            continue
        history = m.book.recall(name)
        crashed_once = engine.up is not None and history.failures == 1
        if engine.state is State.BACKOFF and crashed_once:
            continue
        assert history.last is not None
        rest = max(0.0, (engine.phase.deadline or m.now) - m.now)
        ago = m.now - engine.phase.since
        times = "" if history.failures == 1 else f" {history.failures} times in a row"
        detail = f"its engine failed{times}, {ago:.0f} s ago; next try in {rest:.0f} s"
        for waiting in m.book.queue.of(name):
            m.refuse(waiting.ticket, Refusal(Reason.UNAVAILABLE, name, history.last.exit, max(rest, 1.0), detail))


def _wish_pinned(m: Moves) -> None:
    for name in m.book.pins:
        if m.book.pinned(name) and name not in m.book.engines:
            m.book.wishes.setdefault(name, (Wish.PINNED, m.now))


class _Room:
    """One walk over the candidates, best first: start what fits, make room for what does not.

    What a better candidate still waits for is reserved, so no worse one can slip into it. Engines that
    stand in the way of an overdue candidate but may not go yet are *held* for it: they give leases only to
    those they were loaded for, and to those whose patience was over even sooner; and nobody else gets them.
    """

    def __init__(self, m: Moves) -> None:
        self.m = m
        self.book = m.book
        self.free = m.book.free()
        self.coming = m.book.coming()
        self.safe: set[str] = set()
        """Models whose own callers are overdue, and better placed than the candidate looked at."""
        self.held: dict[str, float] = {}
        """Model -> the deadline of the candidate that it is held for."""

    def make(self) -> dict[str, float]:
        """Walk; returns what is held."""
        self._shed()
        for name in [n for n in self.book.promised if not self.book.demanded(n)]:
            del self.book.promised[name]
        preloads = any(wish is Wish.PRELOAD for wish, _ in self.book.wishes.values())
        for overdue in (True, False):
            if preloads or self._can_give(overdue):
                self._walk(overdue, preloads)
        return self.held

    def _walk(self, overdue: bool, preloads: bool) -> None:
        """Place the candidates that are, or are not, out of patience, until there is nothing left to give."""
        told = policy.impatient if overdue else policy.patient
        for candidate in told(self.book, self.m.now):
            self._place(candidate)
            if not preloads and not self._can_give(overdue):
                return

    def _can_give(self, overdue: bool) -> bool:
        """Whether anything is free, on its way, or to be had from an engine: else to look further is in vain."""
        soon = self._soon()
        if all(amount <= max(soon.get(name, amount), 0) for name, amount in self.book.least.items()):
            return True
        left = [engine for engine in self.book.running() if engine.run.model not in self.held]
        if overdue:
            return any(policy.in_the_way(self.book, engine) for engine in left)
        return any(policy.spare(self.book, engine, self.m.now) for engine in left)

    def _shed(self) -> None:
        """The operator made the budget smaller than what runs: the cheapest go, draining if busy."""
        over = {name: -left for name, left in self._soon().items() if left < 0}
        if over:
            running = [e for e in self.book.running() if not e.leaving]
            spare = [e for e in running if not self.book.pinned(e.run.model)]
            why = Why(Cause.BUDGET)
            _ = self._evict(over, spare, why) or self._evict(over, running, why)

    def _place(self, candidate: Candidate) -> None:
        name, cost = candidate.spec.name, candidate.spec.terms.cost
        engine = self.book.engines.get(name)
        if engine is not None and engine.state in (State.STARTING, State.READY):
            if candidate.overdue is not None:
                self.safe.add(name)
        elif engine is not None and engine.resting:
            return
        elif engine is None and policy.fits(cost, self.free):
            self._spawn(candidate)
        elif policy.fits(cost, self._soon()):
            self._promise(candidate)
        elif not candidate.may_evict:
            self.book.wishes.pop(name, None)
        elif self._evict_for(candidate):
            self._promise(candidate)
        elif candidate.overdue is not None:
            self._hold_for(candidate, candidate.overdue)
            self._reserve(cost)

    def _spawn(self, candidate: Candidate) -> None:
        name = candidate.spec.name
        wish, _ = self.book.wishes.get(name, (None, 0.0))
        asked = self.book.queue.count(name)
        why = Why(Cause.ASKED, detail=f"{asked} waiting") if asked or wish is None else Why(_WISHED[wish])
        self.m.spawn(candidate.spec, why)
        self._reserve(candidate.spec.terms.cost)

    def _promise(self, candidate: Candidate) -> None:
        """The room is on its way: while it comes nobody's growing impatience takes it back."""
        if candidate.may_evict:
            self.book.promised[candidate.spec.name] = None
        self._reserve(candidate.spec.terms.cost)

    def _soon(self) -> dict[str, int]:
        """What is free and not reserved once all that leave are gone."""
        return {name: left + self.coming.get(name, 0) for name, left in self.free.items()}

    def _give_back(self, cost: Cost) -> None:
        for name, amount in cost.items():
            self.coming[name] = self.coming.get(name, 0) + amount

    def _reserve(self, cost: Cost) -> None:
        for name, amount in cost.items():
            if name in self.free:
                self.free[name] -= amount

    def _evict_for(self, candidate: Candidate) -> bool:
        able = [
            engine
            for engine in self.book.running()
            if engine.run.model not in {*self.safe, *self.held}
            and policy.evictable(self.book, engine, candidate, self.m.now)
        ]
        short = policy.lacking(candidate.spec.terms.cost, self._soon())
        return self._evict(short, able, Why(Cause.EVICTED, candidate.spec.name))

    def _evict(self, short: Cost, able: list[Engine], why: Why) -> bool:
        chosen = self._cheapest(short, able)
        for engine in chosen or ():
            self.m.drain(engine, why)
            self._give_back(engine.spec.terms.cost)
        return chosen is not None

    def _hold_for(self, candidate: Candidate, overdue: float) -> None:
        able = [
            engine
            for engine in self.book.running()
            if engine.run.model not in self.held
            and policy.in_the_way(self.book, engine)
            and engine.run.model != candidate.spec.name
        ]
        short = policy.lacking(candidate.spec.terms.cost, self._soon())
        for engine in self._cheapest(short, able) or ():
            self.held[engine.run.model] = overdue
            self._give_back(engine.spec.terms.cost)

    def _cheapest(self, short: Cost, able: list[Engine]) -> list[Engine] | None:
        return policy.victims(short, able, [policy.price(self.book, engine, self.m.now) for engine in able])


def _grant(m: Moves, held: dict[str, float]) -> bool:
    """Give the ready engines' free slots away; whether any was given."""
    before = len(m.commands)
    for name, engine in m.book.engines.items():
        slots = engine.spec.terms.concurrency - len(engine.leases)
        if slots > 0 and engine.state is State.READY and m.book.queue.count(name):
            for waiting in policy.turns(m.book, engine, held.get(name), m.now)[:slots]:
                m.grant(waiting, engine)
    return len(m.commands) > before


def _retire(m: Moves) -> None:
    """Idle past the ttl. A pinned one stays."""
    for engine in list(m.book.engines.values()):
        ends = expires(engine, m.book.pinned(engine.run.model))
        if ends is not None and ends <= m.now and not m.book.queue.count(engine.run.model):
            m.stop(engine, Why(Cause.TTL))


def expires(engine: Engine, pinned: bool) -> float | None:
    """When an idle engine's ttl is over; None if it is busy, pinned or stays for ever."""
    ttl = engine.spec.terms.stay.ttl
    if engine.state is not State.READY or engine.leases or pinned or ttl is None:
        return None
    return engine.idle_since + ttl


def _wind_down(m: Moves) -> None:
    for name in m.book.queue.models():
        m.refuse_all(name, Reason.CLOSING)
    for engine in list(m.book.engines.values()):
        if engine.state is State.DRAINING and not engine.leases:
            m.stop(engine, Why(Cause.CLOSING))
        elif not engine.leaving:
            m.drain(engine, Why(Cause.CLOSING))
