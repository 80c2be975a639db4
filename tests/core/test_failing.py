"""Starts that fail, engines that die, news that comes late."""

from __future__ import annotations

import pytest

from swapd.core.refusal import Exit
from tests.core.play import Play, model

START = "spawn a#{}: asked for (1 waiting)"
CLEAN = Exit(code=0)


def failed(play: Play, times: int) -> Play:
    """Let the model fail to start so often, each time after its rest; orders are not looked at."""
    for n in range(1, times + 1):
        if n > 1:
            play.sleeps()
        play.asks("a", 500 + n).exits(f"a#{n}")
    return play.forgets()


# -- starts ----------------------------------------------------------------------------------------------


def test_a_failed_start_refuses_its_waiters_at_once_with_the_cause() -> None:
    play = Play("a")
    play.asks("a", 1, 2).orders(START.format(1))
    play.exits("a#1", Exit(code=3, log=("no such file",), hint="look at path"))
    play.orders("refuse 1: START_FAILED", "refuse 2: START_FAILED")
    said = "cannot start the engine of model 'a': exited with code 3\nHint: look at path\n"
    assert str(play.refusals[2]) == said + "Last lines of the engine:\nno such file"
    assert play.state("a") == "backoff"


def test_during_the_rest_nobody_waits_and_afterwards_who_asks_starts_it_again() -> None:
    play = failed(Play("a"), 1)
    play.after(0.25).asks("a", 1).orders("refuse 1: UNAVAILABLE")
    refusal = play.refusals[1]
    assert refusal.detail == "its engine failed, 0 s ago; next try in 1 s"
    assert (refusal.retry_after, refusal.exit) == (1.0, Exit(code=1, log=("out of memory",)))
    play.sleeps().silence()
    assert (play.now, play.state("a")) == (1.0, "cold")
    play.asks("a", 2).orders(START.format(2))


def test_the_rests_double_up_to_the_fifth_failure_in_a_row() -> None:
    play = Play("a")
    rests = []
    for n in range(1, 6):
        play.asks("a", n).exits(f"a#{n}").orders(START.format(n), f"refuse {n}: START_FAILED")
        due = play.due()
        assert due is not None
        rests.append(due - play.now)
        assert play.state("a") == ("failed" if n == 5 else "backoff")
        play.sleeps().silence()
    assert rests == [1.0, 2.0, 4.0, 8.0, 300.0]


def test_jitter_lengthens_a_rest_by_up_to_a_quarter() -> None:
    play = Play("a", jitter=0.8)
    play.asks("a", 1).exits("a#1").orders(START.format(1), "refuse 1: START_FAILED")
    assert play.due() == 1.2


def test_a_failed_model_is_refused_until_its_cool_down_and_then_gets_one_try() -> None:
    play = failed(Play("a"), 5)
    play.after(10).asks("a", 1).orders("refuse 1: UNAVAILABLE")
    assert play.refusals[1].retry_after == 290.0
    assert play.refusals[1].detail == "its engine failed 5 times in a row, 10 s ago; next try in 290 s"
    play.sleeps().asks("a", 2).exits("a#6").orders(START.format(6), "refuse 2: START_FAILED")
    assert play.state("a") == "failed"
    play.sleeps().asks("a", 3).orders(START.format(7)).ready("a#7").orders("grant 3 on a#7")
    play.after(61).exits("a#7").silence()
    assert play.due() == play.now + 1.0, "having been healthy it begins anew"


def test_the_operators_load_ends_the_rest_and_forgets_the_failures() -> None:
    play = failed(Play("a"), 5).loads("a").orders("spawn a#6: load by the operator")
    play.exits("a#6").silence()
    assert play.state("a") == "backoff"
    assert play.due() == play.now + 1.0


def test_a_changed_launch_ends_the_rest_and_changed_terms_do_not() -> None:
    play = failed(Play("a"), 5).edits(model("a", ttl=5.0))
    assert play.state("a") == "failed"
    play.edits(model("a", argv="mended"))
    assert play.state("a") == "cold"
    play.asks("a", 1).orders(START.format(6))


def test_an_overdue_start_is_stopped_a_fault_and_its_waiters_are_refused_as_too_late() -> None:
    play = Play(model("a", start=60.0))
    play.asks("a", 1).after(20).asks("a", 2).orders(START.format(1))
    play.at(60).ticks().orders(
        "refuse 1: START_TIMEOUT", "refuse 2: START_TIMEOUT", "terminate a#1: start overdue"
    )
    assert "not ready after 60 s (start_timeout)" in str(play.refusals[1])
    play.asks("a", 3).ready("a#1").silence()
    play.exits("a#1", Exit(signal="SIGTERM", log=("still loading",))).orders("refuse 3: UNAVAILABLE")
    assert play.state("a") == "backoff"
    assert play.refusals[3].exit == Exit(signal="SIGTERM", reason="not ready after 60 s", log=("still loading",))


def test_readiness_in_the_very_last_moment_counts() -> None:
    play = Play(model("a", start=60.0))
    play.asks("a", 1).at(60).ready("a#1").orders(START.format(1), "grant 1 on a#1")


