"""Who must go: which engines may be stopped, what losing each costs, and the cheapest set that makes room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swapd.core.book import Book, Engine
from swapd.core.engine import State
from swapd.core.policy import behind
from swapd.core.spec import Cost

_STAYING = (State.READY, State.STARTING)
EXACT = 10
"""Up to so many engines the best set of victims is searched for exhaustively."""
SWAP = 8.5
"""Seconds that a swap costs besides its load: a stop, and prompts that must be read anew."""
YOUNG, OLD, LATE = 0.3, 2.5, 2.0
"""What holding an engine costs a second: for each who waits for another, in proportion to all their waits, and to
the square of the longest (both in patiences). A young wait costs little, an old one a lot. Found in the lab
(``tests/bench/lab.py``)."""
EXPECTED = 30.0
"""Seconds within which a client expected back makes an engine worth keeping."""


def evictable(book: Book, engine: Engine, model: str, impatient: bool, now: float) -> bool:
    """Whether this engine may be stopped, or at least drained, for the model right now."""
    if engine.run.model == model:
        return False
    if not impatient or engine.state is State.STARTING:
        return spare(book, engine, now)
    if not in_the_way(book, engine) or not quantum_over(book, engine, now):
        return False
    return engine.state is State.READY and not behind(book, engine, model, now)


def spare(book: Book, engine: Engine, now: float) -> bool:
    """Whether an engine may be stopped for somebody who has patience left: idle, or nobody wants its load."""
    if engine.leases or not in_the_way(book, engine) or not quantum_over(book, engine, now):
        return False
    if engine.phase.state is State.STARTING:
        return not book.demanded(engine.run.model) and not nearly_up(book, engine, now)
    return not book.queue.count(engine.run.model) and not lingers(book, engine, now)


def is_idle(book: Book, engine: Engine) -> bool:
    """Ready, and nobody has it or waits for it."""
    return engine.state is State.READY and not engine.leases and not book.queue.count(engine.run.model)


def in_the_way(book: Book, engine: Engine) -> bool:
    """Whether the engine could be a victim once its quantum is served."""
    return engine.phase.state in _STAYING and not (book.pins and book.pinned(engine.run.model))


def quantum_over(book: Book, engine: Engine, now: float) -> bool:
    """Whether those it was loaded for are served, or gone, or have been served for as long as patience lasts."""
    if not engine.owed:
        return True
    patience = book.catalog.rules.patience
    return all(since is not None and since + patience <= now for since in engine.owed.values())


def quantum_ends(book: Book, engine: Engine) -> float | None:
    """When the quantum is over though its tickets are still served; None while one waits, or none is left."""
    latest = 0.0
    for since in engine.owed.values():
        if since is None:
            return None
        latest = max(latest, since)
    return latest + book.catalog.rules.patience if engine.owed else None


def nearly_up(book: Book, engine: Engine, now: float) -> bool:
    """Whether an abandoned load is past its half: then it may as well finish, for callers that come back.

    Else two clients that give up too soon could make loads for ever that serve nobody. A load that takes more
    than twice as long as the last one gets no such credit.
    """
    return engine.phase.since + book.recall(engine.run.model).load / 2 <= now < credit_ends(book, engine)


def credit_ends(book: Book, engine: Engine) -> float:
    """When an abandoned load has taken too long to be spared."""
    return engine.phase.since + 2 * book.recall(engine.run.model).load


# -- linger --------------------------------------------------------------------------------------------------


def lingers(book: Book, engine: Engine, now: float) -> bool:
    """Whether an idle engine is kept for clients that are expected back, though others wait for its room.

    What is gained a second by holding it (how likely somebody comes, times what a swap and the swap back would
    cost) against what it costs those who wait; never longer than ``scheduling.linger``.
    """
    if now >= engine.idle_since + book.catalog.rules.linger:
        return False
    rate = book.habits.rate(engine.run.model, now)
    waiting = _waiting(book, engine.run.model, now)
    if waiting is None:
        return True
    cost, cheapest = waiting
    return rate * ((book.recall(engine.run.model).load + cheapest) / 2 + SWAP) > cost


def lingers_until(book: Book, engine: Engine, now: float) -> float:
    """When ``lingers`` turns false if nothing happens; in the past if it has. To a hundredth of a second."""
    ends = engine.idle_since + book.catalog.rules.linger
    if not lingers(book, engine, now):
        return now
    early, late = now, ends
    while late - early > 0.01:
        middle = (early + late) / 2
        early, late = (middle, late) if lingers(book, engine, middle) else (early, middle)
    return late


def _waiting(book: Book, model: str, now: float) -> tuple[float, float] | None:
    """What it costs a second to let the callers of all other models wait; and the load of the quickest of those.

    None if nobody waits.
    """
    patience = max(book.catalog.rules.patience, 1e-3)
    waits = [
        (book.queue.waited(name, now), first.since, name) for name, first in book.queue.firsts() if name != model
    ]
    waits += [(now - since, since, name) for name, (_, since) in book.wishes.items() if name not in book.engines]
    if not waits:
        return None
    waited, longest = sum(wait for wait, _, _ in waits), now - min(since for _, since, _ in waits)
    count = sum(max(1, book.queue.count(name)) for _, _, name in waits)
    cost = YOUNG * count + OLD * waited / patience + LATE * (longest / patience) ** 2
    return cost, min(book.recall(name).load for _, _, name in waits)


# -- victims -------------------------------------------------------------------------------------------------


def price(book: Book, engine: Engine, now: float) -> float:
    """What losing this engine costs, in expected seconds: of loading it again, and of reading its prompts anew.

    By how likely it is asked for soon: as its clients' habits say, and the less the longer it has been idle. A
    busy engine also costs the wait for its leases and its quantum, so an idle one always goes first; a grant to
    one of its quantum changes nothing, so that an engine once held stays the one held.
    """
    model = engine.run.model
    load = book.recall(model).load
    if engine.leases or book.queue.count(model):
        return 1e6 + load * (1 + len(engine.leases | engine.owed.keys()))
    likely = min(1.0, EXPECTED * book.habits.rate(model, now))
    prompts = min(SWAP, load) if engine.served else 0.0
    return (load + prompts) * (likely + 1.0 / (1.0 + max(0.0, now - engine.idle_since)))


def victims(short: Cost, engines: Sequence[Engine], prices: Sequence[float]) -> list[Engine] | None:
    """The cheapest set that gives back at least ``short``; no member could stay. None if no set does.

    Exact up to EXACT engines; beyond, cheapest first, then whoever was not needed is spared.
    """
    order = sorted(range(len(engines)), key=lambda i: prices[i])
    useful = [i for i in order if any(name in engines[i].cost for name in short)]
    gives = {i: engines[i].cost for i in useful}
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
