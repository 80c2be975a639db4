"""Shutdown: refuse, drain, stop; told twice, wait no longer. And the scheduler's clock."""

from __future__ import annotations

from tests.core.play import Play, model


def test_closing_refuses_who_waits_and_who_asks_stops_the_idle_and_drains_the_busy() -> None:
    play = Play("a", "b", model("c", cost={"engines": 2}), budget=2).up("a", "b")
    play.asks("a", 1, 2).asks("c", 3).orders("grant 1 on a#1")
    play.closes().orders(
        "refuse 2: CLOSING",
        "refuse 3: CLOSING",
        "drain a#1: shutdown",
        "terminate b#1: shutdown",
    )
    play.asks("a", 4).asks("zzz", 5).orders("refuse 4: CLOSING", "refuse 5: CLOSING")
    assert play.refusals[4].retry_after == 5.0
    play.leaves(1).orders("terminate a#1: shutdown")
    play.exits("a#1").exits("b#1").silence()
    assert play.scheduler.view(play.now).quiet
    assert play.due() is None


def test_closing_stops_a_start_and_forgets_a_rest() -> None:
    play = Play("a", "b", budget=2).up("b").exits("b#1").asks("a", 1)
    play.closes().orders("spawn a#1: asked for (1 waiting)", "refuse 1: CLOSING", "terminate a#1: shutdown")
    play.ready("a#1").exits("a#1").silence()
    assert play.scheduler.view(play.now).quiet and not play.scheduler.book.engines


def test_told_twice_it_cuts_what_still_drains() -> None:
    play = Play("a").up("a").asks("a", 1).closes().orders("grant 1 on a#1", "drain a#1: shutdown")
    play.closes().orders("revoke 1 of a#1: shutdown", "terminate a#1: shutdown")
    play.closes().leaves(1).exits("a#1").silence()


def test_the_drain_of_a_shutdown_ends_even_where_a_drain_never_does() -> None:
    play = (
        Play(model("a", drain=None)).up("a").asks("a", 1).closes().orders("grant 1 on a#1", "drain a#1: shutdown")
    )
    play.sleeps().orders("revoke 1 of a#1: shutdown (drain overdue)", "terminate a#1: drain overdue")
    assert play.now == 5 + 30


def test_so_does_an_endless_drain_that_began_before() -> None:
    play = Play(model("a", drain=None)).up("a").asks("a", 1).unloads("a").after(100)
    play.orders("grant 1 on a#1", "drain a#1: unload by the operator")
    play.closes().sleeps().orders(
        "revoke 1 of a#1: unload by the operator (drain overdue)", "terminate a#1: drain overdue"
    )
    assert play.now == 5 + 100 + 30


def test_a_drain_with_an_end_keeps_it() -> None:
    play = Play(model("a", drain=20.0)).up("a").asks("a", 1).unloads("a").after(15).closes()
    play.orders("grant 1 on a#1", "drain a#1: unload by the operator")
    play.sleeps().orders("revoke 1 of a#1: unload by the operator (drain overdue)", "terminate a#1: drain overdue")
    assert play.now == 5 + 20


def test_nothing_is_started_any_more_pinned_or_loaded_or_failed() -> None:
    play = Play(model("p", pinned=True), "a", budget=2).ready("p#1").forgets()
    play.closes().loads("a").exits("p#1").orders("terminate p#1: shutdown")
    play.after(1000).ticks().silence()


def test_the_deaf_are_killed_while_closing_too() -> None:
    play = Play("a").up("a").closes().sleeps().orders("terminate a#1: shutdown", "kill a#1")
    play.exits("a#1").silence()


# -- the clock -------------------------------------------------------------------------------------------


def test_an_empty_house_wants_no_wake_up() -> None:
    assert Play("a").due() is None


def test_the_wake_ups_of_a_model_s_life_each_in_its_time() -> None:
    play = Play(
        model("a", start=50.0, ttl=70.0, grace=6.0), model("b", drain=8.0), patience=9.0, linger=3.0, wait=200.0
    )
    play.asks("a", 1, client="agent")
    assert play.due() == 9.0  # patience: the start may stand in somebody's way
    play.at(9).ticks()
    assert play.due() == 50.0
    play.at(20).ready("a#1").leaves(1)
    assert play.due() == 90.0  # the ttl
    play.at(21).asks("b", 2)
    assert play.due() == 23.0  # the linger
    play.sleeps()
    assert play.due() == 29.0  # the grace
    play.sleeps().exits("a#1").ready("b#1").asks("b", 3)
    assert play.due() == 229.0  # the wait of 3
    play.unloads("b")
    assert play.due() == 37.0  # the drain
    play.forgets()


def test_a_deadline_that_was_told_is_not_asked_for_again() -> None:
    play = Play("a", "b", wait=None).up("a")
    play.asks("a", 1).asks("b", 2).leaves(2).asks("b", 3).forgets()
    play.sleeps().forgets()  # the drain begins
    play.sleeps().orders("revoke 1 of a#1: makes room for b (drain overdue)", "terminate a#1: drain overdue")
    play.sleeps().orders("kill a#1")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")
    assert play.due() == play.now + 600.0
