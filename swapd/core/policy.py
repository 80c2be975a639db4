"""Questions on the book, answered by pure functions: who is next, in which order, how long to rest.

This is the place to argue about fairness; nothing here changes anything. Who must go is in ``eviction``, what fits
where in ``placement``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

from swapd.core.book import Book, Engine
from swapd.core.queue import Waiting
from swapd.core.spec import Spec

GIVE_UP = 5
"""Failures in a row that make FAILED."""
COOL_DOWN = 300.0
"""Seconds until a FAILED model may be tried again."""
HEALTHY = 60.0
"""Seconds of being ready that clear the count of failures."""
HEAD_START = 0.25
"""The share of patience that a load may take up: a model that loads for long is begun so much sooner."""


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

    Those that room is already being made for; then by priority, then by whose oldest caller has waited longest
    for each second of load, then by the oldest ticket; modest wishes last. Callers are not counted: five hundred
    of one client are no better a reason than one of another.
    """
    late = {name for _, name in overdue(book, now)}
    rest = [name for name in dict.fromkeys([*book.queue.models(), *book.wishes]) if name not in late]
    for _, name, may_evict in sorted(_ranked(book, name, now) for name in rest):
        yield Candidate(book.catalog.models[name], None, may_evict)


def overdue(book: Book, now: float) -> Iterator[tuple[float, str]]:
    """The callers out of patience, the operator's wishes among them: deadline and model, earliest first."""
    patience = book.catalog.rules.patience
    callers = book.queue.impatient(now, patience)
    if not book.wishes:
        return callers
    urgent = (
        (since + patience, name)
        for name, (wish, since) in book.wishes.items()
        if not wish.modest and since + patience <= now
    )
    return merge(callers, sorted(urgent), key=lambda found: found[0])


def head_start(book: Book, model: str) -> float:
    """Seconds by which the patience of who waits for this model ends sooner, so that the load is done in time.

    None before a load of it was seen.
    """
    if not book.recall(model).measured:
        return 0.0
    return min(book.recall(model).load, HEAD_START * book.catalog.rules.patience)


def _ranked(book: Book, name: str, now: float) -> tuple[tuple[float, ...], str, bool]:
    """A model that nobody is out of patience for: its rank (smaller is sooner), and whether it may evict."""
    wish, wished = book.wishes.get(name, (None, now))
    first = book.queue.first(name)
    may_evict = first is not None or (wish is not None and not wish.modest)
    if name in book.promised:
        return (1.0, float(list(book.promised).index(name))), name, may_evict
    waited = now - min(wished, first.since if first else now)
    pressure = waited / book.recall(name).load
    priority = book.catalog.models[name].terms.priority
    rank = (2.0 if may_evict else 3.0, -priority, -pressure, float(first.ticket if first else 0))
    return rank, name, may_evict


@dataclass(frozen=True, slots=True)
class Hold:
    """An engine is held for a model whose caller ran out of patience at ``deadline``."""

    model: str
    deadline: float


def turns(book: Book, engine: Engine, hold: Hold | None, now: float) -> list[Waiting]:
    """Whom a ready engine serves, in their turns.

    Held for another model: only whose patience was over even sooner, and its quantum: those it was loaded for, and
    of clients that have used less than those who wait, what they asked before them (``behind``).
    """
    if hold is None:
        return order(book, engine.run.model, now)
    patience = book.catalog.rules.patience
    late = {ticket for clock, ticket in book.queue.clocks(engine.run.model) if clock + patience <= hold.deadline}
    served = {*late, *engine.owed, *(waiting.ticket for waiting in behind(book, engine, hold.model, now))}
    return [waiting for waiting in order(book, engine.run.model, now, hold.deadline) if waiting.ticket in served]


def behind(book: Book, engine: Engine, model: str, now: float) -> list[Waiting]:
    """Tickets of clients that have used less of the engines than any client that waits for the other model.

    Only what was asked before the others asked, and no longer than patience lasts: so nobody waits without bound
    for somebody else's fair share.
    """
    first = book.queue.first(model)
    if engine.up is None or first is None or now >= levelling_ends(book, engine):
        return []
    used = book.shares.used  # as of the last lease that began or ended: time alone changes nothing
    level = min(used.get(client, 0.0) for client in book.queue.clients(model))
    poor = {client for client in book.queue.clients(engine.run.model) if used.get(client, 0.0) < level}
    return (
        [w for w in book.queue.of(engine.run.model) if w.client in poor and w.since <= first.since] if poor else []
    )


def levelling_ends(book: Book, engine: Engine) -> float:
    """Until when clients may catch up with others on a ready engine."""
    return (engine.up.at if engine.up else 0.0) + book.catalog.rules.patience


def order(book: Book, model: str, now: float, latest: float | None = None) -> list[Waiting]:
    """The model's waiters in their turns.

    First who was out of patience at ``latest`` (now, if it is left out), by deadline; then whose client has used
    the least of the engines, reckoning its second ticket as if the first were served already.
    """
    patience, history = book.catalog.rules.patience, book.history.get(model)
    late = {
        ticket: clock
        for clock, ticket in book.queue.clocks(model)
        if clock + patience <= (now if latest is None else latest)
    }
    used = {client: book.shares.of(client, now) for client in book.queue.clients(model)}
    typical = history.service if history is not None else 1.0
    ahead: dict[str, int] = {}

    def turn(waiting: Waiting) -> tuple[bool, float, int]:
        before = ahead[waiting.client] = ahead.get(waiting.client, -1) + 1
        if waiting.ticket in late:
            return False, late[waiting.ticket], waiting.ticket
        return True, used[waiting.client] + before * typical, waiting.ticket

    return sorted(book.queue.of(model), key=turn)


def backoff(failures: int, jitter: float) -> float:
    """Seconds to rest after so many failures in a row: 1, 2, 4 ... 60, up to a quarter more by ``jitter``."""
    return float(min(60.0, 2.0 ** min(failures - 1, 6)) * (1 + jitter / 4))
