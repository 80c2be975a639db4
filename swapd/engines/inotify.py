"""Tells when a file grows: one inotify for all of them, and a look now and then where there is none to be had.

Facts from inotify(7): a watch is on the inode, whatever path led there; one with IN_ONESHOT is gone after its
first event; a queue that overflowed says so by the watch -1. Looked up here: a memfd's first descriptor tells
of no writes (kernels since 6.14), one that was opened by its path in /proc does.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable

IN_MODIFY = 0x2
IN_IGNORED = 0x8000
IN_ONESHOT = 0x80000000
EVENT = struct.Struct("iIII")
"""Watch, mask, cookie, and the length of a name that follows; none does, for we watch no folders."""
AT_ONCE = 64 << 10
"""Bytes of events read at a time."""
SOONEST, LATEST = 0.05, 1.0
"""Seconds between two looks at a file that nobody watches for us: seldom once it has long been quiet."""


class Inotify:
    """One for all files of a loop. Opened when first needed, and kept: closing one takes the kernel a while."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._waiting: dict[int, Callable[[], None]] = {}

    def once(self, fd: int, grown: Callable[[], None], *, quiet: float) -> Callable[[], None]:
        """Call ``grown`` on the loop, once, when the file of ``fd`` is written to; the answer calls it off.

        ``quiet``: seconds since it was written to last, for where only a look can tell: then it is called after
        a twentieth of that, whether there is something new or not.
        """
        watch = self._watch(fd)
        if watch is None:
            pause = min(max(quiet / 20, SOONEST), LATEST)
            return asyncio.get_running_loop().call_later(pause, grown).cancel
        self._waiting[watch] = grown
        return lambda: self._forget(watch)

    def close(self) -> None:
        """Let go of the descriptor; who waits is not called any more."""
        self._waiting.clear()
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _watch(self, fd: int) -> int | None:
        """The watch; None if the kernel has no more instances or watches for us."""
        if self._fd is None and not self._open():
            return None
        path = f"/proc/self/fd/{fd}".encode()
        watch: int = self._libc.inotify_add_watch(self._fd, path, ctypes.c_uint32(IN_MODIFY | IN_ONESHOT))
        return watch if watch >= 0 else None

    def _open(self) -> bool:
        fd: int = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if fd < 0:
            return False
        try:
            asyncio.get_running_loop().add_reader(fd, self._read, fd)
        except OSError:  # the kernel watches no more descriptors for us
            os.close(fd)
            return False
        self._fd = fd
        return True

    def _forget(self, watch: int) -> None:
        if self._waiting.pop(watch, None) is not None:
            self._libc.inotify_rm_watch(self._fd, watch)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, AT_ONCE)
        except BlockingIOError:
            return
        watches = {watch for watch, mask, _, _ in EVENT.iter_unpack(data) if not mask & IN_IGNORED}
        if -1 in watches:
            watches = set(self._waiting)
        for watch in watches:
            if (grown := self._waiting.pop(watch, None)) is not None:
                grown()
