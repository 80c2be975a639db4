"""How many times slower the other side is, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swapd.loadtest.samples import median

DOUBT = 0.05
EXACT = 1000
"""Ratios up to which the binomial distribution is summed; above it is a normal one, as far as anybody can tell."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median ratio, and what it lies between with 95 %."""

    value: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether the interval leaves no room for both being alike."""
        return not self.low <= 1 <= self.high


def ratio(above: Iterable[float], below: Iterable[float]) -> Ratio | None:
    """Of two sides that took turns: one number of each for every turn (nan: none), turn by turn.

    Requests that are under way together are slow together, so they are no independent witnesses, turns nearly are.
    And whatever makes the machine slow for longer than a turn falls out of its ratio. The interval lies between
    two of the sorted ratios, counted off as in a sign test. None for fewer than 6.
    """
    pairs = zip(above, below, strict=False)
    ratios = sorted(a / b for a, b in pairs if a > 0 and b > 0)  # nan is not above 0
    beyond = _beyond(len(ratios))
    if beyond is None:
        return None
    return Ratio(median(ratios), ratios[beyond], ratios[-1 - beyond])


def _beyond(count: int) -> int | None:
    """How many of the sorted ratios lie on either side of the interval; None if all of them were too few."""
    if count > EXACT:
        return math.floor(count / 2 - 1.96 * math.sqrt(count) / 2)
    chance, found = 0.0, None
    for n in range(count):
        chance += math.comb(count, n) / 2**count
        if 2 * chance > DOUBT:
            break
        found = n
    return found


def middle(values: Sequence[float]) -> float:
    """The median of a turn; nan if it has none."""
    return median(sorted(values)) if values else math.nan
