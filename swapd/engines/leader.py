"""The process that leads a run, held so that no other can be taken for it: our child, or a stranger's by now.

Held by a pidfd: its end is seen in 0.04 ms, without a thread, and whatever is asked or sent by it never meets
another process that was given the same pid. A child of ours keeps its pid until we reap it. One that an earlier
life of the daemon started is init's child and reaped by that; unless we are that daemon still, executed anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import threading
from collections.abc import Callable

REAPED = 0.03
"""Seconds for somebody else to reap it, before which the kernel does not tell how it ended."""
WHOLE_GROUP = 1 << 2
"""PIDFD_SIGNAL_PROCESS_GROUP of pidfd_send_signal(2), since Linux 6.9."""
_GET_INFO = 3 << 30 | 64 << 16 | 0xFF << 8 | 11
"""PIDFD_GET_INFO of ioctl_pidfd(2): read and write 64 bytes. How a process ended is told since Linux 6.15."""
_INFO_EXIT = 1 << 3


def expect_children() -> None:
    """Undo what our own parent may have done: where SIGCHLD is ignored, nobody is told how a child ended.

    For the start of the daemon, in the main thread.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class Leader:
    """``pidfd`` is its own from now on; None for a child where pidfds are not to be had."""

    def __init__(self, pid: int, pidfd: int | None) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._ended = False
        self._watching: asyncio.AbstractEventLoop | None = None
        # The tree asks in threads, and a closed descriptor's number may be another's at once.
        self._lock = threading.Lock()

    @classmethod
    def of_child(cls, pid: int) -> Leader:
        """A child that nobody else waits for. Never raises."""
        try:
            return cls(pid, os.pidfd_open(pid))
        except (OSError, AttributeError):  # an old kernel, no descriptor left, or not Linux
            return cls(pid, None)

    def on_exit(self, gone: Callable[[], None]) -> None:
        """Call ``gone`` on the loop, once it has ended. Raises RuntimeError or OSError if that cannot be heard."""
        loop = asyncio.get_running_loop()
        if self._pidfd is None:
            name = f"wait {self.pid}"
            threading.Thread(target=self._wait, args=(loop, gone), name=name, daemon=True).start()
            return

        def readable() -> None:
            self._unwatch()
            gone()

        loop.add_reader(self._pidfd, readable)
        self._watching = loop

    def is_held(self) -> bool:
        """Whether its pid is surely its own still. Any thread may ask."""
        with self._lock:
            if self._ended or self._pidfd is None:
                return not self._ended
            try:
                signal.pidfd_send_signal(self._pidfd, 0)  # only asks
            except ProcessLookupError:
                return False
            except OSError:
                pass  # another user's, but there
            return True

    def signal_group(self, number: signal.Signals) -> bool:
        """Signal its process group; whether that could be done without fear of meeting another's."""
        if self._ended:
            return True
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number, None, WHOLE_GROUP)
                return True
        except (ProcessLookupError, PermissionError):
            return True  # nobody is left of it, or nobody whom we may signal
        except OSError:
            pass  # an older kernel
        if not self._is_child():
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        return True

    async def end(self) -> int | None:
        """Reap it and let go: the exit code, negative for a signal; None if nobody tells. Once it has ended."""
        try:
            return self._reaped()
        except ChildProcessError:
            return await self._told()
        finally:
            self.close()

    def close(self) -> None:
        """Let go. Harmless twice."""
        self._unwatch()
        with self._lock:
            self._ended = True
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None

    def discard(self) -> None:
        """End a child that is of no use, with its group, and reap it."""
        self.signal_group(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitid(*self._which(), os.WEXITED)
        self.close()

    def _reaped(self) -> int | None:
        """Raises ChildProcessError if it is not for us to reap."""
        seen = os.waitid(*self._which(), os.WEXITED | os.WNOHANG)
        if seen is None:  # a debugger has it
            return None
        return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status

    def _which(self) -> tuple[int, int]:
        return (os.P_PID, self.pid) if self._pidfd is None else (os.P_PIDFD, self._pidfd)

    def _is_child(self) -> bool:
        try:
            os.waitid(*self._which(), os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    async def _told(self) -> int | None:
        """How one ended that somebody else reaps; waits REAPED for that at most."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + REAPED, 0.0005
        while (pidfd := self._pidfd) is not None:
            told = bytearray(64)
            struct.pack_into("Q", told, 0, _INFO_EXIT)
            try:
                fcntl.ioctl(pidfd, _GET_INFO, told)
            except OSError:  # an older kernel: it knows no such question, or has forgotten who is reaped
                return None
            if struct.unpack_from("Q", told, 0)[0] & _INFO_EXIT:
                status: int = struct.unpack_from("i", told, 60)[0]  # as of wait(2)
                return os.waitstatus_to_exitcode(status)
            if loop.time() >= until:
                return None
            await asyncio.sleep(pause)
            pause *= 2
        return None

    def _wait(self, loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
        """In a thread, where there is no pidfd. It is not reaped yet."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(gone)

    def _unwatch(self) -> None:
        if self._watching is not None and self._pidfd is not None:
            self._watching.remove_reader(self._pidfd)
        self._watching = None
