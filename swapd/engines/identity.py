"""Which process is meant, beyond all doubt: a pid alone may be another's tomorrow.

Even its time of start is no proof, for a clock tick is long enough for a pid to be given twice; so an engine
carries a word of its own in its environment. And what was looked at may be gone a moment later; so it is held
first, by a pidfd that stays with that one process, and looked at then.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from swapd.engines.environment import HOUSE, MARKER
from swapd.engines.proc import Stat, ourselves, stat, variables

_NOBODY = {errno.ESRCH, errno.EINVAL, errno.ENOENT, errno.ENOSYS}
"""There is none, it is but a thread of another, or the kernel (before 5.3) knows no pidfds."""
LOOKS, BETWEEN_LOOKS = 20, 0.001
"""How often to look, and seconds in between: one that executes a program has no environment for a moment."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one life of the machine."""

    pid: int
    ticks: int
    """When it was started, in clock ticks since the machine was."""
    boot: str
    """Which life of the machine."""
    marker: str
    """What it carries in its environment."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What lives of one run."""

    marker: str
    leader: Identity
    """The first of those that lead a session; if none does, the first of all."""
    pids: tuple[int, ...]


def boot_id() -> str:
    """Of this life of the machine: random(4). Empty where nobody tells; a marker is random too."""
    try:
        return _boot_id()
    except (FileNotFoundError, PermissionError):
        return ""


@lru_cache
def _boot_id() -> str:
    """Raises OSError, and is not remembered then: that no descriptor was left is no answer."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def of(pid: int, marker: str) -> Identity:
    """Of a process that cannot go meanwhile: a child that is not reaped. Raises OSError if it did."""
    seen = stat(pid)
    if seen is None:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return Identity(pid, seen.ticks, boot_id(), marker)


def hold(identity: Identity) -> int | None:
    """A pidfd of that very process; the caller closes it. Blocks, some 0.1 ms and 20 ms at most.

    None if it is gone, a zombie, another by now, or not ours to look into. Raises OSError if no descriptor is
    left.
    """
    try:
        pidfd = os.pidfd_open(identity.pid)
    except AttributeError:  # not Linux
        return None
    except OSError as error:
        if error.errno in _NOBODY:
            return None
        raise
    try:
        if _is_it(identity):
            return pidfd
    except OSError:
        os.close(pidfd)
        raise
    os.close(pidfd)
    return None


def marked(house: str) -> list[Marked]:
    """All that lives of a house, run by run. Reads all of /proc, some 20 µs each: belongs in a thread.

    Only processes of our own user: what others have in their environment proves nothing to us. Nor what we have
    ourselves, or whoever we descend from: somebody copied an engine's environment, to try something by hand.
    Raises OSError where nothing can be read at all.
    """
    runs: dict[str, list[tuple[int, Stat]]] = {}
    for pid in _ours():
        if (marker := _marker(pid, f"{HOUSE}={house}".encode())) is not None and (seen := stat(pid)) is not None:
            runs.setdefault(marker, []).append((pid, seen))
    return [_run(marker, members) for marker, members in sorted(runs.items())]


def _is_it(identity: Identity) -> bool:
    marker = f"{MARKER}={identity.marker}".encode()
    for _ in range(LOOKS):
        seen = stat(identity.pid)
        if seen is None or seen.state in "ZX" or (seen.ticks, boot_id()) != (identity.ticks, identity.boot):
            return False
        if (words := variables(identity.pid)) != [b""]:
            return marker in words
        time.sleep(BETWEEN_LOOKS)
    return False


def _ours() -> Iterator[int]:
    """The pids of our user, as numbers in /proc."""
    me, spared = os.geteuid(), ourselves()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and int(entry.name) not in spared:
                try:
                    if entry.stat().st_uid == me:
                        yield int(entry.name)
                except FileNotFoundError:
                    continue  # it is gone


def _marker(pid: int, house: bytes) -> str | None:
    """Of which run of the house it is, if any."""
    words = variables(pid)
    if house not in words:
        return None
    name = f"{MARKER}=".encode()
    return next((word[len(name) :].decode(errors="replace") for word in words if word.startswith(name)), None)


def _run(marker: str, members: list[tuple[int, Stat]]) -> Marked:
    pid, seen = min(members, key=lambda member: (member[1].session != member[0], member[1].ticks, member[0]))
    return Marked(marker, Identity(pid, seen.ticks, boot_id(), marker), tuple(sorted(pid for pid, _ in members)))
