"""Who must go: which engines may be stopped, what losing each costs, and the cheapest set that makes room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    return engine.phase.state in _STAYING and not book.holds(engine.run.model)


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
    crowd = _crowd(book, engine.run.model, now)
    return crowd is None or _gain(book, engine, crowd, now)(now) > crowd.cost(now)


def lingers_until(book: Book, engine: Engine, now: float) -> float:
    """When ``lingers`` turns false if nothing happens; in the past if it has. To a hundredth of a second."""
    ends = engine.idle_since + book.catalog.rules.linger
    crowd = _crowd(book, engine.run.model, now)
    if now >= ends or crowd is None:
        return min(now, ends) if now >= ends else ends
    gain = _gain(book, engine, crowd, now)
    if gain(now) <= crowd.cost(now):
        return now
    early, late = now, ends
    while late - early > 0.01:
        middle = (early + late) / 2
        early, late = (middle, late) if gain(middle) > crowd.cost(middle) else (early, middle)
    return late


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Those who wait for other models than one."""

    count: int
    """Tickets and wishes."""
    asked: float
    """The sum of the moments at which they asked."""
    first: float
    patience: float
    quickest: float
    """Seconds: the shortest load among the models they wait for."""

    def cost(self, now: float) -> float:
        """What it costs a second to let them wait."""
        waited, longest = self.count * now - self.asked, now - self.first
        late = longest / self.patience
        return YOUNG * self.count + OLD * waited / self.patience + LATE * late * late


def _crowd(book: Book, model: str, now: float) -> _Crowd | None:
    """None if nobody waits for another model."""
    queue = book.queue
    lines = [(name, first.since, queue.count(name)) for name, first in queue.firsts() if name != model]
    wishes = [(name, since) for name, (_, since) in book.wishes.items() if name not in book.engines]
    if not lines and not wishes:
        return None
    count = sum(tickets for _, _, tickets in lines) + len(wishes)
    waited = sum(queue.waited(name, now) for name, _, _ in lines) + sum(now - since for _, since in wishes)
    first = min([since for _, since, _ in lines] + [since for _, since in wishes])
    quickest = min(
        book.recall(name).load for name in [*(name for name, _, _ in lines), *(name for name, _ in wishes)]
    )
    return _Crowd(count, count * now - waited, first, max(book.catalog.rules.patience, 1e-3), quickest)


def _gain(book: Book, engine: Engine, crowd: _Crowd, now: float) -> Callable[[float], float]:
    """What holding an idle engine gains a second, at any moment from now on."""
    expected = book.habits.expected(engine.run.model, now)
    swaps = (book.recall(engine.run.model).load + crowd.quickest) / 2 + SWAP
    return lambda at: swaps * sum(one.rate(at) for one in expected)


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
