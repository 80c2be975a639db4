"""What /proc says of a process. By hand: psutil takes three files and five times as long."""

from __future__ import annotations

import os
from typing import NamedTuple

NOT_FOR_US = (FileNotFoundError, ProcessLookupError, PermissionError)
"""What reading /proc raises of a process that is gone, or another's."""


class Stat(NamedTuple):
    """Some of the fields that proc(5) numbers 3 to 22."""

    state: str
    parent: int
    group: int
    session: int
    ticks: int
    """When it was started, in clock ticks (of 10 ms, mostly) since the machine was."""


def stat(pid: int) -> Stat | None:
    """None of one that is gone. Raises OSError where nothing can be read at all: no descriptor left, say."""
    text = read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text.rpartition(b")")[2].split(None, 20)  # what stands before is its name, which may hold anything
    return Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def ourselves() -> set[int]:
    """Our pid, and those of our ancestors. Raises OSError as ``stat`` does."""
    found, pid = set[int](), os.getpid()
    while pid and (seen := stat(pid)) is not None:
        found.add(pid)
        pid = seen.parent
    return found


def variables(pid: int) -> list[bytes]:
    """The environment it was started with, ``NAME=value`` each; empty of a zombie, and of one that is not ours.

    Raises OSError as ``stat`` does.
    """
    return read(f"/proc/{pid}/environ").split(b"\0")


def is_childless(pid: int) -> bool:
    """Whether it surely has no children. A kernel without CONFIG_PROC_CHILDREN never says so.

    proc(5), ``task/TID/children``: one that ends while they are listed may hide another; not where there are none.
    """
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  (pathlib takes thrice as long)
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123  (as below)
                if file.read():
                    return False
    except NOT_FOR_US:
        return False
    return True


def read(path: str) -> bytes:
    """Nothing of one that is gone, or another's. Raises OSError where nothing can be read at all."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (pathlib takes twice as long)
            return file.read()
    except NOT_FOR_US:
        return b""
