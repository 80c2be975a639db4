"""The pure questions, each alone; the sets of victims against brute force."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from swapd.core import eviction, placement, policy
from swapd.core.book import Book, Engine, History, Phase, Wish
from swapd.core.engine import RunId, State
from swapd.core.events import Ticket
from swapd.core.need import Way
from swapd.core.queue import Waiting
from tests.core.play import catalog, model


def engine(name: str, state: State = State.READY, **cost: int) -> Engine:
    return Engine(RunId(name, 1), model(name), Phase(state, 0.0), way=Way(cost or {"engines": 1}))


def names(engines: list[Engine] | None) -> list[str] | None:
    return None if engines is None else [e.run.model for e in engines]


# -- victims ---------------------------------------------------------------------------------------------


def draw(rng: Random, count: int) -> tuple[dict[str, int], list[Engine], list[float]]:
    kinds = ["x", "y", "z"][: rng.randint(1, 3)]
    engines = [engine(f"m{i}", **{kind: rng.randint(0, 4) for kind in kinds}) for i in range(count)]
    prices = [rng.choice([rng.random() * 9 + 0.01, 1e6 + rng.random()]) for _ in engines]
    return {kind: rng.randint(1, 8) for kind in kinds}, engines, prices


def enough(short: dict[str, int], chosen: list[Engine]) -> bool:
    return all(sum(e.cost.get(kind, 0) for e in chosen) >= amount for kind, amount in short.items())


@pytest.mark.parametrize("seed", range(60))
def test_up_to_ten_engines_the_cheapest_set_of_all_is_found(seed: int) -> None:
    rng = Random(seed)
    short, engines, prices = draw(rng, rng.randint(0, 8))
    price = dict(zip((e.run.model for e in engines), prices, strict=True))
    sets = [
        list(s)
        for size in range(1, len(engines) + 1)
        for s in combinations(engines, size)
        if enough(short, list(s))
    ]
    chosen = eviction.victims(short, engines, prices)
    assert (chosen is None) == (not sets)
    if chosen is not None:
        best = min(sum(price[e.run.model] for e in s) for s in sets)
        assert enough(short, chosen)
        assert sum(price[e.run.model] for e in chosen) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_their_number_they_suffice_and_none_of_them_could_stay(seed: int) -> None:
    rng = Random(seed)
    short, engines, prices = draw(rng, rng.randint(5, 25))
    chosen = eviction.victims(short, engines, prices)
    assert (chosen is None) == (not enough(short, engines))
    for one in chosen or []:
        assert not enough(short, [e for e in chosen or [] if e is not one])
    assert chosen is None or enough(short, chosen)


def test_who_has_nothing_of_what_lacks_is_no_victim() -> None:
    assert eviction.victims({"x": 1}, [engine("a", y=5)], [1.0]) is None
    assert names(eviction.victims({"x": 1}, [engine("a", y=5), engine("b", x=1)], [1.0, 9.0])) == ["b"]


# -- the price -------------------------------------------------------------------------------------------


def test_the_longer_idle_and_the_quicker_to_load_the_cheaper() -> None:
    book = Book(history={"quick": History(load=2.0), "slow": History(load=50.0)})
    quick, slow = engine("quick"), engine("slow")
    assert eviction.price(book, quick, 10.0) < eviction.price(book, slow, 10.0)
    assert eviction.price(book, slow, 1000.0) < eviction.price(book, quick, 10.0)


def test_a_busy_engine_or_one_that_is_waited_for_is_dearer_than_all_idle_ones_together() -> None:
    book = Book(history={"idle": History(load=900.0)})
    busy, asked = engine("busy"), engine("asked")
    busy.leases.add(Ticket(1))
    book.queue.add(Waiting(Ticket(2), "asked", "", 0.0))
    idle = eviction.price(book, engine("idle"), 0.0)
    assert eviction.price(book, busy, 0.0) > 500 * idle
    assert eviction.price(book, asked, 0.0) > 500 * idle


def test_a_grant_to_one_of_its_quantum_does_not_change_the_price_and_any_other_raises_it() -> None:
    book, one = Book(), engine("a")
    one.owed = {Ticket(1): None, Ticket(2): None}
    one.leases = {Ticket(1)}
    before = eviction.price(book, one, 9.0)
    one.leases.add(Ticket(2))
    assert eviction.price(book, one, 9.0) == before
    one.leases.add(Ticket(3))
    assert eviction.price(book, one, 9.0) > before


# -- room ------------------------------------------------------------------------------------------------


def test_what_fits_and_what_lacks() -> None:
    assert placement.fits({"x": 2, "unbounded": 99}, {"x": 2})
    assert not placement.fits({"x": 3}, {"x": 2})
    assert placement.lacking({"x": 3, "y": 1, "z": 9}, {"x": -1, "y": 1}) == {"x": 4}
    assert placement.fits({"x": 0}, {"x": -1})


@pytest.mark.parametrize(
    ("cost", "says"), [(4, None), (5, "has 5 and pinned p, q keep 1"), (6, "needs 6 of x, the budget has 5;")]
)
def test_what_never_fits_says_why(cost: int, says: str | None) -> None:
    models = [
        model("p", cost={"x": 1}, pinned=True),
        model("q", cost={"y": 1}, pinned=True),
        model("a", cost={"x": cost}),
    ]
    house = Book(catalog=catalog(*models, budget={"x": 5}), pins=("p", "q"))
    why = placement.never_fits(house, house.catalog.models["a"])
    assert (why is None) == (says is None)
    assert says is None or says in str(why)


def test_a_pinned_model_does_not_count_against_itself() -> None:
    house = Book(catalog=catalog(model("p", cost={"x": 5}, pinned=True), budget={"x": 5}), pins=("p",))
    assert placement.never_fits(house, house.catalog.models["p"]) is None


# -- time ------------------------------------------------------------------------------------------------


def test_rests_double_up_to_a_minute_and_jitter_adds_up_to_a_quarter() -> None:
    assert [policy.backoff(n, 0.0) for n in range(1, 10)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert policy.backoff(3, 1.0) == 5.0
    assert policy.backoff(1000, 0.5) == 67.5


def test_a_head_start_is_the_last_load_or_a_quarter_of_patience_and_nothing_before_one_was_seen() -> None:
    seen, slow = History(load=3.0, measured=True), History(load=90.0, measured=True)
    book = Book(catalog=catalog("a", budget={}, patience=20.0), history={"a": seen, "slow": slow})
    assert [policy.head_start(book, name) for name in ("a", "slow", "unseen")] == [3.0, 5.0, 0.0]


# -- turns and ranks -------------------------------------------------------------------------------------


def crowd(*places: tuple[int, str, float]) -> Book:
    book = Book(catalog=catalog("a", budget={}, patience=10.0))
    for ticket, client, since in places:
        book.queue.add(Waiting(Ticket(ticket), "a", client, since))
    return book


def test_turns_are_by_arrival_but_for_lane_heads_out_of_patience() -> None:
    book = crowd((1, "x", 0.0), (2, "x", 1.0), (3, "y", 2.0), (4, "z", 3.0))
    book.queue.pop(Ticket(1), granted_at=5.0)
    turns = [w.ticket for w in policy.turns(book, engine("a"), None, 12.5)]
    assert turns == [3, 2, 4]


def test_turns_of_a_held_engine_are_the_quantums_and_of_those_who_were_out_of_patience_by_then() -> None:
    book = crowd((1, "x", 0.0), (2, "y", 2.0), (3, "z", 3.0), (4, "z", 3.5))
    held = engine("a")
    held.owed = {Ticket(4): None}
    assert [w.ticket for w in policy.turns(book, held, policy.Hold("b", 12.0), 50.0)] == [1, 2, 4]


def test_a_second_ticket_of_a_client_counts_as_if_the_first_were_served() -> None:
    book = crowd((1, "x", 0.0), (2, "x", 0.1), (3, "x", 0.2), (4, "y", 0.3), (5, "y", 0.4))
    book.history["a"], book.shares.used = History(service=2.0), {"x": 1.0, "y": 2.5}
    assert [w.ticket for w in policy.order(book, "a", 5.0)] == [1, 4, 2, 5, 3]  # 1, 2.5, 3, 4.5, 5


def test_wishes_come_after_callers_out_of_patience_and_preloads_after_all() -> None:
    house = catalog("a", "b", "c", model("pre", priority=9), budget={}, patience=10.0)
    book = Book(catalog=house, wishes={"pre": (Wish.PRELOAD, 0.0), "c": (Wish.LOAD, 5.0)})
    book.queue.add(Waiting(Ticket(1), "a", "", 6.0))
    book.queue.add(Waiting(Ticket(2), "b", "", 1.0))
    (late,), rest = policy.impatient(book, 12.0), list(policy.patient(book, 12.0))
    assert (late.spec.name, late.overdue, late.may_evict) == ("b", 11.0, True)
    assert [(c.spec.name, c.may_evict) for c in rest] == [("c", True), ("a", True), ("pre", False)]
    assert [c.spec.name for c in policy.impatient(book, 15.5)] == ["b", "c"]
