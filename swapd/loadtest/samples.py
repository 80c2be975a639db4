"""Numbers that were measured: all of them up to a bound, then a fair choice; and what may be said of them."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from typing import Any

MOST = 1_000_000
"""Numbers that are kept; of more, each is kept with the same chance."""
PERCENTILES = (50, 90, 95, 99)
FIGURES = ("p50", "p90", "p95", "p99", "max")
"""What is shown of them."""
DOUBT = 0.05
"""A percentile is told where, but for this chance, the samples reach beyond it."""


class Samples:
    """``len`` counts all that were added, ``kept`` are those that figures are made of."""

    def __init__(self, most: int = MOST) -> None:
        self.kept = array("d")
        self._count = 0
        self._sum = 0.0
        self._most = most
        self._max = -math.inf
        self._random = random.Random(0)

    def __len__(self) -> int:
        return self._count

    def add(self, value: float) -> None:
        """One more. Once the bound is reached it takes a random place, or none (a reservoir)."""
        self._count += 1
        self._sum += value
        self._max = max(self._max, value)
        if len(self.kept) < self._most:
            self.kept.append(value)
        elif (place := self._random.randrange(self._count)) < self._most:
            self.kept[place] = value

    def told(self) -> dict[str, Any] | None:
        """``{"n", "min", "mean", "p50", "p90", "p95", "p99", "max"}``; a percentile is None of too few samples."""
        if not self._count:
            return None
        ordered = sorted(self.kept)
        figures = {f"p{p}": percentile(ordered, p / 100) for p in PERCENTILES}
        ends = {"n": self._count, "min": ordered[0], "mean": self._sum / self._count}
        return ends | figures | {"max": self._max}


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """The least of the sorted numbers that ``part`` of them do not exceed: one that was measured, none between.

    None where there are too few: with n samples the chance that none lies beyond the true percentile is part^n,
    and it must not be above DOUBT. So p50 takes 5 samples, p90 29, p95 59 and p99 299.
    """
    if not ordered or part ** len(ordered) > DOUBT:
        return None
    return ordered[math.ceil(part * len(ordered)) - 1]


def median(ordered: Sequence[float]) -> float:
    """Of sorted numbers, of which there is at least one; of an even count the mean of the two."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
