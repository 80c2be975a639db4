"""The files that engines write to, as anybody finds them on the disk: whoever reads them, or nobody.

Without asyncio: the reaper sees to them too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

FOLDER = "logs"
"""In the state folder."""
MEMORY = "swapd log of "
"""How the names of files in memory begin."""
LIMIT = 4 << 20
"""Bytes that a file may have before it is emptied in the writer's next pause; at twice that, without one."""
LAST = 512 << 10
"""Bytes that stay of one that nobody reads: what the log book of a daemon to come takes."""
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
BLOCK = 64 << 10
"""Bytes: a multiple of what any file system gives back at a time."""
SECTOR = 512
"""Bytes: what stat(2) counts the room of a file in."""
LIBC = ctypes.CDLL(None)
OLD = 30 * 86400
"""Seconds, counted back from the newest file, after which one that nobody has open is removed."""
_BITS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def free(fd: int, end: int) -> bool:
    """Give back the room of the first ``end`` bytes; whether the file system can. The file is as long as before.

    While somebody writes without a pause, emptying waits for its turn, and loses what is written until then.
    """
    punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    whole = end - end % BLOCK  # of a part of a block the file would keep zeros
    failed: int = LIBC.fallocate(fd, punch, ctypes.c_long(0), ctypes.c_long(whole))
    return not failed


def is_full(fd: int, room: int) -> bool:
    """Whether the disk of an open file has less than ``room`` bytes left. Raises OSError."""
    disk = os.fstatvfs(fd)
    return disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < room  # some file systems do not say


def tidy(folder: Path) -> None:
    """Remove the logs that nobody has open and nobody wrote to for long, of models that are no more, say.

    Raises OSError. Ages are told by the newest of them, so that neither a jump of the clock nor a machine that
    was off for a while costs any.
    """
    found = {path: path.lstat().st_mtime for path in folder.iterdir() if path.suffix in {".log", ".1", ".new"}}
    newest = max(found.values(), default=0.0)
    for path, at in found.items():
        if newest - at > OLD and not in_use(path):
            path.unlink(missing_ok=True)


def in_use(path: Path) -> bool:
    """Whether an engine or a daemon has it open: see ``hold``. So is what is no file, or not ours to look at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return not stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return True
    finally:
        os.close(fd)


def hold(fd: int) -> None:
    """Say that it is in use: a shared flock, which whoever inherits the descriptor keeps. Best effort."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


def keep_in_bounds(state: Path, pids: Iterable[int]) -> None:
    """Of each file in the state folder, and of those in memory that the processes write to, keep the last part.

    For where no daemon rotates them. Never raises.
    """
    for fd in chain(_on_disk(state / FOLDER), _in_memory(pids)):
        with contextlib.suppress(OSError):
            _trim(fd)
        os.close(fd)


def _trim(fd: int) -> None:
    """Raises OSError."""
    seen = os.fstat(fd)
    large = min(seen.st_size, seen.st_blocks * SECTOR) > 2 * LIMIT  # of what was freed it has only the length
    if large and stat.S_ISREG(seen.st_mode) and not free(fd, seen.st_size - LAST):
        os.ftruncate(fd, 0)


def _on_disk(folder: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for path in folder.glob("*.log"):
            with contextlib.suppress(OSError):
                yield os.open(path, _BITS)


def _in_memory(pids: Iterable[int]) -> Iterator[int]:
    for pid in pids:
        path = Path(f"/proc/{pid}/fd/1")
        with contextlib.suppress(OSError):
            if str(path.readlink()).startswith(f"/memfd:{MEMORY}"):
                yield os.open(path, _BITS & ~os.O_NOFOLLOW)
