"""Whether the kernel killed a process for want of memory. It tells nobody but its own log; but it counts.

Its counters are of a cgroup (``memory.events``, where the memory controller is on: the kernel's "Control Group
v2"; all engines are in that of our service) or of the whole machine (``oom_kill`` of /proc/vmstat, since Linux
4.13). Neither names who was killed, so one that grew just now speaks for a process that was killed just now. They
are read when a run begins and ends, and by whoever looks at engines anyway, so that what happened long ago is not
held against it.
"""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

VMSTAT = Path("/proc/vmstat")
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
"""Where cgroup v2 is mounted: alone, or beside v1."""
ABOVE = 2
"""So many groups above its own may count for a process: that of the service, but not that of all services."""
JUST_NOW = 10.0
"""Seconds. The kernel may kill several in one go, and the first to be seen has used up what grew."""
FRESH = 60.0
"""Seconds after which a look is too old to tell that what grew since did so just now."""
KILLED = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})
"""The statuses of a process that may have been killed so; the latter as a shell tells it."""
WHAT_TO_DO = "lower context or parallel, or make the budget of ram tighter"


class Counter:
    """How often the kernel has killed, by one of its files; remembers when it last grew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = self._read()
        self._looked = time.monotonic()
        self._grew = -JUST_NOW

    def grew(self, now: float) -> bool:
        """Whether it grew since the last look, or did so just now. ``now``: seconds, monotonic."""
        before, self._count = self._count, self._read()
        fresh, self._looked = now - self._looked <= FRESH, now
        if fresh and before is not None and self._count is not None and self._count > before:
            self._grew = now
        return now - self._grew < JUST_NOW

    def _read(self) -> int | None:
        """None where it cannot be told. ``oom_group_kill`` counts groups, whose members ``oom_kill`` has too."""
        with contextlib.suppress(OSError, ValueError):
            for line in self.path.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return None


class Eye:
    """All counters that are of use, each once."""

    def __init__(
        self, vmstat: Path = VMSTAT, cgroups: tuple[Path, ...] = CGROUPS, proc: Path = Path("/proc")
    ) -> None:
        self._machine = Counter(vmstat)
        self._cgroups = cgroups
        self._proc = proc
        self._groups: dict[Path, Counter] = {}

    def look(self) -> None:
        """Know what has been until now. Reads a file or two: some 0.1 ms."""
        now = time.monotonic()
        for counter in (self._machine, *self._groups.values()):
            counter.grew(now)

    def note(self, pid: int) -> None:
        """From now on kills are counted where those of this process are, too."""
        path = self._events_of(pid)
        if path is not None and path not in self._groups:
            self._groups = {known: counter for known, counter in self._groups.items() if known.exists()}
            self._groups[path] = Counter(path)
        self.look()

    def starved(self) -> str | None:
        """Why a process that was noted ended by SIGKILL a moment ago, and what to do; None if nothing says so."""
        now = time.monotonic()
        for counter in self._groups.values():
            if counter.grew(now):
                return f"the kernel killed it for want of memory{_limit(counter.path)}: {WHAT_TO_DO}"
        if self._machine.grew(now):
            return f"the kernel probably killed it: it killed a process for want of memory just now; {WHAT_TO_DO}"
        return None

    def _events_of(self, pid: int) -> Path | None:
        """The nearest group's, from its own upwards. Its line in /proc/PID/cgroup begins with ``0::``."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for line in (self._proc / str(pid) / "cgroup").read_text().splitlines():
                if line.startswith("0::/"):
                    return self._nearest(Path(line[4:]))
        return None

    def _nearest(self, group: Path) -> Path | None:
        groups = (group, *group.parents)[: ABOVE + 1]
        found = (root / each / "memory.events" for each in groups for root in self._cgroups)
        return next((path for path in found if path.exists()), None)


EYE = Eye()
"""The counters are the kernel's: there is one of each."""


def _limit(events: Path) -> str:
    """What the group may have at most, in words, where it is limited."""
    try:
        limit = int((events.parent / "memory.max").read_text())
    except (OSError, ValueError):  # "max"
        return ""
    return f" (its cgroup may have {limit / (1 << 30):.1f} GiB, MemoryMax=)"
