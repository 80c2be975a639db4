"""A run's whole process tree: its session, its descendants, whoever carries its marker, and its cgroup.

``killpg`` alone misses a grandchild that called setsid; a walk over descendants misses one whose parent is
gone. The marker in the environment finds both, and who was seen once is remembered, so only a process that
left the session, dropped the environment and lost its parent before anyone looked gets away; and not even that
where the run has a cgroup of its own. These walks read all of /proc: they belong in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import psutil

from swapd.engines.cgroup import Group
from swapd.engines.environment import MARKER
from swapd.engines.proc import is_childless, stat, variables

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)
"""What psutil raises when a process ends, or is another's, between two looks at it."""


class Tree:
    """The processes of one run."""

    def __init__(
        self, leader: int, marker: str, is_held: Callable[[], bool] = lambda: True, group: Group | None = None
    ) -> None:
        """``is_held()``: whether the leader's pid is surely its own still, and so its session's number."""
        self._leader = leader
        self._words = f"{MARKER}={marker}".encode()
        self._is_held = is_held
        self._group = group
        self._joined = False
        self._seen: set[psutil.Process] = set()
        self._lock = threading.Lock()

    def members(self) -> set[psutil.Process]:
        """All that live, the leader included."""
        pids = psutil.pids()[::-1]  # the youngest first: it is they who fork and end while we look
        grouped = self._grouped()
        self._joined = self._joined or self._leader in grouped
        own = {pid for pid in pids if self._words in variables(pid)} | set(grouped)
        own |= {process.pid for process in self._remembered() if process.is_running()}
        own |= self._session_of(own, pids)
        if not self._joined:  # else they are in its cgroup
            own |= _heirs([pid for pid in own if not is_childless(pid)], pids)
        self._remember(own)
        living = {process for process in self._remembered() if self._is_alive(process)}
        with self._lock:
            self._seen = living
        return set(living)

    def known(self, sessions: Mapping[int, Sequence[int]]) -> list[int]:
        """The pids of its session and its cgroup, and of those seen elsewhere.

        No walk: it can be had every few seconds.
        """
        others = [process for process in self._remembered() if process.pid != self._leader]
        session = sessions.get(self._leader, ()) if self._is_held() else ()
        return sorted({*session, *self._grouped(), *(other.pid for other in others if self._is_alive(other))})

    def kill(self) -> list[int]:
        """One SIGKILL to each. Returns the pids that were there still; to be repeated until it is empty."""
        if self._group is not None:
            self._remember(self._grouped())  # some may be ours to reap, as orphans
            with contextlib.suppress(OSError):  # an older kernel: one by one, then
                self._group.kill()
        left = self.members()
        for process in left:
            _send(process, signal.SIGKILL)
        if self._group is not None and not left and self._group.is_populated():
            return self._grouped() or [self._leader]
        return sorted(process.pid for process in left)

    def signal_group(self, number: signal.Signals) -> None:
        """One signal to each of the leader's process group that was seen, where the kernel cannot do it for us."""
        for process in self._remembered():
            with contextlib.suppress(OSError):
                if os.getpgid(process.pid) == self._leader:
                    _send(process, number)

    def clear(self) -> None:
        """Nothing is left of it: its cgroup goes. Blocks for 0.1 ms."""
        if self._group is not None:
            self._group.remove()

    def memory(self) -> int:
        """Resident bytes; pages that two members share count twice."""
        total = 0
        for process in self.members():
            with contextlib.suppress(*GONE):
                total += process.memory_info().rss
        return total

    def _remember(self, pids: Collection[int]) -> None:
        found = {process for pid in pids if (process := _process(pid)) is not None}
        with self._lock:  # never held while we read: /proc hangs where a driver does
            self._seen = self._seen | found

    def _remembered(self) -> set[psutil.Process]:
        with self._lock:
            return set(self._seen)

    def _grouped(self) -> list[int]:
        if self._group is None:
            return []
        try:
            return self._group.procs()
        except OSError:  # it is removed already
            return []

    def _session_of(self, own: Collection[int], pids: Collection[int]) -> set[int]:
        """Those of ``pids`` in the leader's session.

        Once the leader is reaped and its session empty, a stranger may be given its number, and lead a session of
        that number. So one of ours has to be in it still, or the leader not be reaped even after the look.
        """
        found = {pid for pid in pids if _session(pid) == self._leader}
        return found if self._is_held() or not found.isdisjoint(own) else set()

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
    """Those of ``pids`` that descend from one of the ancestors. If there are any, the dearest look by far."""
    if not ancestors:
        return set()
    children: dict[int, list[int]] = {}
    for pid in pids:
        if (seen := stat(pid)) is not None:
            children.setdefault(seen.parent, []).append(pid)
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


def _send(process: psutil.Process, number: signal.Signals) -> None:
    """To that very process: what has its pid is held first, and compared then."""
    with contextlib.suppress(OSError, *GONE):
        try:
            pidfd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        except (OSError, AttributeError):  # an old kernel, no descriptor left, or not Linux
            process.send_signal(number)
            return
        try:
            if process.is_running():
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)
