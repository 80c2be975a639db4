"""When time alone changes something: the moments at which the scheduler wants to be woken."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from swapd.core import eviction
from swapd.core.book import Book, Engine
from swapd.core.engine import State
from swapd.core.policy import levelling_ends
from swapd.core.settle import expires
from swapd.core.stock import SETTLE


def deadlines(book: Book, now: float) -> Iterator[float]:
    """All of them, in no order; those that are past change nothing any more."""
    waiting = any(not _up(book, name) for name in chain(book.queue.asked_for(), book.wishes))
    for engine in book.engines.values():
        if engine.phase.deadline is not None:
            yield engine.phase.deadline
        if engine.phase.state is State.READY:
            yield from _of_ready(book, engine, waiting, now)
        elif waiting and engine.phase.state is State.STARTING and not book.demanded(engine.run.model):
            yield eviction.credit_ends(book, engine)
    for unseen in book.stock.unseen.values():
        yield unseen.since + SETTLE
    wait = book.catalog.rules.wait
    if wait is not None and (first := book.queue.oldest()) is not None:
        yield first.since + wait
    if waiting:
        yield from _patience(book, now)


def _of_ready(book: Book, engine: Engine, waiting: bool, now: float) -> Iterator[float]:
    """When its ttl is over; where others wait, when it stops lingering or has served its quantum long enough."""
    if waiting and book.queue.count(engine.run.model):
        yield levelling_ends(book, engine)
    if engine.leases:
        if waiting and engine.owed and (ends := eviction.quantum_ends(book, engine)) is not None:
            yield ends
        return
    if (ends := expires(engine, book.pinned(engine.run.model))) is not None:
        yield ends
    if waiting and eviction.is_idle(book, engine):
        yield eviction.lingers_until(book, engine, now)


def _patience(book: Book, now: float) -> Iterator[float]:
    """Who waits for a cold model may soon lose patience."""
    patience = book.catalog.rules.patience
    lanes = book.queue.patient(now, patience)
    if (until := next((until for until, name in lanes if not _up(book, name)), None)) is not None:
        yield until
    for name, (_, since) in book.wishes.items():
        if not _up(book, name):
            yield since + patience


def _up(book: Book, model: str) -> bool:
    engine = book.engines.get(model)
    return engine is not None and engine.phase.state is State.READY
