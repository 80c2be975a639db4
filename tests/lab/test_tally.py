"""Tallies: every figure of the summary, worked out by hand."""

from __future__ import annotations

import pytest

from swapd.lab.tally import Answered, Loaded, Tally, jain, spread, summary


def a_run() -> Tally:
    """a is loaded for x and y, who both wait for it; z comes later and finds it up; then b is loaded for x.

    a serves x from 4 to 10, y from 4 to 6, z from 8 to 9: together they have it for 3 s, x alone for 3 s.
    """
    return Tally(
        [
            Answered(0.0, "a", "x", 4.0, 6.0),
            Answered(1.0, "a", "y", 3.0, 2.0),
            Answered(8.0, "a", "z", 0.0, 1.0),
            Answered(10.0, "b", "x", 2.0, 5.0),
        ],
        [Loaded("a", 0.0, 4.0), Loaded("b", 10.0, 2.0)],
    )


def test_one_run_is_summed_up_in_the_shape_that_is_promised():
    assert summary("mix", "swapd", [a_run()]) == {
        "trace": "mix",
        "policy": "swapd",
        "seeds": 1,
        "loads": 2,
        "load_seconds": 6.0,
        "served": 4,
        "wait": {"mean": 2.25, "p50": 2.0, "p95": 4.0, "max": 4.0},
        "bound": {"wait": 4.0, "loads": 2, "ratio": 1.0},
        "per_model": {
            "a": {"loads": 1, "served": 3, "wait": {"mean": 2.333, "p50": 3.0, "p95": 4.0, "max": 4.0}},
            "b": {"loads": 1, "served": 1, "wait": {"mean": 2.0, "p50": 2.0, "p95": 2.0, "max": 2.0}},
        },
        "per_client": {
            "x": {
                "served": 2,
                "wait": {"mean": 3.0, "p50": 2.0, "p95": 4.0, "max": 4.0},
                "engine_seconds": 13.5,
            },
            "y": {"served": 1, "wait": dict.fromkeys(("mean", "p50", "p95", "max"), 3.0), "engine_seconds": 3.0},
            "z": {"served": 1, "wait": dict.fromkeys(("mean", "p50", "p95", "max"), 0.0), "engine_seconds": 0.5},
        },
    }


def test_figures_are_means_over_the_seeds_percentiles_too():
    quick = Tally([Answered(0.0, "a", "x", 1.0, 1.0)], [Loaded("a", 0.0, 1.0)])
    found = summary("mix", "swapd", [a_run(), quick])
    assert (found["seeds"], found["loads"], found["served"], found["load_seconds"]) == (2, 1.5, 2.5, 3.5)
    assert found["wait"] == {"mean": 1.625, "p50": 1.5, "p95": 2.5, "max": 2.5}
    assert found["bound"] == {"wait": 2.5, "loads": 1.5, "ratio": 1.0}
    assert found["per_client"]["x"]["engine_seconds"] == 7.75


def test_a_seed_that_never_served_a_model_counts_for_all_but_its_waits():
    quick = Tally([Answered(0.0, "a", "x", 1.0, 1.0)], [Loaded("a", 0.0, 1.0)])
    found = summary("mix", "swapd", [a_run(), quick])["per_model"]["b"]
    assert (found["loads"], found["served"], found["wait"]["mean"]) == (0.5, 0.5, 2.0)


def test_a_run_in_which_nothing_happened_is_summed_up_too():
    found = summary("mix", "swapd", [Tally()])
    assert (found["served"], found["wait"]["max"], found["per_model"]) == (0, 0.0, {})
    assert found["bound"] == {"wait": 0.0, "loads": 0, "ratio": None}


def test_no_run_at_all_is_refused():
    with pytest.raises(ValueError, match="there are none"):
        summary("mix", "swapd", [])


def test_the_bound_is_taken_at_the_longest_wait_and_with_the_room_there_is():
    turns = [Answered(100.0 * n, "ab"[n % 2], "x", 5.0, 1.0) for n in range(10)]
    assert Tally(turns).bound() == 6
    assert Tally(turns).bound(fits=2) == 2
    assert Tally([*turns, Answered(0.0, "a", "y", 2000.0, 1.0)]).bound() == 2


def test_a_load_that_nobody_waited_for_is_charged_to_nobody():
    run = Tally(
        [Answered(50.0, "a", "x", 0.0, 3.0), Answered(20.0, "a", "y", 41.0, 3.0)],
        [Loaded("a", 0.0, 9.0), Loaded("a", 58.0, 3.0), Loaded("a", 90.0, 9.0)],
    )
    assert run.engine_seconds() == {"x": 3.0, "y": 6.0}


def test_shares_come_out_right_where_sums_of_seconds_are_rounded():
    over, arrival = 0.1 + 0.7, 0.2
    waited = over - arrival
    run = Tally([Answered(arrival, "a", "x", waited, 0.0)], [Loaded("a", 0.1, 0.7)])
    assert arrival + waited < over  # though it was granted right then
    assert run.engine_seconds() == {"x": 0.7}


def test_percentiles_are_values_that_occurred():
    hundred = [float(n) for n in range(100, 0, -1)]
    assert spread(hundred) == {"mean": 50.5, "p50": 50.0, "p95": 95.0, "max": 100.0}


def test_jain_is_one_among_equals_and_a_part_where_one_has_all():
    assert jain([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert jain([1.0, 2.0, 3.0]) == pytest.approx(36 / 42)
    assert jain([]) == jain([0.0, 0.0]) == 1.0
