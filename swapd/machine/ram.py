"""Main memory: what the machine (or our cgroup) has, and what each run's process tree holds.

A run takes its anonymous pages (shared memory among them) and the file pages it has mapped: llama.cpp unmaps
what went to a GPU, so these are the weights that stay on the CPU. The kernel counts file pages as available,
since it could drop them; for us they are taken, or the next engine would drive the last one's weights out.
Those locked in memory (``--mlock``) it does not count as available either.

Both are read from ``/proc/PID/status``, at a cost that does not grow with the process (0.1 ms).
Its figures count a page that two processes share twice, so where the members of a tree could share much,
``smaps_rollup`` divides it among them; that walks every page (9 ms for each GiB, measured).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from swapd.core.engine import RunId
from swapd.core.need import RAM, Gauge, Reading

_SHARED_MATTERS = 0.05
"""Share of a tree that its members but the biggest hold, at most the part that may be counted twice."""
_RSS = re.compile(rb"\n(?:Rss|Vm)(Anon|File|Shmem|Lck):\s+(\d+) kB")
_PSS = re.compile(rb"\n(?:Pss_)?(Anon|File|Shmem|Lock)(?:ed)?:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Held:
    """Resident bytes. ``anon``: with shared memory; ``file``: mapped files; ``locked``: of both, by ``mlock``."""

    anon: int
    file: int
    locked: int = 0

    @property
    def total(self) -> int:
        """Anonymous and file pages."""
        return self.anon + self.file

    @property
    def droppable(self) -> int:
        """File pages that the kernel counts as available; too few where anonymous pages are locked as well."""
        return max(0, self.file - self.locked)


class Ram:
    """The machine's memory, bounded by the cgroups (v2) we run in."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._groups = list(_groups(root))
        self.problems: list[str] = []

    @property
    def total(self) -> int:
        """Bytes; the cgroup's ``memory.max`` where that is less."""
        return self._bounds().total

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """Total less free less what our runs took is what strangers hold; see Reading."""
        found = {run: held for run, pids in trees.items() if (held := holding(pids, self._proc)) is not None}
        bounds = self._bounds()
        free = bounds.free - sum(held.droppable for held in found.values())
        taken = {run: {RAM: held.total} for run, held in found.items()}
        return Reading(at, {RAM: Gauge(bounds.total, max(0, free))}, taken)

    def close(self) -> None:
        """Nothing is held open."""

    def _bounds(self) -> Gauge:
        """What there is, and what is available of it: of the machine's, or of the tightest cgroup's."""
        machine = psutil.virtual_memory()
        limits = [(group, limit) for group in self._groups if (limit := _limit(group)) is not None]
        rooms = (room for group, limit in limits if (room := _room(group, limit)) is not None)
        return Gauge(min((machine.total, *(limit for _, limit in limits))), min((machine.available, *rooms)))


def holding(pids: Collection[int], proc: Path = Path("/proc")) -> Held | None:
    """What a process tree holds; None if no process of it could be read. Raises OSError as ``_read`` does."""
    plain = {pid: held for pid in pids if (held := _read(proc / str(pid) / "status", _RSS)) is not None}
    if not plain:
        return None
    together = sum(held.total for held in plain.values())
    if together - max(held.total for held in plain.values()) <= together * _SHARED_MATTERS:
        return _sum(plain.values())
    fair = ((pid, _read(proc / str(pid) / "smaps_rollup", _PSS)) for pid in plain)
    return _sum(plain[pid] if held is None else held for pid, held in fair)


def disk_read(pids: Collection[int]) -> int | None:
    """Bytes that the living processes fetched from storage: few where the page cache was warm. None: not told."""
    told: list[int] = []
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError):
            told.append(psutil.Process(pid).io_counters().read_bytes)
    return sum(told) if told else None


def _read(path: Path, pattern: re.Pattern[bytes]) -> Held | None:
    """Figures of one process. None if it has ended (a zombie has none), or they are hidden from us.

    Raises OSError where nothing can be read at all: no descriptor left, say.
    """
    try:
        found = {kind: int(kib) << 10 for kind, kib in pattern.findall(path.read_bytes())}
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if not {b"Anon", b"File", b"Shmem"} <= found.keys():
        return None
    locked = found.get(b"Lck", found.get(b"Lock", 0))
    return Held(found[b"Anon"] + found[b"Shmem"], found[b"File"], locked)


def _sum(parts: Iterable[Held]) -> Held:
    parts = list(parts)
    anon, file = sum(part.anon for part in parts), sum(part.file for part in parts)
    return Held(anon, file, sum(part.locked for part in parts))


def _groups(root: Path) -> Iterable[Path]:
    """The folders of our cgroup (v2) and of all above it."""
    try:
        line = re.search(r"^0::/(.*)$", (root / "proc/self/cgroup").read_text(), re.MULTILINE)
    except OSError:
        return
    if line is None:
        return
    top = root / "sys/fs/cgroup"
    here = top / line[1]
    yield from (folder for folder in (here, *here.parents) if folder == top or top in folder.parents)


def _limit(group: Path) -> int | None:
    """``memory.max``; None if there is none."""
    try:
        return int((group / "memory.max").read_text())
    except (OSError, ValueError):  # the topmost group has no such file; "max" is no number
        return None


def _room(group: Path, limit: int) -> int | None:
    """Bytes that can still be taken under the group's limit; its page cache can be dropped for them."""
    try:
        current = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    return limit - current + sum(int(stat.get(k, 0)) for k in ("active_file", "inactive_file", "slab_reclaimable"))
