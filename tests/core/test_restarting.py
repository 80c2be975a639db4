"""Who comes back by itself after a crash, and who does not: ``restart``, and what it never does."""

from __future__ import annotations

from typing import Any

import pytest

from swapd.core import explain
from swapd.core.book import Wish
from swapd.core.spec import Restart
from tests.core.play import Play, model

BACK = "spawn a#{}: to come back after a failure"
NEVER = "its engine failed, 3 s ago; it stays down until the operator loads it (restart: never)"


def up(restart: Restart = Restart.AUTO, *others: Any, **terms: Any) -> Play:
    """a is up, nobody has it."""
    play = Play(model("a", restart=restart, **terms), *others)
    if play.state("a") == "cold":
        return play.up("a")
    return play.after(5).ready("a#1").forgets()


@pytest.mark.parametrize(
    ("restart", "stay"),
    [(Restart.AUTO, {"preload": True}), (Restart.ALWAYS, {}), (Restart.ALWAYS, {"preload": True})],
)
def test_it_comes_back_after_its_rest_though_nobody_asks(restart: Restart, stay: dict[str, bool]) -> None:
    play = up(restart, **stay).exits("a#1").silence()
    assert play.state("a") == "backoff"
    play.sleeps().orders(BACK.format(2))
    play.ready("a#2").silence()
    assert (play.state("a"), play.due()) == ("ready", play.now + 600)


def test_one_that_is_neither_pinned_nor_preloaded_waits_for_the_next_request() -> None:
    play = up().exits("a#1").sleeps().silence()
    assert (play.state("a"), play.due()) == ("cold", None)
    play.asks("a", 1).orders("spawn a#2: asked for (1 waiting)")


def test_a_hang_is_a_crash_too() -> None:
    play = up(preload=True).sick("a#1").exits("a#1").sleeps()
    play.orders("terminate a#1: unusable (hangs)", BACK.format(2))


def test_a_start_that_fails_is_tried_again_with_ever_longer_rests_and_after_five_only_now_and_then() -> None:
    play, rests = Play(model("a", preload=True)).orders("spawn a#1: to be preloaded"), []
    for n in range(1, 8):
        play.exits(f"a#{n}").silence()
        rests.append((play.due() or 0.0) - play.now)
        play.sleeps().orders(BACK.format(n + 1))
    assert rests == [1.0, 2.0, 4.0, 8.0, 300.0, 300.0, 300.0]


def test_having_stayed_healthy_it_begins_anew() -> None:
    play = up(preload=True).exits("a#1").sleeps().ready("a#2").exits("a#2").orders(BACK.format(2))
    assert play.due() == play.now + 2.0
    play.sleeps().ready("a#3").after(60).exits("a#3").orders(BACK.format(3))
    assert play.due() == play.now + 1.0


def test_it_makes_nobody_go_and_does_not_wait_for_room_either() -> None:
    play = up(Restart.AUTO, "b", preload=True).exits("a#1").asks("b", 1).orders("spawn b#1: asked for (1 waiting)")
    play.ready("b#1").sleeps().orders("grant 1 on b#1")
    assert (play.state("a"), play.state("b")) == ("cold", "ready")
    assert not play.scheduler.book.wishes


@pytest.mark.parametrize("restart", [Restart.AUTO, Restart.ALWAYS])
def test_an_unload_a_ttl_and_an_eviction_are_no_crash(restart: Restart) -> None:
    for deed, why in (("unloads", "unload by the operator"), ("sleeps", "idle past its ttl")):
        play = up(restart, preload=True)
        getattr(play, deed)(*["a"] if deed == "unloads" else []).exits("a#1").orders(f"terminate a#1: {why}")
        assert (play.state("a"), play.due()) == ("cold", None)
    play = up(restart, "b", preload=True).after(30).asks("b", 1).orders("terminate a#1: makes room for b")
    play.exits("a#1").leaves(1).orders("spawn b#1: asked for (1 waiting)")
    assert not play.scheduler.book.wishes


def test_who_is_unloaded_while_it_ends_or_rests_after_a_crash_stays_down() -> None:
    play = up(Restart.ALWAYS).sick("a#1").unloads("a").exits("a#1").orders("terminate a#1: unusable (hangs)")
    play.sleeps().silence()
    assert (play.state("a"), play.due()) == ("cold", None)
    play = up(Restart.ALWAYS).exits("a#1").unloads("a").silence()
    assert (play.state("a"), play.due()) == ("cold", None)


def test_who_is_removed_or_the_daemon_told_to_go_brings_nothing_back() -> None:
    play = up(Restart.ALWAYS, "b").exits("a#1").edits(without=("a",)).silence()
    assert play.due() is None
    play = up(Restart.ALWAYS).exits("a#1").after(1).closes().silence()
    assert (play.due(), play.scheduler.book.wishes) == (None, {})


def test_an_edit_of_one_that_rests_brings_it_back_at_once() -> None:
    play = up(Restart.ALWAYS).exits("a#1").edits(model("a", argv="mended", restart=Restart.ALWAYS))
    play.orders(BACK.format(2))


# -- never -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stay", [{}, {"preload": True}, {"pinned": True}])
def test_never_means_that_not_even_a_request_brings_it_back(stay: dict[str, bool]) -> None:
    play = up(Restart.NEVER, **stay).exits("a#1").silence()
    assert (play.state("a"), play.due()) == ("failed", None)
    play.after(3).asks("a", 1).orders("refuse 1: UNAVAILABLE")
    assert (play.refusals[1].detail, play.refusals[1].retry_after) == (NEVER, 60.0)
    play.loads("a").orders("spawn a#2: load by the operator")


def test_an_edit_of_the_launch_or_of_restart_itself_ends_it() -> None:
    play = up(Restart.NEVER).exits("a#1").edits(model("a", ttl=3.0, restart=Restart.NEVER))
    assert play.state("a") == "failed"
    play.edits(model("a", argv="mended", restart=Restart.NEVER)).silence()
    assert play.state("a") == "cold"
    play = up(Restart.NEVER).exits("a#1").edits(model("a", restart=Restart.ALWAYS)).orders(BACK.format(2))


def test_an_edit_of_restart_is_no_reason_to_load_what_is_cold() -> None:
    play = up(preload=True).unloads("a").exits("a#1").orders("terminate a#1: unload by the operator")
    play.edits(model("a", preload=True, restart=Restart.ALWAYS)).silence()


def test_both_are_explained() -> None:
    play = up(Restart.NEVER).exits("a#1").after(3)
    found = explain.of(play.scheduler.view(play.now), "a")
    down = "failed once, 3.0 s ago: exited with code 1; it stays down (restart: never); `swapd load` tries at once"
    assert (explain.words(found), found.outlook.ready) == (down, None)
    play = Play(model("a", cost={}, preload=True), budget={"ram": 9}).weighs("a", {"ram": 4})
    play.exits("a#1").forgets()
    play.edits(model("a", argv="mended", cost={}, restart=Restart.ALWAYS))
    assert play.scheduler.view(play.now).models["a"].wish is Wish.RESTART
    found = explain.of(play.scheduler.view(play.now), "a")
    assert explain.asked_words(found) == "it is to be up: to come back after a failure"
