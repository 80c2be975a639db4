"""A run's whole process tree: its session, its descendants, and whoever carries its marker.

``killpg`` alone misses a grandchild that called setsid; a walk over descendants misses one whose parent is
gone. The marker in the environment finds both. These walks read all of /proc: they belong in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from swapd.engines.environment import MARKER

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def members(leader: int, marker: str) -> list[psutil.Process]:
    """All living processes of the run, the leader included."""
    found: dict[int, psutil.Process] = {}
    for pid in psutil.pids():
        if pid != os.getpid() and (_session(pid) == leader or _carries(pid, marker)):
            with contextlib.suppress(*_GONE):
                found[pid] = psutil.Process(pid)
    for process in list(found.values()):
        found |= {child.pid: child for child in _children(process)}
    return [process for process in found.values() if _is_alive(process)]


def kill(leader: int, marker: str, bound: float) -> list[int]:
    """SIGKILL the tree, again and again while it forks, until it is gone.

    Returns the pids that are still there after ``bound`` seconds.
    """
    deadline = time.monotonic() + bound
    while left := members(leader, marker):
        for process in left:
            with contextlib.suppress(*_GONE):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(left, timeout=0.2)
        if time.monotonic() > deadline:
            return [process.pid for process in left]
    return []


def memory(leader: int) -> int | None:
    """Resident bytes of the leader and its descendants; None if it is gone."""
    try:
        process = psutil.Process(leader)
        return sum(p.memory_info().rss for p in [process, *_children(process)])
    except _GONE:
        return None


def owner_of(port: int, tree: Iterable[psutil.Process]) -> tuple[bool | None, str]:
    """Whether the listener on the loopback port is in the tree, and who it is if not.

    None where the kernel does not tell us whose socket it is (another user's).
    """
    for process in tree:
        with contextlib.suppress(*_GONE):
            if any(_is_listener(c, port) for c in process.net_connections("tcp")):
                return True, ""
    for connection in psutil.net_connections("tcp"):
        if _is_listener(connection, port) and connection.pid is not None:
            with contextlib.suppress(*_GONE):
                return False, f"pid {connection.pid}, {psutil.Process(connection.pid).name()}"
    return None, ""


def _is_listener(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr[1] == port)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _carries(pid: int, marker: str) -> bool:
    """Whether the process has our marker. Read by hand: psutil would take three files a process to tell."""
    try:
        return f"{MARKER}={marker}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except _GONE:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False
