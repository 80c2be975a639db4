"""Questions on the book, answered by pure functions: who is next, who must go, how long to wait.

This is the place to argue about fairness; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from math import inf

from swapd.core.book import Book, Engine, Wish
from swapd.core.engine import State
from swapd.core.queue import Waiting
from swapd.core.spec import Catalog, Cost, Spec

GIVE_UP = 5
"""Failures in a row that make FAILED."""
COOL_DOWN = 300.0
"""Seconds until a FAILED model may be tried again."""
HEALTHY = 60.0
"""Seconds of being ready that clear the count of failures."""
EXACT = 10
"""Up to so many engines the best set of victims is searched for exhaustively."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that should be up. ``overdue`` is the deadline of its most impatient caller, if passed."""

    spec: Spec
    overdue: float | None
    may_evict: bool


def impatient(book: Book, now: float) -> Iterator[Candidate]:
    """The models that somebody out of patience waits for, by that deadline. One by one: the walk may end early."""
    seen: set[str] = set()
    for deadline, name in overdue(book, now):
        if name not in seen:
            seen.add(name)
            yield Candidate(book.catalog.models[name], deadline, may_evict=True)


def patient(book: Book, now: float) -> Iterator[Candidate]:
    """All other models that are wanted, best first.

    Those that room is already being made for; then by priority, then by most waiting-seconds per second of
    load, then by the oldest ticket; preloads last.
    """
    late = {name for _, name in overdue(book, now)}
    rest = [name for name in dict.fromkeys([*book.queue.models(), *book.wishes]) if name not in late]
    for _, name, may_evict in sorted(_ranked(book, name, now) for name in rest):
        yield Candidate(book.catalog.models[name], None, may_evict)


def overdue(book: Book, now: float) -> Iterator[tuple[float, str]]:
    """The callers out of patience, the operator's wishes among them: deadline and model, earliest first."""
    patience = book.catalog.rules.patience
    callers = book.queue.impatient(now, patience)
    urgent = (
        (since + patience, name)
        for name, (wish, since) in book.wishes.items()
        if wish is not Wish.PRELOAD and since + patience <= now
    )
    return merge(callers, sorted(urgent), key=lambda found: found[0])


def _ranked(book: Book, name: str, now: float) -> tuple[tuple[float, ...], str, bool]:
    """A model that nobody is out of patience for: its rank (smaller is sooner), and whether it may evict."""
    wish, wished = book.wishes.get(name, (None, now))
    first = book.queue.first(name)
    may_evict = first is not None or wish in (Wish.LOAD, Wish.PINNED)
    if name in book.promised:
        return (1.0, float(list(book.promised).index(name))), name, may_evict
    pressure = (book.queue.waited(name, now) + (now - wished)) / book.recall(name).load
    priority = book.catalog.models[name].terms.priority
    rank = (2.0 if may_evict else 3.0, -priority, -pressure, float(first.ticket if first else 0))
    return rank, name, may_evict


def fits(cost: Cost, room: Cost) -> bool:
    """Whether each amount is there. A resource the budget does not name is unbounded.

    Where nothing is needed nothing is missing, however overdrawn the room.
    """
    return all(name not in room or amount <= max(room[name], 0) for name, amount in cost.items())


def lacking(cost: Cost, room: Cost) -> dict[str, int]:
    """How much of what is missing; empty where ``fits``."""
    return {n: a - room[n] for n, a in cost.items() if n in room and a > max(room[n], 0)}


def evictable(book: Book, engine: Engine, candidate: Candidate, now: float) -> bool:
    """Whether this engine may be stopped, or at least drained, for the candidate right now."""
    if engine.run.model == candidate.spec.name:
        return False
    if candidate.overdue is None or engine.state is State.STARTING:
        return spare(book, engine, now)
    return engine.state is State.READY and not engine.owed and not book.pinned(engine.run.model)


def nearly_up(book: Book, engine: Engine, now: float) -> bool:
    """Whether an abandoned load is past its half: then it may as well finish, for callers that come back.

    Else two clients that give up too soon could make loads for ever that serve nobody. A load that takes more
    than twice as long as the last one gets no such credit.
    """
    return engine.phase.since + book.recall(engine.run.model).load / 2 <= now < credit_ends(book, engine)


def credit_ends(book: Book, engine: Engine) -> float:
    """When an abandoned load has taken too long to be spared."""
    return engine.phase.since + 2 * book.recall(engine.run.model).load


def lingers_until(book: Book, engine: Engine) -> float:
    """Till when an idle engine is kept for the client that asks again at once: never longer than its load."""
    return engine.idle_since + min(book.catalog.rules.linger, book.recall(engine.run.model).load)


def in_the_way(book: Book, engine: Engine) -> bool:
    """Whether the engine could be a victim once its quantum is served."""
    return engine.state in (State.STARTING, State.READY) and not book.pinned(engine.run.model)


