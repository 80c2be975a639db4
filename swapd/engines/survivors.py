"""What an earlier life of the daemon left behind: engines to take over, and what nobody would ever stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from swapd.engines import proc, record
from swapd.engines.ask import ask
from swapd.engines.cgroup import around
from swapd.engines.environment import scrubbed
from swapd.engines.house import House
from swapd.engines.identity import hold, marked, of
from swapd.engines.record import Entry

log = logging.getLogger("swapd")
STOP_BOUND = 10.0
"""Seconds that the ``stop`` command of something that is left over may take."""
SWEEP = 2.0
"""Seconds for what is left over to be gone."""
AGAIN = 0.01


@dataclass(frozen=True, slots=True)
class Survivor:
    """An engine that lives, surely ours. ``pidfd`` is of that very process."""

    entry: Entry
    pidfd: int


def look(house: House, environ: Mapping[str, str]) -> list[Survivor]:
    """Those to take over, one a model; all else that is ours is ended. Blocks; a few ms where nothing is left.

    What is not surely ours is let alone.
    """
    if house.folder is None:
        return []
    entries = _recorded(house)
    survivors, lost = _held(entries)
    stop_leftovers(lost, environ)
    sweep(house.id, spared={survivor.entry.identity.marker for survivor in survivors})
    return survivors


def stop_leftovers(entries: Collection[Entry], environ: Mapping[str, str]) -> None:
    """The ``stop`` commands of engines whose process is gone, all at once: a container outlives its client."""
    words = scrubbed(environ, (), "", "")
    stops = [threading.Thread(target=_stop, args=(entry, words)) for entry in entries if entry.stop]
    for stop in stops:
        stop.start()
    for stop in stops:
        stop.join()


def _stop(entry: Entry, environ: Mapping[str, str]) -> None:
    log.warning("stopping what %s may have left, by '%s'", entry.run, entry.stop[0])
    try:
        ask(entry.stop, environ, STOP_BOUND)
    except OSError as error:
        log.warning("cannot run '%s': %s", entry.stop[0], error.strerror or error)


def sweep(house: str, spared: Collection[str] = ()) -> int:
    """SIGKILL to all processes of the house, but those of the spared markers, until none is left. How many."""
    until, killed = time.monotonic() + SWEEP, set[int]()
    while left := [group for group in marked(house) if group.marker not in spared]:
        for group in left:
            killed |= {pid for pid in group.pids if _kill(pid, group.marker)}
        if time.monotonic() >= until:
            log.error("cannot end processes %s: they do not react", sorted(killed))
            break
        time.sleep(AGAIN)
    if killed:
        log.warning("ended %d process(es) that an earlier life of swapd had left: %s", len(killed), sorted(killed))
    return len(killed)


def _recorded(house: House) -> list[Entry]:
    try:
        return record.read(house)
    except record.Unreadable as error:
        log.warning("%s; engines that it named are stopped, not taken over", error)
        return []


def _held(entries: list[Entry]) -> tuple[list[Survivor], list[Entry]]:
    """Those that live, the last run of each model; and those that do not."""
    survivors: dict[str, Survivor] = {}
    lost = []
    for entry in sorted(entries, key=lambda entry: entry.n):
        if (pidfd := hold(entry.identity)) is None:
            _tell_of_another(entry)
            lost.append(entry)
            continue
        if (older := survivors.get(entry.model)) is not None:
            os.close(older.pidfd)
        survivors[entry.model] = Survivor(entry, pidfd)
    return list(survivors.values()), lost


def _tell_of_another(entry: Entry) -> None:
    """Its pid may have gone to somebody else, with whom we have nothing to do."""
    pid = entry.identity.pid
    seen = proc.stat(pid)
    if seen is not None and seen.ticks != entry.identity.ticks:
        log.warning("pid %d, which was that of %s, is another process now: letting it alone", pid, entry.run)


def _kill(pid: int, marker: str) -> bool:
    """SIGKILL to that very process, if it carries the marker, and to its cgroup; whether it was there."""
    try:
        pidfd = hold(of(pid, marker))
        if pidfd is None:
            return False
        group = around(pid, marker)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
        if group is not None:
            with contextlib.suppress(OSError):  # a kernel before 5.14 cannot
                group.kill()
    except ProcessLookupError:
        return False
    return True
