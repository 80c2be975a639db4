"""Engines that outlived their daemon: found alive, they are taken over, or stopped as anybody else would be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swapd.core import explain
from swapd.core.need import Way
from swapd.core.refusal import Exit
from swapd.core.spec import Spec
from tests.core.play import Play, left, model

ADOPT = "adopt a#7: found alive"
SILENT = "found alive, it has not answered within 15 s"


def reborn(*models: Spec | str, **more: Any) -> Play:
    """A daemon that begins, and finds a#7 as an earlier one left it."""
    return Play(*(models or ("a",)), **{"found": (left("a#7"),)} | more)


# -- taken over --------------------------------------------------------------------------------------------


def test_an_engine_found_alive_is_taken_over_and_serves_without_a_load() -> None:
    play = reborn().asks("a", 1).orders(ADOPT)
    play.after(0.02).ready("a#7").orders("grant 1 on a#7")
    assert play.grants[1].queued == play.grants[1].loaded == 0.02
    play.leaves(1).sleeps().orders("terminate a#7: idle past its ttl")


def test_nobody_else_gets_its_room_until_it_is_gone() -> None:
    play = reborn("a", "b").ready("a#7").asks("b", 1).orders(ADOPT, "terminate a#7: makes room for b")
    play.exits("a#7").orders("spawn b#1: asked for (1 waiting)")


def test_runs_are_counted_on_from_there() -> None:
    play = reborn().ready("a#7").exits("a#7").sleeps().asks("a", 1)
    play.orders(ADOPT, "spawn a#8: asked for (1 waiting)")


@pytest.mark.parametrize("stay", [{"pinned": True}, {"preload": True}])
def test_what_is_to_be_up_from_the_start_and_was_found_needs_no_load(stay: dict[str, bool]) -> None:
    play = reborn(model("a", **stay)).ready("a#7").orders(ADOPT)
    assert play.state("a") == "ready"
    assert not play.scheduler.book.wishes


def test_a_pinned_model_that_was_not_found_makes_one_go_that_was() -> None:
    play = reborn("a", model("p", pinned=True)).orders(ADOPT, "terminate a#7: makes room for p")
    play.exits("a#7").orders("spawn p#1: pinned")


def test_a_preload_that_was_not_found_does_not() -> None:
    play = reborn("a", model("p", preload=True)).ready("a#7").orders(ADOPT)
    assert play.state("p") == "cold"


def test_the_terms_of_today_hold_for_it() -> None:
    play = reborn(model("a", concurrency=2, ttl=9.0)).ready("a#7").asks("a", 1, 2, 3)
    play.orders(ADOPT, "grant 1 on a#7", "grant 2 on a#7")
    play.leaves(1, 2, 3).orders("grant 3 on a#7")
    play.sleeps().orders("terminate a#7: idle past its ttl")
    assert play.now == 9.0


def test_what_it_takes_is_what_was_reckoned_for_it_until_more_is_known() -> None:
    found = replace(left("a#7"), way=Way({"CUDA1": 5}, ("CUDA1",)))
    play = reborn(model("a", cost={}), found=(found,), budget={"CUDA0": 9, "CUDA1": 9}).orders(ADOPT)
    assert play.scheduler.book.free() == {"CUDA0": 9, "CUDA1": 4}
    play.weighs("a", Way({"CUDA0": 6}, ("CUDA0",)), Way({"CUDA1": 6}, ("CUDA1",)))
    assert play.scheduler.book.free() == {"CUDA0": 9, "CUDA1": 3}


def test_the_moment_it_took_to_answer_is_no_load_and_what_is_remembered_of_its_loads_still_counts() -> None:
    play = reborn(model("a", cost={}), budget={"ram": 9}, found=(left("a#7", cost={"ram": 2}),))
    play.after(0.02).ready("a#7").orders(ADOPT)
    assert not play.scheduler.book.recall("a").measured
    play.weighs("a", {"ram": 3}, load=40.0)
    assert (play.scheduler.book.recall("a").measured, play.scheduler.book.recall("a").load) == (True, 40.0)


# -- not as the config wants it ----------------------------------------------------------------------------


