"""Whether a tree still does anything. An engine that does not write, compute or read for long never gets ready.

By activity and not by the clock: a large model on a slow disk may load for an hour, and a hung driver is known for
one after two minutes. What spins for ever is left to ``start_timeout``. (``pulse`` asks the same of a ready one.)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psutil

from swapd import threads
from swapd.engines.oom import EYE
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
    """What a tree has done so far: times written, seconds computed, bytes from and to storage; bytes it holds."""

    signs: int
    computed: float
    moved: int
    held: int

    def is_progress(self, before: _Done, least: float) -> bool:
        """Whether that is more than nothing. ``least``: seconds computed that count."""
        if (self.signs, self.moved) != (before.signs, before.moved):
            return True
        return self.computed - before.computed >= least or abs(self.held - before.held) >= GROWTH


class Activity:
    """For how long a tree has done nothing, by looking at it now and then.

    ``members``: the pids of the tree; ``signs``: in its log, ever more; ``work``: the share of a core that counts.
    """

    def __init__(
        self, members: Callable[[], Collection[int]], signs: Callable[[], int], work: float | None = None
    ) -> None:
        self._members = members
        self._signs = signs
        self._work = work
        self._last: _Done | None = None
        self._since = 0.0

    @property
    def held(self) -> int:
        """Bytes in memory at the last sign of life."""
        return self._last.held if self._last is not None else 0

    def forget(self) -> None:
        """The next look is the first."""
        self._last = None

    async def idle(self) -> float:
        """Look; the seconds since the last sign of life. 0 at the first look, and where nobody can tell.

        What cannot be looked at (we are out of file descriptors, say) is not called stuck.
        """
        seen = await _seen(self._members, self._signs)
        now = asyncio.get_running_loop().time()
        work = WORK if self._work is None else self._work
        if self._last is None or seen is None or seen.is_progress(self._last, work * (now - self._since)):
            self._last, self._since = seen, now
        return now - self._since


async def until_stalled(members: Callable[[], Collection[int]], signs: Callable[[], int], seconds: float) -> None:
    """Return once nothing has moved for so long. The arguments are those of ``Activity``."""
    activity = Activity(members, signs)
    idle = await activity.idle()
    while idle < seconds:
        await asyncio.sleep(seconds / LOOKS)
        idle = await activity.idle()


async def _seen(members: Callable[[], Collection[int]], signs: Callable[[], int]) -> _Done | None:
    """None if nobody can tell."""
    try:
        return await threads.run(_look, members, signs())
    except (OSError, RuntimeError, psutil.Error):  # RuntimeError: there is no thread to be had
        return None


def _look(members: Callable[[], Collection[int]], signs: int) -> _Done:
    EYE.look()  # so that a kill for want of memory is known as a fresh one
    computed, moved, held = 0.0, 0, 0
    for pid in members():
        with contextlib.suppress(*GONE):
            process = psutil.Process(pid)
            times = process.cpu_times()
            computed += times.user + times.system
            held += process.memory_info().rss
            stored = process.io_counters()
            moved += stored.read_bytes + stored.write_bytes
    return _Done(signs, computed, moved, held)
