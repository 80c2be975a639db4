"""What /proc tells of the processes of an arena, found by the mark that all of them inherit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "CHAOS_ID"
LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp (proc(5))."""


@dataclass(frozen=True, slots=True)
class Found:
    """A living process of the arena. ``run``: whose engine's tree it is of, by the daemon's own mark."""

    pid: int
    parent: int
    run: str
    words: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.words:.160})"


def marked(mark: str) -> list[Found]:
    """All that carry it, zombies left out (their environment cannot be read)."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"{MARK}={mark}".encode() in environ:
                run = next((pair[10:].decode() for pair in environ if pair.startswith(b"SWAPD_RUN=")), "")
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(Found(pid, stat(pid)[1], run, words.strip()))
    return found


def stat(pid: int) -> tuple[str, int, int]:
    """State, parent and start (ticks since boot), by proc(5). Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[1]), int(fields[19])


def is_there(pid: int) -> bool:
    """Whether it lives; a zombie does not."""
    try:
        return stat(pid)[0] != "Z"
    except OSError:
        return False


def zombies(parent: int) -> list[str]:
    """Children that ended and that nobody asked after: pid and name."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            state, ppid, _ = stat(pid)
            if state == "Z" and ppid == parent:
                found.append(f"{pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})")
    return found


def fds(pid: int) -> list[str]:
    """What each open file descriptor is. Raises OSError."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def threads(pid: int) -> int:
    """How many it has. Raises OSError."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def numbers(pid: int) -> set[int]:
    """Of all open file descriptors. Raises OSError."""
    return {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def ports(pids: Collection[int]) -> dict[int, int]:
    """Port -> pid, of the TCP ports on which these listen."""
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN:
            listening[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            found.update({listening[fd]: pid for fd in fds(pid) if fd in listening})
    return found


def signal_to(pid: int, number: int, mark: str = "") -> bool:
    """Whether it was there to be told. With a mark: nobody else, who may have the number by now."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if mark and f"{MARK}={mark}".encode() not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return False
        signal.pidfd_send_signal(held, number)
    except (ProcessLookupError, FileNotFoundError):
        return False
    finally:
        os.close(held)
    return True


async def pause(pid: int, seconds: float, mark: str = "") -> bool:
    """SIGSTOP, and SIGCONT after no more than that: a thread keeps the time, however busy the loop is."""

    def stop_and_go() -> bool:
        there = signal_to(pid, signal.SIGSTOP, mark)
        time.sleep(seconds)
        signal_to(pid, signal.SIGCONT, mark)
        return there

    return await asyncio.to_thread(stop_and_go)


def end_all(mark: str) -> int:
    """SIGKILL to all that carry it, until there is none; how many there were."""
    seen: set[int] = set()
    for _ in range(50):
        if not (left := marked(mark)):
            break
        for process in left:
            seen.add(process.pid)
            signal_to(process.pid, signal.SIGKILL)
    return len(seen)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
