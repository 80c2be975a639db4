"""One process: own session, logs always drained, exit seen by its pidfd, and its tree ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping

import psutil

from swapd.core.refusal import Exit
from swapd.engines import hints
from swapd.engines.environment import scrubbed
from swapd.engines.logs import Capture, LogBook
from swapd.engines.news import News
from swapd.engines.tree import Tree

log = logging.getLogger("swapd")
KILL_BOUND = 5.0
"""Seconds to wait for a killed tree; a process in uninterruptible sleep may need longer than we will."""
SCAN_BOUND = 1.0
"""Seconds that looking for the tree may hold up a signal to those we know of anyway."""


class CannotStart(Exception):
    """The process could not be created; the message says which and why."""


class Process:
    """Created started. ``pid`` leads a session of its own, so no signal of ours or of a terminal strays."""

    def __init__(
        self,
        argv: tuple[str, ...],
        env: tuple[tuple[str, str], ...],
        cwd: str | None,
        environ: Mapping[str, str],
        book: LogBook,
    ) -> None:
        """Raises CannotStart; then nothing is left of it."""
        marker = uuid.uuid4().hex
        self._popen, reading = _started(argv, scrubbed(environ, env, marker), cwd)
        self.pid = self._popen.pid
        self.tree = Tree(self.pid, marker)
        self._asked = False
        self._leader_gone = asyncio.Event()
        try:
            self._capture = self._watched(book, reading)
        except (OSError, RuntimeError) as error:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            raise CannotStart(f"cannot watch '{argv[0]}': {error}") from error

    def _watched(self, book: LogBook, reading: int) -> Capture:
        """Hear what it writes, and of its end. Raises RuntimeError or OSError."""
        capture = Capture(book, reading)
        try:
            _on_exit(self._popen, self._leader_gone.set)
        except BaseException:
            capture.close()
            raise
        return capture

    @property
    def news(self) -> News:
        """Hears whatever it writes."""
        return self._capture.news

    async def wait(self) -> Exit:
        """Return when the process has ended and nothing of its tree is left."""
        await self._leader_gone.wait()
        await self._sweep()
        status = self._popen.wait()  # reaped last, so that the pid cannot be another's meanwhile
        self._capture.close()
        return hints.ended(status, self._capture.last, asked=self._asked)

    async def terminate(self) -> None:
        """SIGTERM to the group. The tree is looked at first: who loses its parent now stays known."""
        self._asked = True
        await self._look(self.tree.members)
        self._signal(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL to the whole tree; ``wait`` goes on with it until it is gone."""
        self._asked = True
        await self._look(self.tree.kill)
        self._signal(signal.SIGKILL)

    async def _look(self, walk: Callable[[], object]) -> None:
        if not self._leader_gone.is_set():
            # Whatever the look fails by (out of file descriptors, say), the signal is sent all the same.
            with contextlib.suppress(TimeoutError, OSError, psutil.Error):
                await asyncio.wait_for(asyncio.to_thread(walk), SCAN_BOUND)

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.returncode is not None:
            return  # reaped: the number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _sweep(self) -> None:
        """SIGKILL to what is left, again and again while it forks."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + KILL_BOUND, 0.001
        while left := await asyncio.to_thread(self._kill_tree):
            if loop.time() > deadline:
                log.error("cannot kill processes %s, left by pid %d: they do not react", left, self.pid)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)

    def _kill_tree(self) -> list[int]:
        """The pids that are left; the leader's own if we cannot even look.

        A look takes a while: one that forks and ends meanwhile is missed with its child. The next look finds that.
        """
        try:
            return self.tree.kill() or self.tree.kill()
        except (OSError, psutil.Error):
            return [self.pid]


def _started(argv: tuple[str, ...], env: dict[str, str], cwd: str | None) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and where its output is to be read. Raises CannotStart."""
    reading = writing = None
    try:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        return _popen(argv, env, cwd, writing), reading
    except (OSError, ValueError) as error:
        if reading is not None:
            os.close(reading)
        where = f" in {cwd}" if cwd and isinstance(error, NotADirectoryError | FileNotFoundError) else ""
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot start '{argv[0]}'{where}: {reason}") from error
    finally:
        if writing is not None:
            os.close(writing)


def _popen(argv: tuple[str, ...], env: dict[str, str], cwd: str | None, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        cwd=cwd,
        env=env,
    )


def _on_exit(popen: subprocess.Popen[bytes], gone: Callable[[], None]) -> None:
    """Call ``gone`` on the loop once the process has ended. By pidfd: 0.04 ms, no thread, and not reaped yet.

    Raises RuntimeError or OSError if there is neither a pidfd to be had nor a thread.
    """
    loop = asyncio.get_running_loop()
    try:
        fd = os.pidfd_open(popen.pid)
    except (OSError, AttributeError):  # an old kernel, no descriptor left, or not Linux

        def wait() -> None:
            with contextlib.suppress(ChildProcessError):  # reaped already
                os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(gone)

        threading.Thread(target=wait, name=f"wait {popen.pid}", daemon=True).start()
        return

    def readable() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        gone()

    try:
        loop.add_reader(fd, readable)
    except BaseException:
        os.close(fd)
        raise
