"""When time alone changes something: the moments at which the scheduler wants to be woken."""

from __future__ import annotations

from collections.abc import Iterator

from swapd.core import eviction
from swapd.core.book import Book
from swapd.core.engine import State
from swapd.core.settle import expires
from swapd.core.stock import SETTLE


def deadlines(book: Book, now: float) -> Iterator[float]:
    """All of them, in no order; those that are past change nothing any more."""
    for engine in book.engines.values():
        if engine.phase.deadline is not None:
            yield engine.phase.deadline
        if (ends := expires(engine, book.pinned(engine.run.model))) is not None:
            yield ends
    for unseen in book.stock.unseen.values():
        yield unseen.since + SETTLE
    wait = book.catalog.rules.wait
    if wait is not None and (first := book.queue.oldest()) is not None:
        yield first.since + wait
    if any(not _up(book, name) for name in (*book.queue.models(), *book.wishes)):
        yield from _patience(book, now)
        yield from _engines_may_go(book, now)


def _patience(book: Book, now: float) -> Iterator[float]:
    """Who waits for a cold model may soon lose patience."""
    patience = book.catalog.rules.patience
    lanes = book.queue.patient(now, patience)
    if (until := next((until for until, name in lanes if not _up(book, name)), None)) is not None:
        yield until
    for name, (_, since) in book.wishes.items():
        if not _up(book, name):
            yield since + patience


def _engines_may_go(book: Book, now: float) -> Iterator[float]:
    """When an engine stops lingering, has served its quantum long enough, or an abandoned load lasts too long."""
    for engine in book.engines.values():
        if eviction.is_idle(book, engine):
            yield eviction.lingers_until(book, engine, now)
        elif engine.state is State.STARTING and not book.demanded(engine.run.model):
            yield eviction.credit_ends(book, engine)
        if engine.state is State.READY and (ends := eviction.quantum_ends(book, engine)) is not None:
            yield ends


def _up(book: Book, model: str) -> bool:
    engine = book.engines.get(model)
    return engine is not None and engine.state is State.READY
