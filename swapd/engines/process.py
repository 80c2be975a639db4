"""One engine process: own session, logs always drained, exit seen by its pidfd, and its tree ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Mapping

from swapd.core.refusal import Exit
from swapd.engines import hints, tree
from swapd.engines.environment import scrubbed
from swapd.engines.logs import Capture, LogBook

log = logging.getLogger("swapd")
KILL_BOUND = 5.0
"""Seconds to wait for a killed tree; a process in uninterruptible sleep may need longer than we will."""


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
        self._marker = uuid.uuid4().hex
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                cwd=cwd,
                env=scrubbed(environ, env, self._marker),
            )
        except (OSError, ValueError) as error:
            os.close(reading)
            where = f" in {cwd}" if cwd and isinstance(error, NotADirectoryError | FileNotFoundError) else ""
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise CannotStart(f"cannot start '{argv[0]}'{where}: {reason}") from error
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        self._capture = Capture(book, reading)

    async def wait(self) -> Exit:
        """Return when the process has ended and nothing of its tree is left."""
        await self._leader_gone()
        left = await asyncio.to_thread(tree.kill, self.pid, self._marker, KILL_BOUND)
        if left:
            log.error("cannot kill processes %s of engine %d: they do not react", left, self.pid)
        status = self._popen.wait()
        self._capture.close()
        return hints.ended(status, self._capture.last)

    def terminate(self) -> None:
        """SIGTERM to the group."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the group; ``wait`` ends the rest of the tree once the leader is gone."""
        self._signal(signal.SIGKILL)

    def memory(self) -> int | None:
        """Resident bytes of the tree; None if it is gone."""
        return tree.memory(self.pid)

    async def owns(self, port: int) -> tuple[bool | None, str]:
        """Whether the listener on the port is ours; see tree.owner_of."""
        return await asyncio.to_thread(lambda: tree.owner_of(port, tree.members(self.pid, self._marker)))

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.returncode is not None:
            return  # reaped: the number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _leader_gone(self) -> None:
        """By pidfd: 0.04 ms and no thread. The zombie is reaped last, so the pid cannot be reused meanwhile."""
        try:
            fd = os.pidfd_open(self.pid)
        except (OSError, AttributeError):  # an old kernel, or not Linux
            await asyncio.to_thread(self._popen.wait)
            return
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(fd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)
