"""Where a value stands in a picture, and which values are written at its edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDE = 8.0
"""How many times the largest value is the smallest, above which a scale is logarithmic."""
MOST_TICKS = 7


@dataclass(frozen=True, slots=True)
class Scale:
    """From values between ``low`` and ``high`` to places between ``start`` and ``end`` (which may run down)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place; of a value beyond an end, that end."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            part = (inside - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values between the ends, at most MOST_TICKS or so."""
        return self._log_ticks() if self.log else self._plain_ticks()

    def _log_ticks(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [step * 10.0**each for each in decades for step in steps]
            inside = [value for value in found if self.low <= value <= self.high * (1 + 1e-9)]
            if len(inside) <= MOST_TICKS:
                break
        return inside

    def _plain_ticks(self) -> list[float]:
        rough = (self.high - self.low) / MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def fitting(values: Sequence[float], start: float, end: float, *, least: float = 1e-5) -> Scale:
    """A scale of seconds that shows all of them: logarithmic where they lie far apart; none is below ``least``."""
    low, high = max(least, min(values)), max(least, *values)
    if high / low > WIDE:
        return Scale(low * 0.9, high * 1.1, start, end, log=True)
    room = (high - low) * 0.08 or high * 0.1
    return Scale(max(0.0, low - room), high + room, start, end)


def milliseconds(seconds: float | None) -> str:
    """Three digits or so: ``0.31``, ``4.25``, ``87.3``, ``1204``; nothing for None."""
    if seconds is None:
        return ""
    value = seconds * 1000
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def rate(value: float) -> str:
    """``0.31``, ``8.12``, ``87.3``, ``5603``."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """``0``, ``50 µs``, ``2.5 ms``, ``300 ms``, ``12 s``."""
    for unit, least in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= least * (1 - 1e-9):
            return f"{seconds / least:.3g} {unit}"
    return "0"
