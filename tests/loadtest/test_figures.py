"""What is said of numbers: percentiles, ratios, scales, and what is not said of too few."""

from __future__ import annotations

import random

import pytest

from swapd.loadtest.outcome import Outcome, Times, Trouble
from swapd.loadtest.ratio import ratio
from swapd.loadtest.samples import Samples, percentile
from swapd.loadtest.scale import Scale, duration, fitting, milliseconds
from swapd.loadtest.tally import MOST_KINDS, Tally


@pytest.mark.parametrize(("part", "least"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_a_percentile_is_told_from_so_many_samples_on(part, least):
    assert percentile(list(range(least - 1)), part) is None
    assert percentile(list(range(least)), part) is not None


def test_a_percentile_is_a_number_that_was_measured():
    ordered = list(range(1, 1001))
    assert [percentile(ordered, p) for p in (0.5, 0.9, 0.99)] == [500, 900, 990]


def test_more_samples_than_are_kept_are_a_fair_choice_and_the_worst_is_never_lost():
    samples = Samples(most=1000)
    for n in range(50_000):
        samples.add(n / 50_000)
    samples.add(7.0)
    told = samples.told()
    assert len(samples.kept) == 1000
    assert (told["n"], told["max"]) == (50_001, 7.0)
    assert told["p50"] == pytest.approx(0.5, abs=0.06)
    assert told["mean"] == pytest.approx(0.5, abs=0.01)


def test_nothing_measured_is_nothing_told():
    assert Samples().told() is None
    assert ratio([1.0] * 5, [1.0] * 100) is None
    assert ratio([0.0] * 9, [1.0] * 9) is None


def test_the_interval_of_a_ratio_holds_the_true_one_about_as_often_as_it_says():
    chance = random.Random(7)
    held = 0
    for _ in range(400):
        turns = [(2 * chance.lognormvariate(0, 0.5), chance.lognormvariate(0, 0.5)) for _ in range(20)]
        found = ratio(*zip(*turns, strict=True))
        held += found.low <= 2 <= found.high
    assert 372 <= held <= 396  # 380 are promised, and for 20 turns a little more are kept (384)


def test_a_machine_that_gets_slower_for_a_while_makes_no_difference_between_the_sides():
    chance = random.Random(3)
    pace = [1 + 5 * (n > 15) for n in range(40)]
    slow, quick = ([p * chance.lognormvariate(0, 0.1) for p in pace] for _ in range(2))
    assert not ratio(slow, quick).differs
    found = ratio([1.3 * value for value in slow], quick)
    assert found.differs
    assert found.value == pytest.approx(1.3, rel=0.1)


def test_turns_in_which_a_side_did_not_answer_are_left_out():
    nan = float("nan")
    assert ratio([2.0] * 5 + [nan] * 9, [1.0] * 14) is None
    assert ratio([2.0] * 6 + [nan] * 9, [1.0] * 15).value == 2
    assert ratio([2.0] * 2000, [1.0] * 2000).low == 2


def test_errors_are_counted_by_kind_and_the_kinds_are_bounded():
    tally = Tally()
    for n in range(100):
        tally.add(Outcome("m", Times(0.0, ended=1.0), trouble=Trouble(f"http_{n}", f"example {n}")))
    tally.add(Outcome("m", Times(0.0, ended=1.0), trouble=Trouble("http_1", "another")))
    told = tally.told()
    assert (tally.failed, tally.answered, told["measures"]) == (101, 0, {})
    assert len(told["errors"]) == MOST_KINDS
    assert told["errors"][0]["kind"] == "other"
    assert {"kind": "http_1", "count": 2, "example": "example 1"} in told["errors"]


@pytest.mark.parametrize("ends", [(0.001, 9.0), (0.02, 0.021), (5.0, 5.0), (0.0, 0.0), (1e-5, 300.0)])
def test_a_scale_shows_its_values_and_has_a_few_round_ticks(ends):
    scale = fitting(ends, 0, 100)
    assert all(0 <= scale(value) <= 100 for value in ends)
    assert 1 <= len(scale.ticks) <= 9
    assert all(scale.low <= tick <= scale.high * 1.001 for tick in scale.ticks)


def test_numbers_in_words():
    assert [duration(v) for v in (0, 5e-5, 0.0025, 0.3, 1, 12)] == [
        "0",
        "50 µs",
        "2.5 ms",
        "300 ms",
        "1 s",
        "12 s",
    ]
    assert [milliseconds(v) for v in (None, 0.0003, 0.0425, 1.2)] == ["", "0.30", "42.5", "1200"]
    assert Scale(0, 10, 100, 0)(2.5) == 75
