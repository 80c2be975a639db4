"""The bound: what it is by definition, and that no schedule at all, however clairvoyant, does with less."""

from __future__ import annotations

from functools import cache
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapd.lab.bound import window_bound

Asked = list[tuple[float, str]]


def asked(most: int, models: str = "abcd", latest: int = 14) -> st.SearchStrategy[Asked]:
    return st.lists(st.tuples(st.integers(0, latest).map(float), st.sampled_from(models)), max_size=most)


def by_definition(requests: Asked, wait: float, fits: int) -> int:
    """All sets of windows without a common instant, each window tried from each arrival to each end."""
    arrivals = sorted({a for a, _ in requests})

    def models(begin: float, end: float) -> int:
        return len({m for a, m in requests if begin <= a and a + wait <= end})

    @cache
    def further(after: float) -> int:
        return max(
            (
                models(begin, last + wait) - fits + max(0, further(last + wait))
                for begin in arrivals
                for last in arrivals
                if after < begin <= last
            ),
            default=0,
        )

    firsts = (models(arrivals[0], last + wait) + max(0, further(last + wait)) for last in arrivals)
    return max(firsts, default=0)


def least_loads(requests: Asked, wait: float, fits: int) -> int:
    """The optimum by exhaustion, where loads and services take no time: who is served next, who makes room."""

    @cache
    def least(left: frozenset[int], now: float, up: frozenset[str]) -> float:
        if not left:
            return 0
        if any(requests[n][0] + wait < now for n in left):
            return float("inf")
        costs = []
        for n in left:
            arrival, model = requests[n]
            rest, then = left - {n}, max(now, arrival)
            if model in up:
                costs.append(least(rest, then, up))
            elif len(up) < fits:
                costs.append(1 + least(rest, then, up | {model}))
            else:
                costs += [1 + least(rest, then, up - {victim} | {model}) for victim in up]
        return min(costs)

    return int(least(frozenset(range(len(requests))), 0.0, frozenset()))


@given(asked(9), st.integers(0, 6), st.integers(1, 3))
def test_it_is_the_best_sum_over_all_sets_of_windows(requests, wait, fits):
    assert window_bound(requests, wait, fits) == by_definition(requests, wait, fits)


@given(asked(6, "abc", 9), st.integers(0, 4), st.integers(1, 2))
def test_the_best_of_all_schedules_needs_no_fewer_loads(requests, wait, fits):
    assert window_bound(requests, wait, fits) <= least_loads(requests, wait, fits)


@given(asked(9), st.integers(0, 6), st.integers(0, 4), st.integers(1, 3))
def test_more_patience_or_more_room_never_raises_it(requests, wait, more, fits):
    present = window_bound(requests, wait, fits)
    assert window_bound(requests, wait + more, fits) <= present
    assert window_bound(requests, wait, fits + 1) <= present


def test_nothing_asked_needs_nothing_and_the_first_load_counts():
    assert window_bound([], 5) == 0
    assert window_bound([(3, "a"), (4, "a"), (900, "a")], 5) == 1


def test_two_models_in_turn_far_apart_need_a_load_each_time():
    turns = [(100.0 * n, "ab"[n % 2]) for n in range(10)]
    assert window_bound(turns, 5) == 6  # five windows of two turns, each with one load, and the cold start
    assert least_loads(turns[:6], 5, 1) == 6  # a bound, not the optimum
    assert window_bound(turns, 5, fits=2) == 2


def test_a_load_at_a_common_border_is_counted_once():
    at_zero_and_ten = [(0.0, "a"), (0.0, "b"), (10.0, "a"), (10.0, "b")]
    assert least_loads(at_zero_and_ten, 10, 1) == 2  # a for both its requests at 10, then b for both of its
    assert window_bound(at_zero_and_ten, 10) == 2
    assert window_bound(at_zero_and_ten, 9.9) == 3


def test_a_sum_that_rounds_down_does_not_part_windows_that_touch():
    arrival, start = 0.2, 0.9
    wait = start - arrival
    assert arrival + wait < start  # what the bound must not fall for
    requests = [(arrival, "a"), (arrival, "b"), (start, "a"), (start, "b")]
    assert window_bound(requests, wait) <= least_loads(requests, wait + 1e-9, 1) == 2


@pytest.mark.parametrize(("wait", "fits"), [(-1, 1), (1, 0)])
def test_what_makes_no_sense_is_refused(wait, fits):
    with pytest.raises(ValueError, match="cannot bound the loads"):
        window_bound([(0, "a")], wait, fits)


def test_five_thousand_requests_for_ten_models_take_less_than_a_second():
    rng = Random(1)
    requests = [(rng.uniform(0, 36000), f"m{rng.randrange(10)}") for _ in range(5000)]
    begun = process_time()
    found = window_bound(requests, 60.0)
    assert process_time() - begun < 1.0
    assert found > 1000
