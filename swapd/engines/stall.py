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
    """What a tree has done so far: times written, seconds computed, bytes fetched from storage; bytes it holds."""

    signs: int
    computed: float
    fetched: int
    held: int

    def is_progress(self, before: _Done, seconds: float) -> bool:
        """Whether that is more than nothing."""
        if (self.signs, self.fetched) != (before.signs, before.fetched):
            return True
        return self.computed - before.computed >= WORK * seconds or abs(self.held - before.held) >= GROWTH


async def until_stalled(members: Callable[[], Collection[int]], signs: Callable[[], int], seconds: float) -> None:
    """Return once nothing has moved for so long. ``members``: pids of the tree; ``signs``: in the log, ever more.

    What cannot be looked at (we are out of file descriptors, say) is not called stuck.
    """
    loop = asyncio.get_running_loop()
    last, since = await _seen(members, signs), loop.time()
    while loop.time() - since < seconds:
        await asyncio.sleep(seconds / LOOKS)
        seen = await _seen(members, signs)
        if last is None or seen is None or seen.is_progress(last, loop.time() - since):
            last, since = seen, loop.time()


async def _seen(members: Callable[[], Collection[int]], signs: Callable[[], int]) -> _Done | None:
    """None if nobody can tell."""
    try:
        return await asyncio.to_thread(_look, members, signs())
    except (OSError, RuntimeError, psutil.Error):  # RuntimeError: there is no thread to be had
        return None


def _look(members: Callable[[], Collection[int]], signs: int) -> _Done:
    computed, fetched, held = 0.0, 0, 0
    for pid in members():
        with contextlib.suppress(*GONE):
            process = psutil.Process(pid)
            times = process.cpu_times()
            computed += times.user + times.system
            held += process.memory_info().rss
            fetched += process.io_counters().read_bytes
    return _Done(signs, computed, fetched, held)
