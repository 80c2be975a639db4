"""Keeps the ledger's file up to date, without the loop waiting for the disk."""

from __future__ import annotations

import asyncio
import logging

from swapd import tasks, threads
from swapd.machine.ledger import Ledger

log = logging.getLogger("swapd")
EVERY = 10.0
"""Seconds between two saves, at the least."""
LAST_SAVE = 5.0
"""Seconds for the one at the end: the disk may be that of a dead server."""


class Saver:
    """``save`` as often as you like."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._task: asyncio.Task[None] | None = None
        self._last = float("-inf")

    def save(self) -> None:
        """Save soon, or a little later; what has not changed is not written."""
        if self.ledger.is_saved:
            return
        now = asyncio.get_running_loop().time()
        if now - self._last >= EVERY and (self._task is None or self._task.done()):
            self._last = now
            self._task = tasks.spawn(threads.run(self.ledger.save), name="save the ledger")

    async def aclose(self) -> None:
        """Save now; within LAST_SAVE, or not at all."""
        try:
            async with asyncio.timeout(LAST_SAVE):
                if self._task is not None:
                    await asyncio.wait([self._task])
                await threads.run(self.ledger.save)
        except TimeoutError:
            log.warning("cannot save the ledger: its folder does not answer; what was learned last is lost")
