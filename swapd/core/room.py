"""One walk over those who want to be up: who is started, who must make room, who has to wait and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from swapd.core import eviction, placement, policy
from swapd.core.book import Book, Engine, Wish, total
from swapd.core.commands import Cause, Why
from swapd.core.engine import State
from swapd.core.moves import Moves
from swapd.core.need import Way
from swapd.core.policy import Candidate, Hold
from swapd.core.spec import Cost
from swapd.core.verdict import Stand, Verdict

WISHED = {
    Wish.LOAD: Cause.LOAD,
    Wish.PINNED: Cause.PINNED,
    Wish.PRELOAD: Cause.PRELOAD,
    Wish.RESTART: Cause.RESTART,
}


MOST_PATIENT = 64
"""So many models that are wanted and have patience left are looked at after each event; the others are behind."""


class Room:
    """One walk over the candidates, best first: start what fits, make room for what does not.

    What a better candidate still waits for is reserved, so no worse one can slip into it. Engines that
    stand in the way of an overdue candidate but may not go yet are *held* for it: they give leases only to
    those they were loaded for, and to those whose patience was over even sooner; and nobody else gets them.
    """

    def __init__(self, m: Moves) -> None:
        self.m = m
        self.book = m.book
        self.free = m.book.free()
        coming = m.book.coming(m.now)
        self.soon = {name: left + coming.get(name, 0) for name, left in self.free.items()}
        """What will be free once all that leave are gone."""
        self.safe: set[str] = set()
        """Models whose own callers are overdue, and better placed than the candidate looked at."""
        self.held: dict[str, Hold] = {}
        """Model -> what it is held for."""

    def make(self) -> dict[str, Hold]:
        """Walk; returns what is held."""
        if self.book.shrunk and any(left < 0 for left in self.soon.values()):
            self._shed()
        self.book.shrunk = False
        self.book.verdicts.clear()
        for name in [n for n in self.book.promised if not self.book.demanded(n)]:
            del self.book.promised[name]
        modest = any(wish.modest for wish, _ in self.book.wishes.values())
        if next(policy.overdue(self.book, self.m.now), None) is not None:
            self._walk(policy.impatient(self.book, self.m.now), True, modest)
        if modest or self._can_give(overdue=False):
            self._walk(policy.patient(self.book, self.m.now), False, modest)
        return self.held

    def _walk(self, candidates: Iterator[Candidate], overdue: bool, modest: bool) -> None:
        """Place them, until there is nothing left to give."""
        most = None if modest or overdue else MOST_PATIENT
        for candidate in islice(candidates, most):
            if not modest and not self._can_give(overdue):
                return
            self._place(candidate)

    def _can_give(self, overdue: bool) -> bool:
        """Whether anything is free, on its way, or to be had from an engine: else to look further is in vain."""
        if placement.fits(self.book.least, self.soon):
            return True
        may_go = eviction.in_the_way if overdue else self._is_spare
        return any(may_go(self.book, e) for e in self.book.running() if e.run.model not in self.held)

    def _is_spare(self, book: Book, engine: Engine) -> bool:
        return eviction.spare(book, engine, self.m.now)

    def _shed(self) -> None:
        """The operator made the budget smaller than what runs: the cheapest go, draining if busy."""
        running = [e for e in self.book.running() if not e.leaving]
        over = {name: -left for name, left in self.book.unbudgeted(running).items() if left < 0}
        if over:
            spare = [e for e in running if not self.book.holds(e.run.model)]
            why = Why(Cause.BUDGET)
            _ = self._evict(over, spare, why) or self._evict(over, running, why)

    def _place(self, candidate: Candidate) -> None:
        name = candidate.spec.name
        engine = self.book.engines.get(name)
        if engine is not None and engine.state in (State.STARTING, State.READY):
            if candidate.overdue is not None:
                self.safe.add(name)
        elif engine is not None and engine.resting:
            self._say(candidate, Stand.RESTING)
        elif (ways := placement.ways(self.book, candidate.spec)) is None:
            self._say(candidate, Stand.WEIGHING)
        else:
            self._make_room(candidate, engine, ways)

    def _make_room(self, candidate: Candidate, engine: Engine | None, ways: Sequence[Way]) -> None:
        """Start it where it fits, else where it soon will, else where that costs least; else wait."""
        if engine is None and (fitting := _first(ways, self.free)) is not None:
            self._spawn(candidate, fitting)
        elif (soon := _first(ways, self.soon)) is not None:
            self._say(candidate, Stand.ROOM_COMING if engine is None else Stand.LEAVING)
            self._promise(candidate, soon)
        elif not candidate.may_evict:
            self.book.wishes.pop(candidate.spec.name, None)
        elif (made := self._evict_for(candidate, ways)) is not None:
            self._say(candidate, Stand.ROOM_COMING)
            self._promise(candidate, made)
        else:
            self._wait(candidate, ways)

    def _wait(self, candidate: Candidate, ways: Sequence[Way]) -> None:
        """Out of patience, it has the engines in its way held, and room kept; else it has to wait for them."""
        way, chosen = self._least_in_the_way(candidate, ways)
        short = placement.lacking(way.cost, self.soon)
        if chosen is None:
            self._say(candidate, self._blocked(short), tuple(self.held), short)
            if candidate.overdue is not None and self._could_fit(candidate, way.cost):
                self._reserve(way.cost)
        elif candidate.overdue is not None:
            self._say(candidate, Stand.HELD, _models(chosen), short)
            self._hold(chosen, Hold(candidate.spec.name, candidate.overdue))
            made = total(engine.cost for engine in chosen)
            self._reserve({name: max(0, amount - made.get(name, 0)) for name, amount in way.cost.items()})
        else:
            idle = all(eviction.is_idle(self.book, e) for e in chosen)
            self._say(candidate, Stand.OTHERS_LINGER if idle else Stand.OTHERS_BUSY, _models(chosen), short)

    def _least_in_the_way(self, candidate: Candidate, ways: Sequence[Way]) -> tuple[Way, list[Engine] | None]:
        """The way that costs least to clear, and whose engines are in it; None where that would not be enough."""
        able = self._in_the_way(candidate)
        options = [(way, self._cheapest(placement.lacking(way.cost, self.soon), able)) for way in ways]
        prices = [sum(self._price(engine) for engine in chosen) for _, chosen in options if chosen is not None]
        clear = [(way, chosen) for way, chosen in options if chosen is not None]
        return clear[prices.index(min(prices))] if clear else options[0]

    def _could_fit(self, candidate: Candidate, cost: Cost) -> bool:
        """Whether it would fit with all of ours gone that may go; else to keep room for it helps nobody."""
        kept = placement.pinned(self.book, candidate.spec)
        limits = self.book.stock.limits(self.book.catalog.budget)
        return placement.fits(cost, {name: amount - kept.get(name, 0) for name, amount in limits.items()})

    def _blocked(self, short: Cost) -> Stand:
        """Nothing that may go would be enough: others come first, or strangers hold it."""
        strangers = self.book.stock.limits(self.book.catalog.budget)
        taken = any(strangers.get(n, 0) < self.book.catalog.budget.get(n, 0) for n in short)
        return Stand.STRANGERS if taken and not self.held else Stand.BEHIND

    def _spawn(self, candidate: Candidate, way: Way) -> None:
        name = candidate.spec.name
        wish, _ = self.book.wishes.get(name, (None, 0.0))
        asked = self.book.queue.count(name)
        why = Why(Cause.ASKED, detail=f"{asked} waiting") if asked or wish is None else Why(WISHED[wish])
        self.m.spawn(candidate.spec, why, way)
        self._reserve(way.cost)

    def _promise(self, candidate: Candidate, way: Way) -> None:
        """The room is on its way: while it comes nobody's growing impatience takes it back."""
        if candidate.may_evict:
            self.book.promised[candidate.spec.name] = None
        self._reserve(way.cost)

    def _say(
        self, candidate: Candidate, stand: Stand, models: tuple[str, ...] = (), short: Cost | None = None
    ) -> None:
        self.book.verdicts[candidate.spec.name] = Verdict(stand, models, short or {})

    def _give_back(self, cost: Cost) -> None:
        for name, amount in cost.items():
            if name in self.soon:
                self.soon[name] += amount

    def _reserve(self, cost: Cost) -> None:
        for name, amount in cost.items():
            if name in self.free:
                self.free[name] -= amount
                self.soon[name] -= amount

    def _evict_for(self, candidate: Candidate, ways: Sequence[Way]) -> Way | None:
        """Make room for the way that costs least to make room for; None if for none of them."""
        able = [
            engine
            for engine in self.book.running()
            if engine.run.model not in self.safe
            and engine.run.model not in self.held
            and eviction.evictable(
                self.book, engine, candidate.spec.name, candidate.overdue is not None, self.m.now
            )
        ]
        options = []
        for n, way in enumerate(ways):
            chosen = self._cheapest(placement.lacking(way.cost, self.soon), able)
            if chosen is not None:
                options.append((sum(self._price(engine) for engine in chosen), n, chosen))
        if not options:
            return None
        _, n, chosen = min(options, key=lambda option: option[:2])
        self._drain(chosen, Why(Cause.EVICTED, candidate.spec.name))
        return ways[n]

    def _evict(self, short: Cost, able: list[Engine], why: Why) -> bool:
        chosen = self._cheapest(short, able)
        self._drain(chosen or [], why)
        return chosen is not None

    def _drain(self, chosen: Sequence[Engine], why: Why) -> None:
        for engine in chosen:
            self.m.drain(engine, why)
            self._give_back(engine.cost)

    def _in_the_way(self, candidate: Candidate) -> list[Engine]:
        return [
            engine
            for engine in self.book.running()
            if engine.run.model not in self.held
            and eviction.in_the_way(self.book, engine)
            and engine.run.model != candidate.spec.name
        ]

    def _hold(self, chosen: Sequence[Engine], hold: Hold) -> None:
        for engine in chosen:
            self.held[engine.run.model] = hold

    def _cheapest(self, short: Cost, able: list[Engine]) -> list[Engine] | None:
        return eviction.victims(short, able, [self._price(engine) for engine in able])

    def _price(self, engine: Engine) -> float:
        return eviction.price(self.book, engine, self.m.now)


def _first(ways: Sequence[Way], room: Cost) -> Way | None:
    """The best way that fits."""
    for way in ways:
        if placement.fits(way.cost, room):
            return way
    return None


def _models(engines: Sequence[Engine]) -> tuple[str, ...]:
    return tuple(engine.run.model for engine in engines)
