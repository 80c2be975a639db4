"""The benches of what dying, stopping and upgrading cost run, and their tables judge."""

from __future__ import annotations

import pytest

from tests.bench import bounds, crash, deaf, deaths


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("bench", "nothing"),
    [(crash, ["pids_changed", "reloads", "failed"]), (deaf, ["left"]), (deaths, [])],
    ids=["crash", "deaf", "deaths"],
)
def test_a_bench_runs_in_its_shortest_form(bench, nothing):
    found = bench.measure(1)

    assert [found[key] for key in nothing] == [0] * len(nothing)
    assert len(bench.table(found).splitlines()) == 1 + len(bench.LIMITS)


def test_a_figure_is_judged_by_what_it_may_be_or_must_be():
    limits = {
        "gap": bounds.Limit("a gap", "s", 0.5, places=1),
        "rate": bounds.Limit("a rate", "", 200, least=True),
    }

    def verdicts(gap: float, rate: float) -> list[str]:
        rows = bounds.judged("all", {"gap": gap, "rate": rate}, limits).splitlines()[1:]
        return [row.split()[-1] for row in rows]

    assert verdicts(0.5, 200) == ["ok", "ok"]
    assert verdicts(0.6, 199) == ["missed", "missed"]
