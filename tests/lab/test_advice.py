"""Advice: what is tried, what is worth saying, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from swapd.core.spec import Catalog, Launch, Rules, Spec, Stay, Terms
from swapd.lab.advice import Kind, Variation, advise, pinnable, variations

EMBED = Variation(Kind.PIN, "qmd-embed")
PATIENT = Variation(Kind.PATIENCE, value=60.0)


def house(budget: int, pinned: str = "", rules: Rules | None = None, **sizes: int) -> Catalog:
    def spec(name: str, size: int) -> Spec:
        return Spec(name, Launch(("x",)), Terms(cost={"ram": size}, stay=Stay(pinned=name == pinned)))

    models = {name: spec(name, size) for name, size in sizes.items()}
    return Catalog(models, budget={"ram": budget}, rules=rules or Rules())


def figures(loads: float = 100.0, mean: float = 9.1, p95: float = 40.0, served: float = 600.0) -> dict[str, Any]:
    return {"loads": loads, "served": served, "wait": {"mean": mean, "p50": 0.0, "p95": p95, "max": 90.0}}


def texts(found: dict[Variation, dict[str, Any]], base: dict[str, Any] | None = None) -> list[str]:
    return [advice.text for advice in advise(base or figures(), found.__getitem__, found)]


def test_a_model_can_be_pinned_if_each_of_the_others_still_fits_beside_it():
    assert pinnable(house(10, coder=8, plan=7, embed=2, rerank=3)) == ["embed"]
    assert pinnable(house(8, coder=8, plan=7, embed=2)) == []
    assert pinnable(house(20, coder=8, plan=7)) == ["coder", "plan"]
    assert pinnable(house(10, big=6, small=2)) == ["big", "small"]


def test_what_is_pinned_already_is_reckoned_with_and_not_advised():
    assert pinnable(house(12, pinned="rerank", coder=8, plan=7, rerank=2, embed=2, small=1)) == ["embed", "small"]
    assert pinnable(house(11, pinned="rerank", coder=8, plan=7, rerank=2, embed=2, small=1)) == ["small"]


def test_each_pin_and_half_and_double_of_each_rule_are_tried():
    tries = variations(house(10, coder=8, embed=2, plan=7, rules=Rules(patience=30.0, linger=2.0)))
    assert list(map(str, tries)) == [
        "pin embed",
        "set patience to 15s",
        "set patience to 60s",
        "set linger to 1s",
        "set linger to 4s",
    ]
    assert len(variations(house(8, coder=8, plan=7, rules=Rules(linger=0.0)))) == 2


def test_a_saving_is_told_in_loads_and_seconds():
    assert texts({EMBED: figures(loads=62.0, mean=6.2)}) == ["pin qmd-embed: −38 % loads, mean wait 9.1 → 6.2 s"]


def test_a_saving_of_one_kind_is_enough():
    assert texts({PATIENT: figures(mean=6.2)}) == ["set patience to 60s: ±0 % loads, mean wait 9.1 → 6.2 s"]
    assert texts({PATIENT: figures(loads=70.0, mean=9.2)}) == [
        "set patience to 60s: −30 % loads, mean wait 9.1 → 9.2 s"
    ]
    assert texts({PATIENT: figures(loads=102.0, mean=5.0)}) == [
        "set patience to 60s: +2 % loads, mean wait 9.1 → 5.0 s"
    ]


@pytest.mark.parametrize(
    "other",
    [
        figures(),
        figures(loads=96.0, mean=8.9),
        figures(loads=50.0, mean=10.0),
        figures(loads=120.0, mean=5.0),
        figures(loads=50.0, mean=5.0, p95=44.0),
        figures(loads=50.0, mean=5.0, served=500.0),
    ],
    ids=["the same", "a trifle", "longer waits", "more loads", "a longer tail", "fewer served"],
)
def test_what_saves_too_little_or_harms_is_not_advised(other):
    assert texts({PATIENT: other}) == []


def test_the_best_come_first_and_are_few():
    tries = {Variation(Kind.PIN, f"m{n}"): figures(loads=90.0 - n) for n in range(6)}
    assert [text.split(":")[0] for text in texts(tries)] == ["pin m5", "pin m4", "pin m3"]


def test_where_nothing_was_loaded_or_waited_for_nothing_can_be_saved():
    idle = figures(loads=0.0, mean=0.0, p95=0.0, served=0.0)
    assert texts({EMBED: idle, PATIENT: figures()}, base=idle) == []
