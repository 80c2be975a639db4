"""The figures that the policy was made for, on the mix; ``python -m tests.bench.lab`` prints them all."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from swapd.lab import simulate as lab
from swapd.lab.people import SCENES


@cache
def figures(policy: str, seeds: int = 12, **cast: float) -> dict[str, Any]:
    stage = lab.made(SCENES["mix"], seeds=seeds, **cast)
    return lab.told(stage, lab.run(stage, policy))


def part(figure: str) -> float:
    """Of bypass's."""
    swapd, bypass = figures("swapd"), figures("bypass")
    if figure in swapd["wait"]:
        return swapd["wait"][figure] / bypass["wait"][figure]
    return swapd[figure] / bypass[figure]


def test_the_same_crowd_is_served_sooner_with_far_fewer_loads():
    assert part("loads") <= 0.55
    assert part("mean") <= 0.65
    assert part("p95") <= 1.05
    assert part("served") >= 1.15


def test_loads_stay_near_the_least_that_any_policy_could_do_with():
    assert figures("swapd")["bound"]["ratio"] <= 2.2
    assert figures("fifo", 4)["bound"]["ratio"] >= 3.0


@pytest.mark.parametrize(
    "cast",
    [{"think": 0.5}, {"think": 5.0}, {"think": 15.0}, {"agents": 1}, {"agents": 0}],
    ids=["hasty agents", "slow agents", "slower agents", "one agent", "no agent"],
)
def test_nobody_waits_longer_than_with_bypass_whoever_asks(cast):
    swapd, bypass = (figures(policy, 4, **cast) for policy in ("swapd", "bypass"))
    assert swapd["wait"]["mean"] <= bypass["wait"]["mean"]
    assert swapd["loads"] <= 0.85 * bypass["loads"]
