"""Estimates of when: for people, from what was seen; never negative, and silent where nothing is known."""

from __future__ import annotations

from random import Random

import pytest

from swapd.core.forecast import STOP, Outlook
from swapd.core.verdict import Stand
from tests.core.play import Play, catalog, model
from tests.core.world import Temper, World


def look(play: Play, name: str) -> Outlook:
    return play.forgets().scheduler.view(play.now).outlook(name)


def etas(play: Play, name: str) -> list[float | None]:
    return [waiter.eta for waiter in look(play, name).queue]


def seen(play: Play, name: str, load: float) -> Play:
    """A load of the model was seen once."""
    return play.up(name, load=load).unloads(name).exits(f"{name}#1").forgets()


def test_before_a_load_was_seen_nobody_says_when() -> None:
    play = Play("a").asks("a", 1)
    assert (etas(play, "a"), look(play, "a").ready) == ([None], None)


def test_a_load_that_is_under_way_takes_what_is_left_of_the_last_one() -> None:
    play = seen(Play(model("a", concurrency=2)), "a", 8).asks("a", 1, 2, 3, 4, 5).after(3)
    service = play.scheduler.book.recall("a").service
    assert look(play, "a").ready == 5
    assert etas(play, "a") == pytest.approx([5, 5, 5 + service, 5 + service, 5 + 2 * service])
    assert [waiter.place for waiter in look(play, "a").queue] == [1, 2, 3, 4, 5]


def test_a_load_that_outlasts_the_last_one_is_not_promised_to_end_now() -> None:
    play = seen(Play("a"), "a", 2.1).asks("a", 1).after(2)
    assert (look(play, "a").ready, look(play, "a").late) == (pytest.approx(0.1), False)
    play.after(10)
    assert (look(play, "a").ready, etas(play, "a"), look(play, "a").late) == (None, [None], True)


def test_a_drain_that_outlasts_what_requests_last_leaves_the_next_without_an_estimate() -> None:
    play = seen(Play("a", "b"), "b", 6).up("a").asks("a", 1).asks("b", 2).after(30).ticks().forgets()
    assert look(play, "b").ready is not None
    found = look(play.after(18), "b")
    assert (found.ready, [waiter.eta for waiter in found.queue]) == (None, [None])
    assert [(o.model, o.goes, o.most) for o in found.obstacles] == [("a", None, pytest.approx(12))]


def test_places_are_the_turns_and_not_the_order_of_arrival() -> None:
    play = Play("a").up("a").asks("a", 1, 2, 3, client="x").asks("a", 4, client="y")
    assert [(waiter.ticket, waiter.client) for waiter in look(play, "a").queue] == [(2, "x"), (4, "y"), (3, "x")]


def test_who_waits_for_a_slot_waits_for_the_request_that_is_likely_to_end_first() -> None:
    play = Play(model("a", concurrency=2)).up("a", load=1).asks("a", 1).after(0.5).asks("a", 2, 3, 4)
    service = play.scheduler.book.recall("a").service
    assert etas(play, "a") == pytest.approx([service - 0.5, service])


def test_a_request_that_outlasts_all_others_is_not_promised_to_end_now() -> None:
    play = Play("a").up("a").asks("a", 1, 2).after(500).ticks()
    assert etas(play, "a")[0] > 0


def test_a_victim_on_its_way_out_and_then_the_load() -> None:
    play = seen(Play("a", "b"), "b", 6).up("a").after(10).asks("b", 1).forgets()
    found = look(play, "b")
    assert found.verdict is not None and found.verdict.stand is Stand.ROOM_COMING
    assert [(o.model, o.state.value, o.goes) for o in found.obstacles] == [("a", "stopping", STOP)]
    assert (found.ready, etas(play, "b")) == (STOP + 6, [STOP + 6])
    assert look(play.after(5), "b").ready == 6


def test_a_busy_engine_is_in_the_way_until_patience_is_over() -> None:
    play = seen(Play("a", "b"), "b", 6).up("a").asks("a", 1).asks("b", 2).after(10).ticks().forgets()
    found = look(play, "b")
    assert found.verdict is not None and found.verdict.stand is Stand.OTHERS_BUSY
    assert found.patience is not None and 0 < found.patience <= 20
    assert found.ready == pytest.approx(found.patience + 6)
    assert [(o.model, o.leases) for o in found.obstacles] == [("a", 1)]


def test_an_idle_engine_that_is_kept_for_its_client_says_for_how_long() -> None:
    play = seen(Play("a", "b"), "b", 6)
    for ticket in range(1, 9):  # one who asks for nothing but this model
        play.asks("a", ticket, client="x").after(1)
        if ticket == 1:
            play.ready("a#1")
        play.leaves(ticket).after(0.5)
    play.asks("b", 99, client="y")
    found = look(play, "b")
    assert found.verdict is not None and found.verdict.stand is Stand.OTHERS_LINGER
    (obstacle,) = found.obstacles
    due = play.due()
    assert due is not None
    assert obstacle.goes == pytest.approx(due - play.now, abs=0.02)


def test_an_engine_held_for_another_tells_those_who_cannot_be_served_first_nothing() -> None:
    play = seen(Play("a", "b", "c", budget=1), "b", 6)
    play.asks("a", 1).asks("b", 2).after(40).ready("a#1").asks("a", 3, client="z").forgets()
    found = look(play, "a")
    assert found.yields_to == "b"
    assert [waiter.eta for waiter in found.queue] == [None]


def test_those_who_come_first_are_reckoned_in() -> None:
    play = seen(seen(Play("a", "b", "c"), "b", 6), "c", 4).up("a").asks("a", 1)
    play.asks("b", 2).after(1).asks("c", 3).forgets()
    first, second = sorted(look(play, name).ready for name in "bc")
    assert second > first + 4


def test_a_resting_model_is_tried_again_after_its_rest() -> None:
    play = seen(Play("a"), "a", 3).up("a", load=3).asks("a", 1).exits("a#2").forgets().asks("a", 2)
    found = look(play, "a")
    assert found.verdict is not None and found.verdict.stand is Stand.RESTING
    assert found.ready == pytest.approx(1 + 3)


def test_a_model_that_nobody_wants_waits_for_nothing() -> None:
    found = look(Play("a"), "a")
    assert (found.verdict, found.queue, found.patience, found.obstacles) == (None, (), None, ())


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_waiter_has_a_place_and_no_estimate_is_negative(seed: int) -> None:
    rng = Random(seed)
    models = [model(name, concurrency=rng.randint(1, 2)) for name in "abcd"]
    temper = Temper(fails=0.1, crashes=0.1, deaf=0.2, gives_up=0.2, meddles=0.02, pace=1.0)
    world = World(rng, catalog(*models, budget={"engines": 2}, patience=10.0), temper)
    told = 0
    for _ in range(300):
        if not world.step():
            break
        view = world.scheduler.view(world.now)
        for name, shown in view.models.items():
            found = view.outlook(name)
            assert [waiter.place for waiter in found.queue] == list(range(1, shown.waiting + 1))
            assert all(waiter.eta is None or waiter.eta >= 0 for waiter in found.queue)
            assert all(obstacle.goes is None or obstacle.goes >= 0 for obstacle in found.obstacles)
            up = shown.state in ("starting", "ready")
            assert (found.verdict is not None) == ((shown.waiting > 0 or shown.wish is not None) and not up)
            told += len(found.queue)
    assert told > 0
