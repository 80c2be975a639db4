"""Children that an earlier life of this very process had: whoever of them ends must be reaped by us."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection
from pathlib import Path


def mind(known: Collection[int]) -> None:
    """Reap each child that is not among the ``known`` when it ends. For the start: none is ours yet."""
    for pid in _children():
        if pid not in known:
            with contextlib.suppress(OSError):  # gone already, or no descriptor is left
                _reap_at_its_end(pid)


def _children() -> list[int]:
    """By proc(5), /proc/pid/task/tid/children: those of all our threads."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def _reap_at_its_end(pid: int) -> None:
    """Raises OSError."""
    loop, pidfd = asyncio.get_running_loop(), os.pidfd_open(pid)

    def ended() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):  # whoever else waited for it was quicker
            os.waitpid(pid, os.WNOHANG)

    loop.add_reader(pidfd, ended)
