"""Reads the meters again and again, in a thread, and never twice at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from swapd import tasks, threads
from swapd.core.engine import RunId
from swapd.core.need import Reading
from swapd.core.spec import Launch
from swapd.machine.asked import files_of
from swapd.machine.gguf import BadGguf, size_of
from swapd.machine.observed import Runs
from swapd.machine.pulse import WAITED_FOR, Pulse
from swapd.machine.ram import disk_read, holding

log = logging.getLogger("swapd")
LAST_READING = 2.0
"""Seconds to end it in, and to let go of drivers."""
SLOW = 10.0
"""Seconds after which a reading is worth a warning."""
HANGS = (
    "cannot read the meters: a driver or a disk has not answered for some seconds; going on with the last reading"
    " until it does (see dmesg)"
)
Members = Callable[[Sequence[RunId]], Mapping[RunId, Sequence[int]]]
"""Runs -> the pids of their trees. One call for all: to look at every process is most of what a look costs."""


class Meters(Protocol):
    """``machine.meter.Meter``; its methods block."""

    @property
    def problems(self) -> Sequence[str]:
        """What cannot be read; grows at its end only."""

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """One look."""

    def close(self) -> None:
        """Let go of drivers."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A launch that became ready: its key in the ledger, bytes read from storage so far, bytes of its files."""

    key: str
    read: int | None
    files: int

    @property
    def warm(self) -> bool | None:
        """Whether its files were in the page cache; None if that cannot be told."""
        return None if self.read is None or not self.files else self.read < self.files / 2


@dataclass(frozen=True, slots=True)
class Look:
    """A reading, and what else is seen of the runs by the way.

    ``anonymous``: bytes of RAM without the file pages, of those that load. What goes to a GPU passes through the
    page cache and is unmapped by the time that the engine is ready: no run needs it.
    """

    reading: Reading
    anonymous: Mapping[RunId, int] = field(default_factory=dict)
    loaded: Mapping[RunId, Loaded] = field(default_factory=dict)


class Watch:
    """Begins with ``use``. ``take`` gets each look, on the loop; ``members`` and ``key`` block."""

    def __init__(
        self,
        runs: Runs,
        members: Members,
        key: Callable[[Launch], str],
        take: Callable[[Look], None],
    ) -> None:
        self.pulse = Pulse()
        self._runs = runs
        self._eye = _Eye(members, key)
        self._take = take
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Look | None] | None = None

    def use(self, meters: Meters) -> None:
        """Read these from now on; those before are let go."""
        self._eye.change(meters)
        self.now()
        if self._task is None:
            self._task = tasks.spawn(self._watch(), name="read meters")

    def now(self) -> None:
        """Something has happened: read at once."""
        self._wake.set()

    def soon(self) -> None:
        """Somebody waits for what the meters say: read at once, unless that was done within WAITED_FOR."""
        asyncio.get_running_loop().call_at(self.pulse.begun + WAITED_FOR, self._wake.set)

    async def aclose(self) -> None:
        """Read no more. A reading under way may end first, within LAST_READING: a driver may hang for ever."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        try:
            async with asyncio.timeout(LAST_READING):
                if self._reading is not None:
                    await asyncio.wait([self._reading])
                await threads.run(self._eye.close)
        except TimeoutError:
            log.warning("cannot close the meters: a driver does not answer")

    async def _watch(self) -> None:
        clock, runs = asyncio.get_running_loop().time, self._runs
        while True:
            self._wake.clear()
            try:
                await self._read(clock())
            except Exception:  # a bug, by definition; without readings nothing would be known of the machine
                log.exception("cannot read the meters")
            pause = self.pulse.pause(clock(), bool(runs.living), bool(runs.loading))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # before 3.12, wait_for may lose a cancellation
                    await self._wake.wait()

    async def _read(self, at: float) -> None:
        runs, self.pulse.begun = self._runs, at
        fresh = {run: seen.start.order.launch for run, seen in runs.living.items() if seen.fresh}
        work = threads.run(self._eye.look, at, list(runs.living), runs.loading, fresh)
        self._reading = tasks.spawn(self._looked(work), name="reading")
        await asyncio.wait([self._reading], timeout=SLOW)
        if not self._reading.done():
            self._tell(HANGS)
        look = await asyncio.shield(self._reading)
        if look is not None:
            self.pulse.read(look.reading)
            self._tell()
            self._take(look)

    async def _looked(self, look: Awaitable[Look]) -> Look | None:
        """None where nothing can be read now: we are out of file descriptors, say. That is said once."""
        try:
            return await look
        except OSError as error:
            self._tell(f"cannot read the meters: {error.strerror}; going on with the last reading until it can be")
            return None

    def _tell(self, *problems: str) -> None:
        for problem in self._eye.news(*problems):
            log.warning("%s", problem)


class _Eye:
    """The part that blocks."""

    def __init__(self, members: Members, key: Callable[[Launch], str]) -> None:
        self._members = members
        self._key = key
        self._meters: list[Meters] = []
        """The last one is read; those before are still to be closed."""
        self._said: set[str] = set()

    def change(self, meters: Meters) -> None:
        self._meters = [*self._meters, meters]

    def look(
        self, at: float, living: Sequence[RunId], loading: Sequence[RunId], fresh: Mapping[RunId, Launch]
    ) -> Look:
        *old, meters = self._meters
        for one in old:
            one.close()
        self._meters = [meter for meter in self._meters if meter not in old]
        trees = self._members(living)
        reading = meters.read(at, trees)
        held = {run: holding(trees[run]) for run in loading}
        loaded = {run: self._loaded(launch, trees[run]) for run, launch in fresh.items()}
        return Look(reading, {run: seen.anon for run, seen in held.items() if seen is not None}, loaded)

    def news(self, *more: str) -> list[str]:
        """Problems, of the meters and ``more``, that were not told yet."""
        problems = (*self._meters[-1].problems, *more)
        new = [problem for problem in problems if problem not in self._said]
        self._said.update(new)
        return new

    def close(self) -> None:
        for meters in self._meters:
            meters.close()

    def _loaded(self, launch: Launch, pids: Collection[int]) -> Loaded:
        files = files_of(launch.argv)
        named = [file for file in (files.model, files.draft, *files.others) if file is not None]
        try:
            size = sum(size_of(file) for file in named)
        except (OSError, BadGguf, ValueError):
            size = 0
        return Loaded(self._key(launch), disk_read(pids), size)
