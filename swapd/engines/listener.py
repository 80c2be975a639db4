"""Who listens on a loopback port: the run that it was given to, or a stranger."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

import psutil

from swapd.engines.listening import listening_on
from swapd.engines.proc import NOT_FOR_US
from swapd.engines.tree import GONE


def stranger_on(port: int, tree: Collection[psutil.Process]) -> str | None:
    """Who answers on the port, in words, if that is surely nobody of ``tree``.

    None if it is one of them, or if the kernel does not tell us. Reads all of /proc: belongs in a thread.
    Raises OSError where nothing can be read at all: no descriptor left, say.
    """
    ours = {process.pid for process in tree}
    sockets = listening_on(port)
    if not sockets or any(_holds(pid, sockets) for pid in ours):
        return None
    holder = next((pid for pid in psutil.pids() if pid not in ours and _holds(pid, sockets)), None)
    return _by_pid(holder) if holder is not None else _by_uid(set(sockets.values()), tree)


def _holds(pid: int, sockets: Collection[str]) -> bool:
    """Whether a process has one of them open; no if it is gone, or not ours to look into."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(*NOT_FOR_US):
        for number in os.listdir(folder):  # noqa: PTH208  (pathlib takes thrice as long)
            with contextlib.suppress(OSError):
                if os.readlink(f"{folder}/{number}") in sockets:  # noqa: PTH115  (as above)
                    return True
    return False


def _by_pid(pid: int) -> str | None:
    try:
        return f"pid {pid}, {psutil.Process(pid).name()}"
    except psutil.NoSuchProcess:
        return None


def _by_uid(makers: Collection[int], tree: Collection[psutil.Process]) -> str | None:
    """A process that we may not look into: a stranger unless its user is ours, or one of the tree's (sudo)."""
    ours = {os.getuid()}
    for process in tree:
        with contextlib.suppress(*GONE):
            ours |= {process.uids().real, process.uids().effective}
    return None if ours.intersection(makers) else f"of user {min(makers)}"
