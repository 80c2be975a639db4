"""What a run writes while it loads: reason to look at it, and a sign of life unless our own look made it write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ECHO = 0.1
"""Seconds after a look begins, and after it ends, in which lines may be about it: many servers log requests."""


class News:
    """Hears each piece of output. ``clock``: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked = -ECHO
        self.wrote = asyncio.Event()
        """Set whenever something came; who waits for it clears it."""
        self.signs = 0
        """How many pieces came that were surely no echo of a look."""

    def looked(self) -> None:
        """A look begins, or has ended."""
        self._looked = self._clock()

    def heard(self) -> None:
        """Something was written."""
        self.wrote.set()
        if self._clock() - self._looked >= ECHO:
            self.signs += 1
