"""A deadline that moves with every byte, and costs next to nothing to move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings once when its deadline is over. Seconds are the loop's.

    A timer that rings too early is armed anew then, not each time the deadline moves.
    """

    __slots__ = ("_due", "_loop", "_ring", "_timer", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._when = 0.0

    @property
    def due(self) -> float | None:
        """When it would ring."""
        return self._due

    def set(self, seconds: float | None) -> None:
        """Ring in so many seconds from now, and not before; None: never."""
        if seconds is None:
            self._due = None
            return
        due = self._due = self._loop.time() + seconds
        if self._timer is None or due < self._when:
            self._arm(due)

    def cancel(self) -> None:
        """Never ring, and keep nothing alive."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._when = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._arm(self._due)
        else:
            self._due = None
            self._ring()
