"""Ends the engines that nobody comes back for. A program of its own: it must outlive the daemon it watches.

It hears by a pipe that the daemon is gone, and by the lock of the state folder that another one has come. That one
may die too, before it has a watchdog of its own: until then this one stays. Meanwhile nobody reads what engines
write, so it keeps their logs in bounds.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from swapd.engines import house, logfiles, record, survivors
from swapd.engines.cgroup import Group
from swapd.engines.house import House
from swapd.engines.identity import hold, marked
from swapd.engines.proc import ourselves
from swapd.engines.record import Entry

log = logging.getLogger("swapd")
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL; less for an engine whose model has less."""
LOOK, SELDOM = 0.25, 1.0
"""Seconds between two looks whether a successor has come; and at most, whether that one has a watchdog."""
DONE = b"."
"""What an orderly daemon says at its end: there is nothing to watch any more."""


def reap(home: House) -> int:
    """End all engines of the house: SIGTERM, ``stop`` commands, SIGKILL. Returns how many there were. Blocks."""
    entries = _recorded(home)
    runs = {run.marker: run.leader for run in marked(home.id)} | {e.identity.marker: e.identity for e in entries}
    names = {entry.identity.marker: str(entry.run) for entry in entries}
    held = [(who, fd) for who in runs.values() if (fd := hold(who)) is not None]
    for who, fd in held:
        name = names.get(who.marker, "an engine that is in no record")
        log.warning("stopping %s (pid %d), which no daemon looks after", name, who.pid)
        _signal(fd, signal.SIGTERM)
    survivors.stop_leftovers(entries, os.environ)
    _wait([fd for _, fd in held], min([GRACE, *(entry.grace for entry in entries)]))
    left = survivors.sweep(home.id)
    for _, fd in held:
        os.close(fd)
    _forget(home)
    return max(len(held), left)


def reap_group(group: Group) -> int:
    """SIGKILL to whatever lives in a cgroup and below, but us and those we are children of. How many there were.

    Raises OSError if it is gone. Blocks.
    """
    spared, until, killed = ourselves(), time.monotonic() + survivors.SWEEP, set[int]()
    while (left := set(group.procs()) - spared) and time.monotonic() < until:
        killed |= _kill_all(left, group)
        time.sleep(survivors.AGAIN)
    group.remove_empty()
    return len(killed)


def watch(pipe: int, daemon: int, home: House, within: float) -> None:
    """Return when the daemon at the other end of the pipe is done, or its engines are ended or in other hands.

    ``daemon``: its pid, which is our parent's. Where its house has no folder nobody can come back for them.
    """
    held = _held(daemon) if os.getppid() == daemon else []
    if os.read(pipe, 1) == DONE:
        return
    # Who dies may let go of its pipe before its lock, which must not be taken for a successor's; or have another
    # watchdog by now, and live.
    _wait(held, math.inf)
    left = home if home.folder is None else _left(home, daemon, within)
    if left is not None:
        log.warning("swapd is gone, and nobody came back for its engines")
        reap(left)


def anybody(home: House) -> bool:
    """Whether there is, or may be, an engine to look after. Blocks for some ms."""
    try:
        if record.read(home):
            return True
    except record.Unreadable:
        return True
    return bool(marked(home.id))


def _left(home: House, dead: int, within: float) -> House | None:
    """The house, once nobody has had it for so many seconds; None if somebody sees to it, or nobody is in it.

    ``dead``: the pid of the daemon that is gone.
    """
    with contextlib.suppress(OSError):
        return _awaited(home, dead, within)
    return House(None, None, home.id)  # the folder is gone, or its disk: no successor will find them


def _awaited(home: House, dead: int, within: float) -> House | None:
    """As ``_left``. Raises OSError."""
    folder, until, pause = home.folder, time.monotonic() + within, LOOK
    while folder is not None and house.id_at(folder) == home.id:
        lock = house.try_lock(folder)
        if (lock is None and _is_watched(folder, dead)) or not anybody(home):
            return None
        if lock is None:  # a successor that nobody watches yet
            until, pause = time.monotonic() + within, min(2 * pause, SELDOM)
        elif time.monotonic() >= until:
            house.sign(lock, house.REAPER)
            return House(folder, lock)
        else:
            logfiles.keep_in_bounds(folder, _pids(home))
            os.close(lock)
            pause = min(LOOK, until - time.monotonic())
        time.sleep(max(pause, 0.01))
    raise FileNotFoundError(f"{folder} is another one's now")


def _is_watched(folder: Path, dead: int) -> bool:
    """Whether who has the lock has a watchdog of its own. The signature may still be that of the dead."""
    signed = house.holder(folder)
    return signed.startswith(house.WATCHED) and not signed.endswith(f" {dead}")


def _recorded(home: House) -> list[Entry]:
    try:
        return record.read(home) if home.folder is not None else []
    except record.Unreadable as error:
        log.warning("%s; what it named is found by its environment", error)
        return []


def _pids(home: House) -> list[int]:
    """Those of the engines in the record that live."""
    living = []
    with contextlib.suppress(record.Unreadable):
        for entry in record.read(home):
            if (fd := hold(entry.identity)) is not None:
                os.close(fd)
                living.append(entry.identity.pid)
    return living


def _forget(home: House) -> None:
    try:
        if home.folder is not None:
            record.write(home, [])
    except OSError as error:  # the next daemon sees that they are gone
        log.warning("cannot write the record in %s: %s", home.folder, error.strerror)


def _kill_all(pids: Collection[int], group: Group) -> set[int]:
    """SIGKILL to those that are in the group still once they are held: a pid may be a stranger's by then."""
    held = {pid: fd for pid in pids for fd in _held(pid)}
    try:
        there = set(group.procs()) & held.keys()
        for pid in there:
            _signal(held[pid], signal.SIGKILL)
    finally:
        for fd in held.values():
            os.close(fd)
    return there


def _held(pid: int) -> list[int]:
    """A pidfd of it; none if it is gone, or there are none to be had."""
    with contextlib.suppress(OSError, AttributeError):
        return [os.pidfd_open(pid)]
    return []


def _signal(fd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or another user's by now
        signal.pidfd_send_signal(fd, number)


def _wait(pidfds: Iterable[int], bound: float) -> None:
    """Until all have ended, or the seconds are over."""
    poll, left, until = select.poll(), set(pidfds), time.monotonic() + bound
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left and (rest := until - time.monotonic()) > 0:
        for fd, _ in poll.poll(rest * 1000 if rest < math.inf else None):
            poll.unregister(fd)
            left.discard(fd)


def _mark() -> str:
    """What the journal takes for the priority of a warning, if it reads us (systemd.exec(5), sd-daemon(3))."""
    with contextlib.suppress(OSError):
        info = os.fstat(sys.stderr.fileno())
        if os.environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}":
            return "<4>"
    return ""


def main(argv: Sequence[str]) -> None:
    """``PID HOUSE SECONDS [FOLDER]``; the pipe is standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format=f"{_mark()}swapd: %(message)s", level=logging.WARNING)
    pid, home, within, *folder = argv
    watch(0, int(pid), House(Path(folder[0]) if folder else None, None, home), float(within))


if __name__ == "__main__":
    main(sys.argv[1:])
