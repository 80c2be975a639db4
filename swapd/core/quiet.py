"""The shortcut of a quiet house: a lease on a ready engine while nobody waits, its end, and nothing else.

``settle`` decides; this only spares its walks where they cannot find anything to decide. The house is *quiet* if
nobody waits, nothing is wished, promised, or left over from a new config, and no deadline is reached. Then a walk
has no candidate, so it starts, evicts and holds nothing; there is nobody to refuse or to grant, nothing to expire
and nothing to retire. That stays so for

- a caller who asks for a ready engine with a free place: the walk would find it alone in the queue, and grant it;
- a caller who leaves an engine that is and stays ready: one more place is free, and nobody is there to take it.

Everything else is noted and settled as ever, and so are these two in a house that is not quiet. What was learned
of the client, and its share, is written by the same moves. A test plays the same days with and without it.
"""

from __future__ import annotations

from math import inf

from swapd.core import refit
from swapd.core.book import Book
from swapd.core.engine import State
from swapd.core.events import Asked, Event, Left
from swapd.core.moves import Moves
from swapd.core.settle import expires


def is_quiet(book: Book) -> bool:
    """Whether nothing but time, or news, can give ``settle`` anything to decide."""
    busy = book.queue or book.wishes or book.promised or book.verdicts
    return not busy and book.suited and not book.shrunk and not book.closing


def take(m: Moves, event: Event) -> float | None:
    """Do what ``settle`` would do of this event in a quiet house, before the next deadline.

    Returns the moment at which time alone changes something because of it (infinity: never); None if nothing was
    done, and all is to be noted and settled.
    """
    if isinstance(event, Asked):
        return _asked(m, event)
    if isinstance(event, Left):
        return _left(m, event)
    return None


def _asked(m: Moves, event: Asked) -> float | None:
    book = m.book
    found = book.catalog.resolve(event.model)
    engine = book.engines.get(found[0].name) if found is not None else None
    if found is None or engine is None or engine.phase.state is not State.READY:
        return None
    spec = found[0]
    if len(engine.leases) >= engine.spec.terms.concurrency:
        return None
    if refit.broken(book, spec) is not None or refit.never_fits(book, spec) is not None:
        return None
    m.came(event.client, spec.name)
    book.queue.forgive(spec.name, event.client)
    m.lease(event.ticket, event.client, m.now, engine)
    return inf


def _left(m: Moves, event: Left) -> float | None:
    book = m.book
    held = book.holding.get(event.ticket)
    engine = book.engine_of(held.run) if held is not None else None
    if engine is None:
        m.leave(event.ticket)
        return inf
    if engine.phase.state is not State.READY:
        return None  # it may have waited for just this lease to end
    pinned = book.pinned(engine.run.model)
    if engine.spec.terms.stay.ttl == 0 and not pinned:
        return None  # idle, it is to go at once
    m.leave(event.ticket)
    ends = expires(engine, pinned)
    return inf if ends is None else ends