def test_one_launched_otherwise_is_stopped_in_its_own_way_and_who_asks_gets_the_new_one() -> None:
    play = reborn(model("a", grace=99.0), found=(left("a#7", argv="old", stop="docker stop a", grace=4.0),))
    play.asks("a", 1).orders(ADOPT, "terminate a#7: its launch changed")
    play.sleeps().orders("kill a#7")
    assert play.now == 4.0
    play.exits("a#7").orders("spawn a#8: asked for (1 waiting)")


def test_the_engine_of_a_model_that_is_gone_is_stopped() -> None:
    play = reborn("b", found=(left("a#7", stop="docker stop a"),)).orders(
        ADOPT, "terminate a#7: removed from the config"
    )
    assert [engine.run.model for engine in play.scheduler.view(0.0).leftovers] == ["a"]
    play.asks("b", 1).silence()
    play.exits("a#7").orders("spawn b#1: asked for (1 waiting)")


def test_where_more_live_than_the_budget_has_room_for_some_go() -> None:
    play = Play("a", "b", "c", budget=2, found=(left("a#1"), left("b#4"), left("c#2"))).orders(
        "adopt a#1: found alive",
        "adopt b#4: found alive",
        "adopt c#2: found alive",
        "terminate a#1: the budget was made smaller",
    )
    play.ready("b#4").ready("c#2").silence()


def test_but_never_a_pinned_one_if_another_is_enough() -> None:
    play = reborn(model("a", pinned=True), "b", found=(left("a#7"), left("b#2")))
    play.orders(ADOPT, "adopt b#2: found alive", "terminate b#2: the budget was made smaller")


# -- it does not answer ------------------------------------------------------------------------------------


def test_one_that_does_not_answer_in_time_is_stopped_and_who_waits_gets_its_successor() -> None:
    play = reborn().asks("a", 1).orders(ADOPT)
    play.sleeps().orders(f"terminate a#7: unusable ({SILENT})")
    assert play.now == 15.0
    play.exits("a#7", Exit(signal="SIGKILL")).silence()
    assert str(play.scheduler.book.recall("a").last.exit) == SILENT  # type: ignore[union-attr]
    play.sleeps().orders("spawn a#8: asked for (1 waiting)")


def test_one_that_died_before_it_could_be_taken_over_is_a_crash_like_any_other() -> None:
    play = reborn().asks("a", 1).exits("a#7").orders(ADOPT)
    assert play.state("a") == "backoff"
    play.sleeps().orders("spawn a#8: asked for (1 waiting)")


def test_one_that_turns_out_to_be_of_no_use_is_stopped_and_who_waits_hears_why() -> None:
    play = reborn().asks("a", 1).sick("a#7", "another process answers on its port")
    play.orders(ADOPT, "refuse 1: ENGINE_DIED", "terminate a#7: unusable (another process answers on its port)")
    play.exits("a#7")
    assert play.state("a") == "backoff"


def test_one_that_was_still_loading_has_the_time_that_a_start_has() -> None:
    play = reborn(model("a", start=60.0), found=(left("a#7", ready=False),)).asks("a", 1).orders(ADOPT)
    play.sleeps().sleeps().orders("refuse 1: START_TIMEOUT", "terminate a#7: start overdue")
    assert play.now == 60.0


def test_and_if_it_fails_who_waits_hears_of_a_start_that_failed() -> None:
    play = reborn(found=(left("a#7", ready=False),)).asks("a", 1).exits("a#7")
    play.orders(ADOPT, "refuse 1: START_FAILED")


def test_a_daemon_that_is_told_to_go_at_once_takes_them_along() -> None:
    play = reborn().closes().orders(ADOPT, "terminate a#7: shutdown").exits("a#7")
    assert play.scheduler.view(play.now).quiet


# -- told --------------------------------------------------------------------------------------------------


def test_that_it_is_taken_over_is_explained_and_that_it_will_be_there_at_once() -> None:
    play = reborn().asks("a", 1).after(0.1).orders(ADOPT)
    found = explain.of(play.scheduler.view(play.now), "a")
    assert explain.words(found) == "was found alive, and is taken over: 0.1 s so far"
    assert [waiter.eta for waiter in found.outlook.queue] == [0.0]
