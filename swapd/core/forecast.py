"""When somebody's turn may come: estimates from what was seen, for people. Nothing is decided by them.

All times are seconds from now, never negative. They cost a walk over who waits, so they are made when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heapreplace

from swapd.core import eviction, placement, policy
from swapd.core.book import Book, Engine
from swapd.core.engine import State
from swapd.core.events import Ticket
from swapd.core.queue import Waiting
from swapd.core.verdict import Stand, Verdict

STOP = 0.5
"""Seconds from being told to stop to being gone, as a rule (llama-server: 0.1 to 0.6)."""
OUTLASTS = 0.25
"""A request that lasts longer than its model's do as a rule is taken to need this share of that time more."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A ticket that waits: its place among its model's, from 1, and when it may be served (None: unknown)."""

    ticket: Ticket
    client: str
    since: float
    place: int
    eta: float | None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An engine in the way. ``state``: None when it is gone, and its memory not seen free yet."""

    model: str
    state: State | None
    leases: int
    since: float
    """When it came into this state (monotonic)."""
    goes: float | None
    """In how many seconds it may be gone, or a lingering one be told to go; None: it lasts longer than usual."""
    most: float | None = None
    """In how many seconds its state ends at the latest, if it is bounded."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come for one model."""

    verdict: Verdict | None
    """What it waits for; None if nobody wants it, or it is up or loading."""
    queue: tuple[Waiter, ...]
    """In their turns."""
    patience: float | None
    """For so long the first of its callers may still be overtaken; None if nobody wants it."""
    ready: float | None
    """When it may be up; None if it is not known."""
    obstacles: tuple[Obstacle, ...]
    yields_to: str | None
    """It is up, but held for this model, whose patience is over."""
    late: bool
    """Its own load, or drain, takes longer than usual."""


def outlook(book: Book, model: str, now: float) -> Outlook:
    """Of a model of the catalog."""
    verdict, engine = _verdict(book, model, now), book.engines.get(model)
    return Outlook(
        verdict,
        queue(book, model, now),
        _patience(book, model, now),
        ready_in(book, model, now),
        _obstacles(book, verdict, now) if verdict is not None else (),
        _held_for(book, model),
        engine is not None and _is_late(book, engine, now),
    )


def _verdict(book: Book, model: str, now: float) -> Verdict | None:
    """What the last walk found; where it ended before it came to the model, what it would have found there."""
    engine = book.engines.get(model)
    if not book.demanded(model) or (engine is not None and engine.state in (State.STARTING, State.READY)):
        return None
    found = book.verdicts.get(model) or _reckoned(book, model, now)
    if found.stand not in (Stand.ROOM_COMING, Stand.LEAVING):
        return found
    leaving = [e.run.model for e in book.running() if e.leaving]
    return Verdict(found.stand, (*leaving, *(run.model for run in book.stock.unseen)), found.short)


def _reckoned(book: Book, model: str, now: float) -> Verdict:
    if (engine := book.engines.get(model)) is not None:
        return Verdict(Stand.RESTING if engine.resting else Stand.LEAVING)
    ways = placement.ways(book, book.catalog.models[model])
    if ways is None:
        return Verdict(Stand.WEIGHING)
    free, coming = book.free(), book.coming(now)
    soon = {name: left + coming.get(name, 0) for name, left in free.items()}
    lacking = [placement.lacking(way.cost, soon) for way in ways]
    short = min(lacking, key=len) if lacking else {}
    able = [e for e in book.running() if eviction.in_the_way(book, e)]
    chosen = eviction.victims(short, able, [eviction.price(book, e, now) for e in able])
    if not short or chosen is None:
        limits, budget = book.stock.limits(book.catalog.budget), book.catalog.budget
        taken = any(limits.get(name, 0) < budget.get(name, 0) for name in short)
        return Verdict(Stand.STRANGERS if taken else Stand.BEHIND, short=short)
    idle = all(eviction.is_idle(book, engine) for engine in chosen)
    victims = tuple(engine.run.model for engine in chosen)
    return Verdict(Stand.OTHERS_LINGER if idle else Stand.OTHERS_BUSY, victims, short)


def queue(book: Book, model: str, now: float) -> tuple[Waiter, ...]:
    """Who waits for the model, in their turns: each takes the slot that is free first."""
    turns = policy.order(book, model, now)
    slots = _slots(book, model, now) if turns else []
    allowed = _allowed(book, model, now)
    service = book.recall(model).service
    heapify(slots)
    found = []
    for place, waiting in enumerate(turns, 1):
        served = slots and (allowed is None or waiting.ticket in allowed)
        eta = slots[0] if served else None
        if eta is not None:
            heapreplace(slots, eta + service)
        found.append(_waiter(waiting, place, eta))
    return tuple(found)


def ready_in(book: Book, model: str, now: float) -> float | None:
    """When the model may be up: 0 if it is.

    None before a load of it was seen, while strangers bar it, where what it waits for takes longer than usual, and
    for one that does not come back by itself.
    """
    engine, history = book.engines.get(model), book.recall(model)
    if engine is not None and (engine.state is State.READY or (engine.state is State.STARTING and engine.was_up)):
        return 0.0
    if not history.measured:
        return None
    if engine is not None and engine.state is State.STARTING:
        return None if _is_late(book, engine, now) else history.load - (now - engine.phase.since)
    if engine is not None and engine.resting:
        until = engine.phase.deadline
        return None if until is None else max(0.0, until - now) + history.load
    room = _room_in(book, model, now)
    return None if room is None else room + history.load


