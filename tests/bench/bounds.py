"""Figures beside what they may be at most, or must be at least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.text import columns


@dataclass(frozen=True)
class Limit:
    """``words`` for the figure; its ``unit``; ``bound``, from above unless it is the ``least``, or None."""

    words: str
    unit: str = ""
    bound: float | None = None
    least: bool = False
    places: int = 0

    def row(self, value: float) -> list[str]:
        """Of the table."""
        row = [self.words, f"{value:.{self.places}f}", self.unit]
        if self.bound is None:
            return row
        met = value >= self.bound if self.least else value <= self.bound
        return [*row, f"{'≥' if self.least else '≤'} {self.bound:g}", "ok" if met else "missed"]


def judged(title: str, found: Mapping[str, float], limits: Mapping[str, Limit]) -> str:
    """The table: a row for each of ``limits``."""
    return columns([[title, "", "", "bound", ""], *(limit.row(found[key]) for key, limit in limits.items())])


def worst_and_median(name: str, values: Sequence[float]) -> dict[str, float]:
    """``NAME_median`` and ``NAME_worst``."""
    ordered = sorted(values)
    return {f"{name}_median": ordered[len(ordered) // 2], f"{name}_worst": ordered[-1]}
