"""Ends the engines that nobody comes back for. A program of its own: it must outlive the daemon it watches.

It hears by a pipe that the daemon is gone, and by the lock of the state folder that another one has come.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from swapd.engines import proc, record, survivors
from swapd.engines.cgroup import Group
from swapd.engines.house import House, sign, try_lock
from swapd.engines.identity import hold, marked

log = logging.getLogger("swapd")
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL; less for an engine whose model has less."""
LOOK = 0.25
"""Seconds between two looks whether a successor has come."""
LETTING_GO = 1.0
"""Seconds that the end of a process may take, once its pipe is closed."""
DONE = b"."
"""What an orderly daemon says at its end: there is nothing to watch any more."""


def reap(house: House) -> int:
    """End all engines of the house: SIGTERM, ``stop`` commands, SIGKILL. Returns how many there were. Blocks."""
    assert house.folder is not None
    try:
        entries = record.read(house.folder)
    except record.Unreadable as error:
        log.warning("%s; what it named is found by its environment", error)
        entries = []
    held = [(entry, fd) for entry in entries if (fd := hold(entry.identity)) is not None]
    for entry, fd in held:
        log.warning("stopping %s (pid %d), which no daemon looks after", entry.run, entry.identity.pid)
        _signal(fd, signal.SIGTERM)
    survivors.stop_leftovers(entries, os.environ)
    _wait([fd for _, fd in held], min([GRACE, *(entry.grace for entry, _ in held)]))
    left = survivors.sweep(house.id)
    for _, fd in held:
        os.close(fd)
    record.write(house.folder, [])
    return max(len(held), left)


def reap_group(group: Group) -> int:
    """SIGKILL to whatever lives in a cgroup and below, but us and those we are children of. How many there were.

    Raises OSError if it is gone. Blocks.
    """
    spared, until, killed = _ourselves(), time.monotonic() + survivors.SWEEP, set[int]()
    while (left := set(group.procs()) - spared) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                _signal(fd, signal.SIGKILL)
                os.close(fd)
        killed |= left
        time.sleep(survivors.AGAIN)
    group.remove_empty()
    return len(killed)


def watch(pipe: int, folder: Path, within: float) -> None:
    """Return when the daemon at the other end of the pipe is done or has a successor, or its engines are ended."""
    daemon = os.pidfd_open(os.getppid())
    if os.read(pipe, 1) == DONE:
        return
    # Who dies may let go of its pipe before its lock: that must not be taken for a successor's.
    _wait([daemon], LETTING_GO)
    until = time.monotonic() + within
    while (lock := try_lock(folder)) is not None and time.monotonic() < until:
        nobody = not anybody(folder)
        os.close(lock)
        if nobody:
            return
        time.sleep(LOOK)
    if lock is None:
        return
    sign(lock, "reaper")
    log.warning("swapd is gone, and nobody came back for its engines within %g s", within)
    reap(House(folder, lock))


def anybody(folder: Path) -> bool:
    """Whether there is, or may be, an engine to look after. Blocks for some ms."""
    try:
        if record.read(folder):
            return True
    except record.Unreadable:
        return True
    return bool(marked(House(folder, None).id))


def _ourselves() -> set[int]:
    """Our pid, and those of our ancestors."""
    found, pid = set[int](), os.getpid()
    while pid and (seen := proc.stat(pid)) is not None:
        found.add(pid)
        pid = seen.parent
    return found


def _signal(fd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, number)


def _wait(fds: Sequence[int], bound: float) -> None:
    """Until all have ended, or the seconds are over."""
    left, until = set(fds), time.monotonic() + bound
    while left and (rest := until - time.monotonic()) > 0:
        left -= set(select.select(list(left), [], [], rest)[0])


def main(argv: Sequence[str]) -> None:
    """``FOLDER SECONDS``; the pipe is standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="swapd: %(message)s", level=logging.WARNING)
    watch(0, Path(argv[0]), float(argv[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