def test_an_engine_that_can_never_be_ready_is_stopped_and_its_waiters_hear_why() -> None:
    play = Play("a")
    play.asks("a", 1).sick("a#1", "another process answers on its port").orders(
        START.format(1),
        "refuse 1: START_FAILED",
        "terminate a#1: unusable (another process answers on its port)",
    )
    play.exits("a#1", CLEAN).silence()
    assert play.state("a") == "backoff"
    assert "another process answers" in str(play.refusals[1])


# -- engines that die ------------------------------------------------------------------------------------


def test_when_a_ready_engine_dies_its_waiters_survive_the_first_short_rest() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2).orders("grant 1 on a#1")
    play.exits("a#1").leaves(1).silence()
    play.sleeps().orders("spawn a#2: asked for (1 waiting)")
    play.ready("a#2").orders("grant 2 on a#2")


def test_when_it_dies_again_soon_they_are_refused() -> None:
    play = Play("a").up("a").exits("a#1").sleeps().up("a")
    play.asks("a", 1, 2).orders("grant 1 on a#2")
    play.exits("a#2").orders("refuse 2: UNAVAILABLE")
    assert play.due() == play.now + 2.0


def test_a_minute_of_health_forgets_earlier_failures() -> None:
    play = Play("a").up("a").exits("a#1").sleeps().up("a").after(60)
    play.asks("a", 1, 2).exits("a#2").orders("grant 1 on a#2")
    assert play.due() == play.now + 1.0


def test_a_hung_engine_is_stopped_its_leases_are_cut_and_its_waiters_refused() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2).orders("grant 1 on a#1")
    play.sick("a#1", "hangs").orders(
        "refuse 2: ENGINE_DIED", "revoke 1 of a#1: unusable (hangs)", "terminate a#1: unusable (hangs)"
    )
    play.leaves(1).asks("a", 3).silence()
    play.exits("a#1", CLEAN).sleeps().orders("spawn a#2: asked for (1 waiting)")


def test_the_late_leaving_of_a_dead_runs_holder_does_not_free_a_slot_of_the_next_run() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, 3).exits("a#1").sleeps().ready("a#2")
    play.orders("grant 1 on a#1", "spawn a#2: asked for (2 waiting)", "grant 2 on a#2")
    play.leaves(1).silence()


def test_an_engine_that_dies_while_draining_was_on_its_way_out_anyway() -> None:
    play = Play("a").up("a")
    play.asks("a", 1).unloads("a").orders("grant 1 on a#1", "drain a#1: unload by the operator")
    play.exits("a#1").silence()
    assert play.state("a") == "cold"


def test_a_dead_engines_room_goes_to_others_while_it_rests() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).asks("b", 2).orders("grant 1 on a#1")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_a_pinned_engine_comes_back_after_its_rest() -> None:
    play = Play(model("p", pinned=True)).orders("spawn p#1: pinned")
    play.ready("p#1").exits("p#1").silence()
    play.sleeps().orders("spawn p#2: pinned")


# -- stops -----------------------------------------------------------------------------------------------


def test_who_does_not_go_within_its_grace_is_killed_and_again_and_again() -> None:
    play = Play(model("a", grace=7.0)).up("a")
    play.unloads("a").orders("terminate a#1: unload by the operator")
    play.sleeps().orders("kill a#1")
    assert play.now == 5 + 7
    play.sleeps().orders("kill a#1")
    play.sleeps().orders("kill a#1")
    assert play.now == 5 + 7 + 5 + 5
    play.asks("a", 1).silence()
    play.exits("a#1").orders("spawn a#2: asked for (1 waiting)")


def test_a_killed_engine_that_was_at_fault_rests() -> None:
    play = Play(model("a", start=10.0))
    play.asks("a", 1).sleeps().sleeps()
    play.orders(START.format(1), "refuse 1: START_TIMEOUT", "terminate a#1: start overdue", "kill a#1")
    play.exits("a#1", Exit(signal="SIGKILL")).silence()
    assert play.state("a") == "backoff"


# -- late news -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("news", ["ready", "sick", "exits"])
def test_news_of_an_old_run_is_no_news(news: str) -> None:
    play = Play("a").up("a").exits("a#1").sleeps()
    play.asks("a", 1).orders(START.format(2))
    getattr(play, news)("a#1").silence()
    assert play.state("a") == "starting"


@pytest.mark.parametrize("news", ["ready", "sick", "exits"])
def test_news_of_a_run_that_rests_or_never_was_is_no_news(news: str) -> None:
    play = Play("a", "b").up("a").exits("a#1")
    getattr(play, news)("a#1").silence()
    getattr(play, news)("b#1").silence()
    assert (play.state("a"), play.state("b")) == ("backoff", "cold")
    assert play.due() == play.now + 1.0


def test_readiness_while_stopping_changes_nothing() -> None:
    play = Play("a")
    play.asks("a", 1).unloads("a")
    play.orders(START.format(1), "refuse 1: MODEL_UNLOADED", "terminate a#1: unload by the operator")
    play.asks("a", 2).ready("a#1").sick("a#1").silence()
    play.exits("a#1").orders("spawn a#2: asked for (1 waiting)")


def test_readiness_told_twice_changes_nothing() -> None:
    play = Play("a").up("a")
    play.after(3).ready("a#1").silence()
    assert play.scheduler.book.engines["a"].idle_since == 5.0