def spare(book: Book, engine: Engine, now: float) -> bool:
    """Whether an engine may be stopped for somebody who has patience left: idle, or nobody wants its load."""
    if engine.state not in (State.STARTING, State.READY) or engine.owed or book.pinned(engine.run.model):
        return False
    if engine.state is State.STARTING:
        return not book.demanded(engine.run.model) and not nearly_up(book, engine, now)
    if engine.leases or book.queue.count(engine.run.model):
        return False
    return now >= lingers_until(book, engine)


def turns(book: Book, engine: Engine, held: float | None, now: float) -> list[Waiting]:
    """In which order a ready engine serves its waiters: who is out of patience by deadline, then by arrival.

    Held for a caller whose patience was over at ``held``: only whose patience was over by then, and its quantum.
    """
    clocks = book.queue.clocks(engine.run.model)
    latest, patience = now if held is None else held, book.catalog.rules.patience
    impatient = {ticket: clock for clock, ticket in clocks if clock + patience <= latest}
    able = [
        waiting
        for waiting in book.queue.of(engine.run.model)
        if held is None or waiting.ticket in engine.owed or waiting.ticket in impatient
    ]
    return sorted(able, key=lambda waiting: impatient.get(waiting.ticket, inf))


def price(book: Book, engine: Engine, now: float) -> float:
    """What losing this engine costs, in expected seconds of loading: the longer idle, the less likely asked.

    A busy engine also costs the wait for its leases and its quantum, so an idle one always goes first; a grant
    to one of its quantum changes nothing, so that an engine once held stays the one held.
    """
    load = book.recall(engine.run.model).load
    if engine.leases or book.queue.count(engine.run.model):
        return 1e6 + load * (1 + len(engine.leases | engine.owed))
    return load / (1.0 + max(0.0, now - engine.idle_since))


def victims(short: Cost, engines: Sequence[Engine], prices: Sequence[float]) -> list[Engine] | None:
    """The cheapest set that gives back at least ``short``; no member could stay. None if no set does.

    Exact up to EXACT engines; beyond, cheapest first, then whoever was not needed is spared.
    """
    order = sorted(range(len(engines)), key=lambda i: prices[i])
    useful = [i for i in order if any(name in engines[i].spec.terms.cost for name in short)]
    gives = {i: engines[i].spec.terms.cost for i in useful}
    if any(sum(gives[i].get(name, 0) for i in useful) < amount for name, amount in short.items()):
        return None
    exact = len(useful) <= EXACT
    chosen = _cheapest(short, useful, gives, prices) if exact else _leanest(short, useful, gives)
    return [engines[i] for i in chosen]


def _cheapest(short: Cost, useful: Sequence[int], gives: Mapping[int, Cost], prices: Sequence[float]) -> list[int]:
    """Branch and bound over all sets, cheapest engines first: what costs more than the best so far is cut."""
    best: list[int] = list(useful)
    bound = (sum(prices[i] for i in useful), len(useful))

    def search(at: int, chosen: list[int], cost: float, missing: Cost) -> None:
        nonlocal best, bound
        if not missing:
            if (cost, len(chosen)) < bound:
                best, bound = chosen, (cost, len(chosen))
            return
        for n in range(at, len(useful)):
            i = useful[n]
            if (cost + prices[i], len(chosen) + 1) >= bound:
                return  # all that come after cost as much or more
            left = {name: a - gives[i].get(name, 0) for name, a in missing.items() if a > gives[i].get(name, 0)}
            search(n + 1, [*chosen, i], cost + prices[i], left)

    search(0, [], 0.0, short)
    return best


def _leanest(short: Cost, useful: Sequence[int], gives: Mapping[int, Cost]) -> list[int]:
    """Cheapest first until it is enough, then whoever turned out not to be needed is spared."""

    def enough(chosen: Sequence[int]) -> bool:
        return all(sum(gives[i].get(name, 0) for i in chosen) >= amount for name, amount in short.items())

    chosen: list[int] = []
    for i in useful:
        if not enough(chosen):
            chosen.append(i)
    for i in reversed(chosen[:]):
        if enough([j for j in chosen if j != i]):
            chosen.remove(i)
    return chosen


def never_fits(catalog: Catalog, spec: Spec) -> str | None:
    """The arithmetic, if the model cannot ever be up: more than the budget, or than the pinned ones leave."""
    for name, amount in spec.terms.cost.items():
        if name not in catalog.budget:
            continue
        has = catalog.budget[name]
        others = [s for s in catalog.models.values() if s.terms.stay.pinned and s.name != spec.name]
        pinned = sum(s.terms.cost.get(name, 0) for s in others)
        if amount > has:
            return f"it needs {amount} of {name}, the budget has {has}; raise budget.{name} or lower its needs"
        if amount > has - pinned:
            keep = ", ".join(s.name for s in others if s.terms.cost.get(name, 0))
            return (
                f"it needs {amount} of {name}, the budget has {has} and pinned {keep} keep {pinned}; "
                f"raise budget.{name} or unpin one"
            )
    return None


def backoff(failures: int, jitter: float) -> float:
    """Seconds to rest after so many failures in a row: 1, 2, 4 ... 60, up to a quarter more by ``jitter``."""
    return float(min(60.0, 2.0 ** min(failures - 1, 6)) * (1 + jitter / 4))
