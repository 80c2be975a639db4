"""The shortcut of a quiet house decides what ``settle`` would: the same days are lived with and without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from random import Random

import pytest

from swapd.core import events as fact
from swapd.core.book import Book
from swapd.core.commands import Command
from swapd.core.events import Event
from swapd.core.moves import Moves
from swapd.core.need import Need, Source
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog
from tests.core import test_walks as walks
from tests.core.play import Play, catalog, line, model
from tests.core.world import World

STEPS = 400


class Plodding(Scheduler):
    """Never takes the shortcut."""

    def _spared(self, event: Event, m: Moves) -> bool:
        return False


class Twins(Scheduler):
    """One house twice: raises where the quick one differs from the plodding one in anything that can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.other = Plodding()
        self.spared = 0

    def handle(self, event: Event, now: float) -> list[Command]:
        if isinstance(event, fact.Ticked) and self.idle(now):
            return []
        orders = super().handle(event, now)
        expected = self.other.handle(event, now)
        assert list(map(line, orders)) == list(map(line, expected))
        assert orders == expected
        self.agree(now)
        return orders

    def deadline(self) -> float | None:
        """Asked of the other: to look ahead anew would mend a moment that the shortcut forgot to remember."""
        return self.other.deadline()

    def idle(self, now: float) -> bool:
        """Whether the world only asks once more: to settle now would hide what the shortcut left undone."""
        due = self.other.deadline()
        return due is None or now < due

    def _spared(self, event: Event, m: Moves) -> bool:
        spared = super()._spared(event, m)
        self.spared += spared
        return spared

    def agree(self, now: float) -> None:
        mine, theirs = seen(self.book), seen(self.other.book)
        for name, value in theirs.items():
            assert mine[name] == value, name
        assert self.view(now) == self.other.view(now)
        due = self.due()
        deadline = self.other.deadline()
        assert due <= (float("inf") if deadline is None else deadline)
        assert due > now


def seen(book: Book) -> dict[str, object]:
    """All that is in it, but caches of what can be reckoned anew, and lanes."""
    caches = {"queue", "placed", "never"}
    found = {each.name: getattr(book, each.name) for each in fields(book) if each.name not in caches}
    queue = book.queue
    return found | {"waiting": [queue.of(name) for name in queue.models()], "gave up": queue._gave_up}


def live(house: Callable[[], Catalog], temper: str, seed: int) -> Twins:
    twins = Twins()
    rng = Random(f"{seed} {temper} {house.__name__} twins")
    memory = walks.box(seed % 2 == 0) if house is walks.memory else None
    world = World(rng, house(), walks.TEMPERS[temper], box=memory, scheduler=twins)
    for _ in range(STEPS):
        if not world.step():
            break
    return twins


def roomy() -> Catalog:
    """A house that is quiet most of the time: all fit; some are gone as soon as they are idle."""
    models = [
        model("a", concurrency=3, ttl=0.0),
        model("b", concurrency=2, ttl=6.0),
        model("c", pinned=True, ttl=3.0),
        model("d", cost={"engines": 3}, ttl=None),
    ]
    return catalog(*models, budget={"engines": 6}, aliases={"alias": "b"}, patience=walks.PATIENCE, queue=3)


@pytest.mark.parametrize("temper", walks.TEMPERS)
@pytest.mark.parametrize("house", [*walks.HOUSES, roomy])
def test_a_day_with_the_shortcut_is_a_day_without_it(house: Callable[[], Catalog], temper: str) -> None:
    for seed in range(walks.SEED, walks.SEED + max(1, walks.WALKS // 4)):
        live(house, temper, seed)


def test_the_shortcut_is_taken_while_nobody_waits_and_never_while_somebody_does() -> None:
    play = Play(model("a", concurrency=2), "b").up("a")
    play.scheduler.deadline()
    calls = []
    play.scheduler._note = lambda event, m: calls.append(event)  # type: ignore[method-assign]
    assert play.scheduler.handle(fact.Asked(fact.Ticket(1), "a"), play.now) and not calls
    assert play.scheduler.handle(fact.Left(fact.Ticket(1)), play.now) == [] and not calls
    play.scheduler.handle(fact.Asked(fact.Ticket(2), "b"), play.now)
    assert len(calls) == 1


def test_a_model_whose_file_broke_while_it_is_up_is_refused_all_the_same() -> None:
    play = Play("a", budget={"engines": 1, "ram": 9}).weighs("a", {"ram": 4}).up("a")
    need = Need((), Source.UNKNOWN, "it is cut short", broken=True)
    play.hears(fact.Weighed("a", play.catalog.models["a"].launch, need))
    play.asks("a", 1).orders("refuse 1: START_FAILED")
