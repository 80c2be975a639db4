"""A run's whole process tree: its session, its descendants, and whoever carries its marker.

``killpg`` alone misses a grandchild that called setsid; a walk over descendants misses one whose parent is
gone. The marker in the environment finds both, and who was seen once is remembered, so only a process that
left the session, dropped the environment and lost its parent before anyone looked gets away. These walks
read all of /proc: they belong in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Collection, Mapping, Sequence

import psutil

from swapd.engines.environment import MARKER

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)
"""What psutil raises when a process ends, or is another's, between two looks at it."""


class Tree:
    """The processes of one run. Only to be asked while the leader is not reaped: its pid is its identity."""

    def __init__(self, leader: int, marker: str) -> None:
        self._leader = leader
        self._words = f"{MARKER}={marker}".encode()
        self._seen: set[psutil.Process] = set()
        self._lock = threading.Lock()

    def members(self) -> set[psutil.Process]:
        """All that live, the leader included."""
        with self._lock:
            pids = psutil.pids()
            own = {pid for pid in pids if _session(pid) == self._leader or self._carries_marker(pid)}
            own |= _heirs(own | {process.pid for process in self._seen if process.is_running()}, pids)
            found = self._seen | {process for pid in own if (process := _process(pid)) is not None}
            self._seen = {process for process in found if self._is_alive(process)}
            return set(self._seen)

    def known(self, sessions: Mapping[int, Sequence[int]]) -> list[int]:
        """The pids of its session, and of those seen elsewhere. No walk: it can be had every few seconds."""
        with self._lock:
            others = [process for process in self._seen if process.pid != self._leader]
        return sorted({*sessions.get(self._leader, ()), *(other.pid for other in others if self._is_alive(other))})

    def kill(self) -> list[int]:
        """One SIGKILL to each. Returns the pids that were there still; to be repeated until it is empty."""
        left = self.members()
        for process in left:
            with contextlib.suppress(*GONE):
                process.send_signal(signal.SIGKILL)
        return sorted(process.pid for process in left)

    def memory(self) -> int:
        """Resident bytes; pages that two members share count twice."""
        total = 0
        for process in self.members():
            with contextlib.suppress(*GONE):
                total += process.memory_info().rss
        return total

    def _carries_marker(self, pid: int) -> bool:
        return self._words in _read(f"/proc/{pid}/environ").split(b"\0")

    def _is_alive(self, process: psutil.Process) -> bool:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                return process.is_running()
            if process.pid != self._leader and process.ppid() == os.getpid():
                os.waitpid(process.pid, os.WNOHANG)  # an orphan came to us because we are pid 1, or a subreaper
        except (OSError, *GONE):
            pass
        return False


def by_session() -> dict[int, list[int]]:
    """Session -> pids, of all processes: one look that serves every tree. Blocks for some 0.1 ms."""
    found: dict[int, list[int]] = {}
    for pid in psutil.pids():
        if (leader := _session(pid)) is not None:
            found.setdefault(leader, []).append(pid)
    return found


def _session(pid: int) -> int | None:
    """The pid of its session's leader; None if it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _heirs(ancestors: Collection[int], pids: Collection[int]) -> set[int]:
    """Those of ``pids`` that descend from one of the ancestors."""
    children: dict[int, list[int]] = {}
    for pid in pids:
        if stat := _read(f"/proc/{pid}/stat"):  # proc(5): the name may hold anything, then come state and parent
            children.setdefault(int(stat.rpartition(b")")[2].split(None, 2)[1]), []).append(pid)
    found: set[int] = set()
    generation = list(ancestors)
    while generation:
        generation = [child for pid in generation for child in children.pop(pid, ())]
        found.update(generation)
    return found


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except GONE:
        return None


def _read(path: str) -> bytes:
    """Nothing of one that is gone, or another's. By hand: psutil takes three files and five times as long."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (pathlib takes twice as long)
            return file.read()
    except OSError:
        return b""
