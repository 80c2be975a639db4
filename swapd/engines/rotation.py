"""Keeps a file that engines write to within bounds: copied aside and emptied in place, for they hold it open.

Whoever writes to it has it open with O_APPEND, and so goes on at the beginning. Between the last look for
something new and the emptying are some microseconds; what is written in them is lost. So it is done in a
pause of the writer if there is one in time, and a flood's file only gives back its room until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from swapd import tasks, threads
from swapd.engines.logfiles import LIMIT, free, is_full
from swapd.engines.logs import OURS
from swapd.engines.tail import Tail

IN_MEMORY = 1 << 20
"""Bytes that a file in memory may have, where one on a disk may have LIMIT."""
FEW = 16 << 10
"""Bytes read a time before it is emptied, if it had to be now: a flood goes on meanwhile, and the loop waits."""
ROUNDS = 4
"""Looks for something new before it is emptied all the same: a flood never pauses."""
AT_ONCE = 1e-4
"""Seconds from a look to its answer, at most: longer, and another thread was let in between."""
PIECE = 1 << 20
"""Bytes copied at a time."""
FULL = 64 << 10
"""Bytes left on a disk that is as good as full."""
HUGE = 1 << 40
"""Bytes that a file may seem to have."""


class Bounds:
    """Of one file. ``complain`` hears what goes wrong, ``catch_up`` reads what is new, of so many bytes."""

    def __init__(
        self, tail: Tail, path: Path | None, complain: Callable[[str], None], catch_up: Callable[[int], None]
    ) -> None:
        self._tail = tail
        self._path = path
        self._complain = complain
        self._catch_up = catch_up
        self._state = "idle"  # or copying, or closed
        self._flooded = False
        self._freed = 0  # bytes at its beginning that take no room any more

    @property
    def older(self) -> Path | None:
        """Where the copy of what was before is, if there is one."""
        return None if self._path is None else _older(self._path)

    @property
    def _limit(self) -> int:
        return IN_MEMORY if self._path is None else LIMIT

    def mind(self, *, quiet: bool) -> None:
        """See to it, now that it has been read. ``quiet``: nobody writes right now. Raises OSError."""
        if not quiet and self._path is not None and is_full(self._tail.fd, FULL):
            self._complain(f"the disk of {self._path} is full: what engines write is lost until there is room")
        large = self._tail.size() - self._freed > (self._limit if quiet else 2 * self._limit)
        if self._state == "idle" and (large or (quiet and self._freed)):
            self._shrink(quiet=quiet)
        if quiet:
            self._flooded = False

    def flooded(self) -> None:
        """Nobody keeps up: until the next pause nothing of it is copied. The older copy says more."""
        self._flooded = True

    def close(self) -> None:
        """It is left as it is from now on."""
        self._state = "closed"

    def _shrink(self, *, quiet: bool) -> None:
        if not self._flooded:
            self._state = "copying"
            tasks.spawn(self._rotate(), name=f"rotate {self._path}")
        elif quiet or self._tail.at > HUGE or not free(self._tail.fd, self._tail.at):
            self._drop()
        else:
            self._freed = self._tail.at

    def _drop(self) -> None:
        size = self._tail.size()
        self._empty(None)
        note = f"{OURS}({size} bytes dropped: a flood)\n"
        with contextlib.suppress(OSError):
            os.write(self._tail.fd, ("\n" * self._tail.inside + note).encode())

    async def _rotate(self) -> None:
        if self._state == "closed":
            return
        copy = await self._copied(self._path) if self._path is not None else None
        try:
            if self._state != "closed":
                self._state = "idle"
                self._empty(copy)
        finally:
            if copy is not None:
                copy.close()

    async def _copied(self, path: Path) -> _Copy | None:
        """What is there by now; None if it cannot be copied."""
        copy = None
        try:
            copy = _Copy(self._tail.fd, path, max(self._tail.size() - 2 * self._limit, 0))
            for _ in range(2):  # the second time what came during the first, which took longer
                await threads.run(copy.upto, self._tail.size(), 2 * self._limit)
                if self._state == "closed":  # and so may be the file
                    break
        except OSError as error:
            self._failed(error)
            if copy is not None:
                copy.close()
            return None
        return copy

    def _empty(self, copy: _Copy | None) -> None:
        try:
            self._take_the_rest(copy)
        except OSError as error:
            self._failed(error)
        try:
            self._tail.cut()
            self._freed = 0
        except OSError as error:
            self._failed(error)

    def _take_the_rest(self, copy: _Copy | None) -> None:
        """Until nothing is new, at this very moment."""
        clock = asyncio.get_running_loop().time
        if copy is not None:
            copy.publish()
        for _ in range(ROUNDS):
            self._catch_up(FEW)
            if copy is not None:
                copy.upto(self._tail.at, PIECE)
            asked = clock()
            if not self._tail.ahead() and clock() - asked < AT_ONCE:
                break

    def _failed(self, error: OSError) -> None:
        self._complain(f"cannot rotate {self._path}: {error.strerror}; make room, or empty it by hand")


class _Copy:
    """``NAME.log.1``, in the making beside it, of what comes after ``begin``. Raises OSError."""

    def __init__(self, fd: int, path: Path, begin: int) -> None:
        self._new = path.with_name(f"{path.name}.new")
        self._old = _older(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._to = os.open(self._new, flags, 0o600)
        try:
            self._at = os.lseek(fd, begin, os.SEEK_DATA)  # not what was freed; who appends minds no position
            self._from = os.dup(fd)  # its owner may close it while a thread copies
        except OSError:
            os.close(self._to)
            self._new.unlink(missing_ok=True)
            raise

    def upto(self, end: int, at_most: int) -> None:
        """Copy what is missing of the first ``end`` bytes, if that is no more than ``at_most``. Blocks."""
        if end - self._at > at_most:  # a flood: the beginning of it tells enough
            return
        while self._at < end and (data := os.pread(self._from, min(PIECE, end - self._at), self._at)):
            self._at += os.write(self._to, data)

    def publish(self) -> None:
        """Take the place of the copy before. More can still be added."""
        self._new.replace(self._old)

    def close(self) -> None:
        """Let go; one that was not published is removed."""
        os.close(self._from)
        os.close(self._to)
        with contextlib.suppress(OSError):
            self._new.unlink()


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