def _slots(book: Book, model: str, now: float) -> list[float]:
    """When each slot can serve the next; empty if it is not known when there will be any."""
    most = book.catalog.models[model].terms.concurrency
    engine = book.engines.get(model)
    if engine is not None and engine.state is State.READY:
        ends = sorted(_lasts(book, ticket, now) for ticket in engine.leases)
        return [0.0] * (most - len(ends)) + ends[max(0, len(ends) - most) :]
    start = ready_in(book, model, now)
    return [] if start is None else [start] * most


def _allowed(book: Book, model: str, now: float) -> set[Ticket] | None:
    """Whom an engine that is held for another model still serves; None if it is not held."""
    engine, other = book.engines.get(model), _held_for(book, model)
    if engine is None or other is None or (deadline := _deadline(book, other)) is None:
        return None
    return {waiting.ticket for waiting in policy.turns(book, engine, policy.Hold(other, deadline), now)}


def _waiter(waiting: Waiting, place: int, eta: float | None) -> Waiter:
    return Waiter(waiting.ticket, waiting.client, waiting.since, place, eta)


def _room_in(book: Book, model: str, now: float) -> float | None:
    """When there may be room for a model that is not up."""
    verdict = _verdict(book, model, now) or Verdict(Stand.BEHIND)
    going = [obstacle.goes for obstacle in _obstacles(book, verdict, now)]
    if None in going:
        return None
    obstacles = max((goes for goes in going if goes is not None), default=0.0)
    match verdict.stand:
        case Stand.STRANGERS:
            return None
        case Stand.BEHIND | Stand.OTHERS_LINGER:
            return _behind(book, model, now) + obstacles
        case Stand.OTHERS_BUSY:  # when its patience is over at the latest: those in the way may be free sooner
            return _behind(book, model, now) + max(_patience(book, model, now) or 0.0, obstacles)
        case _:
            return obstacles


def _behind(book: Book, model: str, now: float) -> float:
    """When those that come first are served: each is loaded, serves once and goes."""
    total = 0.0
    for candidate in (*policy.impatient(book, now), *policy.patient(book, now)):
        name = candidate.spec.name
        if name == model:
            break
        engine = book.engines.get(name)
        if engine is None or engine.state not in (State.STARTING, State.READY):
            total += book.recall(name).load + book.recall(name).service + STOP
    return total


def _obstacles(book: Book, verdict: Verdict, now: float) -> tuple[Obstacle, ...]:
    found = []
    unseen = {run.model: since.since for run, since in book.stock.unseen.items()}
    for name in dict.fromkeys(verdict.models):
        engine = book.engines.get(name)
        if engine is not None and not engine.resting:
            lingers = verdict.stand is Stand.OTHERS_LINGER
            until = max(0.0, eviction.lingers_until(book, engine, now) - now) if lingers else None
            goes = until if lingers else _goes_in(book, engine, now)
            most = max(0.0, engine.phase.deadline - now) if engine.phase.deadline is not None else None
            found.append(Obstacle(name, engine.state, len(engine.leases), engine.phase.since, goes, most))
        elif name in unseen:
            found.append(Obstacle(name, None, 0, unseen[name], 0.0))
    return tuple(found)


def _is_late(book: Book, engine: Engine, now: float) -> bool:
    """Whether a load lasts longer than the last one did, or a drain longer than the model's requests do."""
    history, lasted = book.recall(engine.run.model), now - engine.phase.since
    if engine.state is State.STARTING:
        return lasted > history.load
    return engine.state is State.DRAINING and lasted > history.service


def _goes_in(book: Book, engine: Engine, now: float) -> float | None:
    """When an engine that goes, or is to go, may be gone; None if it takes longer than usual."""
    if _is_late(book, engine, now):
        return None
    history = book.recall(engine.run.model)
    lasts = max((_lasts(book, ticket, now) for ticket in engine.leases), default=0.0)
    match engine.state:
        case State.DRAINING:
            bound = engine.phase.deadline
            return (lasts if bound is None else min(lasts, max(0.0, bound - now))) + STOP
        case State.READY:
            owes = any(since is None for since in engine.owed.values())
            return lasts + (history.service if owes else 0.0) + STOP
        case State.STARTING:
            return history.load - (now - engine.phase.since) + history.service + STOP
        case _:
            return max(0.0, STOP - (now - engine.phase.since))


def _lasts(book: Book, ticket: Ticket, now: float) -> float:
    """How long a lease may still be held."""
    held = book.holding.get(ticket)
    if held is None:
        return 0.0
    service = book.recall(held.run.model).service
    return max(service - (now - held.since), OUTLASTS * service)


def _patience(book: Book, model: str, now: float) -> float | None:
    deadline = _deadline(book, model)
    return None if deadline is None else max(0.0, deadline - now)


def _deadline(book: Book, model: str) -> float | None:
    """When the first of those who want the model is out of patience; None if nobody wants it."""
    since = [clock for clock, _ in book.queue.clocks(model)]
    if (wish := book.wishes.get(model)) is not None:
        since.append(wish[1])
    return min(since) + book.catalog.rules.patience if since else None


def _held_for(book: Book, model: str) -> str | None:
    """The model whose callers are out of patience, if this one is in its way."""
    found = (n for n, v in book.verdicts.items() if v.stand is Stand.HELD and model in v.models)
    return next(found, None)
