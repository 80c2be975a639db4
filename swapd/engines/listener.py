"""Who listens on a loopback port: the run that it was given to, or a stranger."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from swapd.engines.tree import GONE


def stranger_on(port: int, tree: Collection[psutil.Process]) -> str | None:
    """Who answers on the port, in words, if that is surely nobody of ``tree``.

    None if it is one of them, or if the kernel does not tell us. Reads all of /proc: belongs in a thread.
    """
    for process in tree:
        with contextlib.suppress(*GONE):
            if any(_listens(c, port) for c in process.net_connections("tcp")):
                return None
    pids = {process.pid for process in tree}
    for connection in _all_connections():
        if _listens(connection, port):
            if connection.pid in pids:
                return None  # it began to listen between the two looks
            return _by_pid(connection.pid) if connection.pid is not None else _by_uid(port, tree)
    return None


def _all_connections() -> list[Any]:
    try:
        return psutil.net_connections("tcp")
    except psutil.AccessDenied:  # not on Linux
        return []


def _listens(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr[1] == port)


def _by_pid(pid: int) -> str | None:
    try:
        return f"pid {pid}, {psutil.Process(pid).name()}"
    except psutil.NoSuchProcess:
        return None


def _by_uid(port: int, tree: Collection[psutil.Process]) -> str | None:
    """A process that we may not look into: a stranger unless its user is ours, or one of the tree's (sudo)."""
    ours = {os.getuid()}
    for process in tree:
        with contextlib.suppress(*GONE):
            ours |= {process.uids().real, process.uids().effective}
    uid = _owner(port)
    return f"of user {uid}" if uid is not None and uid not in ours else None


def _owner(port: int, tables: tuple[str, ...] = ("/proc/net/tcp", "/proc/net/tcp6")) -> int | None:
    """The uid of the socket that listens on the port; psutil leaves this column out."""
    for table in tables:
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, uid = line.split()[:8]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    return int(uid)
    return None
