"""Who has used how much, and what clients are used to."""

from __future__ import annotations

import pytest

from swapd.core.engine import RunId
from swapd.core.habits import HORIZON, Habits
from swapd.core.shares import Shares
from tests.core.play import Play, model

A, B = RunId("a", 1), RunId("b", 1)


def test_engine_seconds_are_shared_by_those_that_are_served_at_once() -> None:
    shares = Shares()
    shares.leased(A, "x", 0.0)
    shares.leased(A, "y", 4.0)  # x had it alone for four seconds
    shares.leased(A, "y", 6.0)  # then they shared it for two
    shares.released(A, "x", 9.0)  # then x had a third, for three
    shares.released(A, "y", 10.0)
    shares.released(A, "y", 11.0)
    assert shares.used == pytest.approx({"x": 4 + 1 + 1, "y": 1 + 2 + 1 + 1})


def test_two_engines_count_twice_and_one_that_is_gone_no_more() -> None:
    shares = Shares()
    shares.leased(A, "x", 0.0)
    shares.leased(B, "x", 0.0)
    shares.gone(A, 5.0)
    shares.released(B, "x", 8.0)
    assert shares.used == {"x": 13.0}


def test_a_load_is_shared_by_all_that_waited_for_it() -> None:
    play = (
        Play(model("a", concurrency=3)).asks("a", 1, 2, client="x").asks("a", 3, client="y").after(6).ready("a#1")
    )
    play.forgets()
    assert play.scheduler.book.shares.used == pytest.approx({"x": 4.0, "y": 2.0})


def test_who_was_away_gets_no_credit_for_it() -> None:
    shares = Shares(used={"x": 50.0, "y": 70.0, "z": 3.0})
    for client in "xyz":
        shares.came(client, 0.0)
    assert shares.used == {"x": 50.0, "y": 70.0, "z": 50.0}


def test_who_comes_back_owes_what_it_owed() -> None:
    shares = Shares()
    shares.came("x", 0.0)
    shares.leased(A, "x", 0.0)
    shares.came("y", 0.0)
    shares.released(A, "x", 9.0)
    shares.went("x")
    shares.came("x", 0.0)
    assert shares.used == {"y": 0.0, "x": 9.0}


def test_clients_that_queue_are_served_in_equal_shares_whatever_their_number_of_tickets() -> None:
    play = Play("a", patience=1e4, wait=None).up("a").asks("a", *range(100, 140), client="crowd")
    play.asks("a", *range(200, 220), client="single").forgets()
    for _ in range(20):
        (holding,) = play.scheduler.book.holding
        play.after(1).leaves(holding)
    play.forgets()
    used = play.scheduler.book.shares.used
    assert used["crowd"] == pytest.approx(used["single"], abs=1)


# -- habits ----------------------------------------------------------------------------------------------


def habits(*models: str, gap: float) -> tuple[Habits, float]:
    """An agent that went through these, each so long after the last answer."""
    found, now = Habits(), 0.0
    for name in models:
        found.asked("agent", name, now)
        found.ended("agent", name, now + 1, answered=True)
        now += 1 + gap
    return found, now - gap


def test_who_always_asks_again_at_once_is_expected_at_once_and_less_and_less_later() -> None:
    found, now = habits(*["a"] * 40, gap=1.0)
    rates = [found.rate("a", now + wait) for wait in (0, 1, 3, 10)]
    assert rates[0] > 0.7  # about one a second
    assert rates == sorted(rates, reverse=True)
    assert found.rate("b", now) < 0.1


def test_who_pauses_for_long_is_expected_less_at_any_moment() -> None:
    quick, now = habits(*["a"] * 20, gap=1.0)
    slow, later = habits(*["a"] * 20, gap=20.0)
    assert quick.rate("a", now) > 5 * slow.rate("a", later)


def test_a_client_of_which_nothing_is_known_is_expected_back_but_less_than_an_agent_and_nowhere_else() -> None:
    (found, now), (agent, later) = habits("a", gap=1.0), habits(*["a"] * 40, gap=1.0)
    assert 0 < found.rate("a", now) < agent.rate("a", later)
    assert found.rate("b", now) == 0.0


def test_nobody_is_expected_that_asks_already_or_has_been_silent_for_a_minute() -> None:
    found, now = habits(*["a"] * 20, gap=1.0)
    assert found.rate("a", now + HORIZON) == 0.0
    found.asked("agent", "b", now)
    assert found.rate("a", now + 0.1) == 0.0


def test_one_that_gave_up_was_not_answered_and_is_not_expected() -> None:
    found = Habits()
    found.asked("agent", "a", 0.0)
    found.ended("agent", "a", 1.0, answered=False)
    assert found.rate("a", 1.0) == 0.0
