"""A clock that says the same of the same moment, so that what has not changed reads as it did."""

from __future__ import annotations

from datetime import datetime

from swapd.web.gate import Clock

STEP = 1.0
"""Seconds by which the wall clock was set anew, at least, if it was: then all is said anew."""


class Stamps:
    """A ``Clock``. Remembers what it was asked about since the last ``turn`` but one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[float, str] = {}
        self._before: dict[float, str] = {}
        self._zero: float | None = None
        """When, by the wall clock, the monotonic one began."""

    def __call__(self, at: float, now: float) -> str:
        """To the millisecond: what comes of a subtraction is not the same to the last bit."""
        at = round(at, 3)
        if (said := self._said.get(at)) is None:
            said = self._said[at] = self._before.get(at) or self._clock(at, now)
        return said

    def turn(self, now: float) -> None:
        """Forget what nobody asks about any more; and all of it where the wall clock was set."""
        self._before, self._said = self._said, {}
        zero = _seconds(self._clock(now, now)) - now
        if self._zero is None or abs(zero - self._zero) > STEP:
            self._zero, self._before = zero, {}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
