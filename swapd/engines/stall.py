"""Whether a load still gets on. An engine that neither writes, computes nor reads for long never gets ready.

By activity and not by the clock: a large model on a slow disk may load for an hour, and a hung driver is known for
one after two minutes. What spins for ever is left to ``start_timeout``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psutil

from swapd.engines.tree import GONE

STALL = 120.0
"""Seconds without a sign of life."""
LOOKS = 8
"""So often it is looked at meanwhile."""
WORK = 0.01
"""The share of a core that counts as work: answering our own probe with "loading" takes less."""
GROWTH = 1 << 20
"""Bytes by which its memory must grow, or shrink, to count."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a tree has done so far: lines written, seconds computed, bytes fetched from storage; bytes it holds."""

    lines: int
    computed: float
    fetched: int
    held: int

    def is_progress(self, before: _Done, seconds: float) -> bool:
        """Whether that is more than nothing."""
        if (self.lines, self.fetched) != (before.lines, before.fetched):
            return True
        return self.computed - before.computed >= WORK * seconds or abs(self.held - before.held) >= GROWTH


async def until_stalled(
    members: Callable[[], Collection[int]], written: Callable[[], int], seconds: float
) -> None:
    """Return once nothing has moved for so long. ``members``: pids of the tree; ``written``: lines, ever more."""
    loop = asyncio.get_running_loop()
    last, since = await asyncio.to_thread(_look, members, written()), loop.time()
    while loop.time() - since < seconds:
        await asyncio.sleep(seconds / LOOKS)
        seen = await asyncio.to_thread(_look, members, written())
        if seen.is_progress(last, loop.time() - since):
            last, since = seen, loop.time()


def _look(members: Callable[[], Collection[int]], lines: int) -> _Done:
    computed, fetched, held = 0.0, 0, 0
    for pid in members():
        with contextlib.suppress(*GONE):
            process = psutil.Process(pid)
            times = process.cpu_times()
            computed += times.user + times.system
            held += process.memory_info().rss
            fetched += process.io_counters().read_bytes
    return _Done(lines, computed, fetched, held)
