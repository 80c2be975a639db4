"""Which model of a pool is tried first."""

from __future__ import annotations

import pytest

from swapd.core.pools import choose
from swapd.core.spec import Pool
from tests.core.play import Play, model


def house(**more: int) -> Play:
    """Room for three models of two slots each, all cold."""
    return Play(*(model(name, concurrency=2) for name in "abc"), budget=3, **more)


def order(play: Play, how: str, names: str = "abc") -> str:
    return "".join(choose(play.forgets().scheduler.view(play.now), Pool("p", tuple(names), how)))


def test_warm_takes_what_is_ready_then_what_is_starting_then_the_first():
    play = house()
    assert order(play, "warm") == "abc"
    play.asks("c", 1)
    assert order(play, "warm") == "cab"
    play.asks("b", 2).ready("b#1")
    assert order(play, "warm") == "bca"
    play.ready("c#1")
    assert order(play, "warm") == "bca"
    play.asks("b", 3)
    assert order(play, "warm") == "cba", "b is full, c has a slot"
    play.asks("c", 4, 5)
    assert order(play, "warm") == "bca", "all are full: the first of those that are ready"


def test_a_model_that_waits_for_its_room_is_about_to_start():
    play = Play("a", "b", "c", budget=1).asks("a", 1).ready("a#1").asks("c", 2)
    assert order(play, "warm", "bc") == "cb"


@pytest.mark.parametrize("how", ["warm", "first", "spread"])
def test_a_model_that_rests_after_a_failure_comes_last(how):
    play = house().asks("a", 1).exits("a#1")
    assert play.scheduler.view(play.now).models["a"].state == "backoff"
    assert order(play, how) == "bca"


@pytest.mark.parametrize("how", ["warm", "first", "spread"])
def test_a_model_that_never_fits_comes_last(how):
    play = Play(model("a", cost={"engines": 9}), "b", budget=1)
    assert order(play, how, "ab") == "ba"


def test_first_takes_them_as_they_are_named_whatever_they_do():
    play = house().asks("b", 1).ready("b#1")
    assert order(play, "first", "cba") == "cba"


def test_spread_fills_slots_where_most_are_free_before_another_is_started():
    play = house().asks("b", 1)
    assert order(play, "spread") == "bac", "b starts, and has a slot to spare"
    play.ready("b#1").asks("c", 2).ready("c#1").leaves(2)
    assert order(play, "spread") == "cba"
    play.asks("c", 3, 4)
    assert order(play, "spread") == "bac"
    play.asks("b", 5)
    assert order(play, "spread") == "abc", "both are full: one that is down"


def test_spread_takes_the_shortest_queue_for_its_slots_when_all_are_full():
    play = Play(model("a", concurrency=4), model("b", concurrency=1), budget=2).asks("a", 1).asks("b", 2)
    play.ready("a#1").ready("b#1").asks("a", 3, 4, 5, 6).asks("b", 7)
    assert order(play, "spread", "ba") == "ab", "1 waits for 4 slots, and 1 for 1"


def test_a_member_that_is_gone_from_the_config_is_none():
    assert order(house(), "warm", "xb") == "b"
