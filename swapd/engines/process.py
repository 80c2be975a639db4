"""One process, ours or taken over: its end seen by its pidfd, its output heard, and its tree ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import psutil

from swapd import threads
from swapd.core.refusal import Exit
from swapd.engines import hints, identity
from swapd.engines.cgroup import Group
from swapd.engines.environment import MARKER
from swapd.engines.identity import Identity
from swapd.engines.leader import Leader
from swapd.engines.logs import Capture, LogBook
from swapd.engines.news import News
from swapd.engines.oom import EYE, KILLED
from swapd.engines.output import Output
from swapd.engines.tree import Tree

log = logging.getLogger("swapd")
KILL_BOUND = 5.0
"""Seconds to wait for a killed tree; a process in uninterruptible sleep may need longer than we will."""
SCAN_BOUND = 1.0
"""Seconds that looking for the tree may hold up a signal to those we know of anyway."""
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""The soft limit that we were started with, before we raised it for ourselves: old code fails beyond 1024."""


class CannotStart(Exception):
    """The process could not be created; the message says which and why."""


class Process:
    """``pid`` leads a session of its own, so no signal of ours or of a terminal strays."""

    def __init__(self, leader: Leader, ident: Identity, capture: Capture, group: Group | None) -> None:
        """Raises RuntimeError or OSError if its end cannot be heard."""
        self.identity = ident
        self.tree = Tree(leader.pid, ident.marker, leader.is_held, group)
        self._leader = leader
        self._capture = capture
        self._asked = False
        self._faultless = False
        self._leader_gone = asyncio.Event()
        leader.on_exit(self._leader_gone.set)
        EYE.note(self.pid)

    @classmethod
    def started(
        cls,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        cwd: str | None,
        book: LogBook,
        output: Output,
        *,
        umask: int = -1,
        group: Group | None = None,
    ) -> Process:
        """A new one. ``env`` is all that it gets, its marker too. Raises CannotStart; then nothing is left of it.

        It writes to ``output``, which stays the caller's. ``group``: the cgroup that ``argv`` begins with
        joining; removed at the end, or if it cannot be started.
        """
        with ExitStack() as undo:
            if group is not None:
                undo.callback(group.remove)
            pid = _started(argv, env, cwd, umask, output.fd)
            leader = Leader.of_child(pid)
            undo.callback(leader.discard)
            try:
                _lower_limit(pid)
                capture = Capture(book, output)
                undo.callback(capture.close)
                process = cls(leader, identity.of(pid, env[MARKER]), capture, group)
            except (OSError, RuntimeError) as error:
                raise CannotStart(f"cannot watch '{argv[0]}': {error}") from error
            undo.pop_all()
            return process

    @classmethod
    def adopted(cls, ident: Identity, pidfd: int, capture: Capture, group: Group | None = None) -> Process:
        """One that lives already. ``pidfd`` and ``capture`` are its own from now on.

        Raises RuntimeError or OSError if its end cannot be heard; then it is ended, for nobody looks after it.
        """
        leader = Leader(ident.pid, pidfd)
        try:
            return cls(leader, ident, capture, group)
        except BaseException:
            leader.discard()
            capture.close()
            raise

    @property
    def pid(self) -> int:
        """Of the one that leads it."""
        return self.identity.pid

    @property
    def news(self) -> News:
        """Hears whatever it writes."""
        return self._capture.news

    async def gone(self) -> None:
        """Return at once when the process has ended, whatever of its tree is left."""
        await self._leader_gone.wait()

    async def wait(self) -> Exit:
        """Return when the process has ended and nothing of its tree is left. Once."""
        await self.gone()
        await self._sweep()
        status = await self._leader.end()  # reaped last, so that the pid cannot be another's meanwhile
        self._capture.close()
        self.tree.clear()
        starved = EYE.starved() if status in KILLED and not self._asked else None
        last, faultless = self._capture.last, self._faultless
        return hints.ended(status, last, asked=self._asked, faultless=faultless, starved=starved)

    async def terminate(self, *, faultless: bool = False) -> None:
        """SIGTERM to the group. The tree is looked at first: who loses its parent now stays known.

        ``faultless``: it goes though nothing is wrong with it.
        """
        self._asked, self._faultless = True, faultless
        await self._look(self.tree.members)
        self._signal(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL to the whole tree; ``wait`` goes on with it until it is gone."""
        self._asked = True
        await self._look(self.tree.kill)
        self._signal(signal.SIGKILL)

    async def _look(self, walk: Callable[[], object]) -> None:
        if not self._leader_gone.is_set():
            # Whatever it fails by (no descriptor or thread, a /proc that hangs), the signal is sent all the same.
            with contextlib.suppress(TimeoutError, RuntimeError, OSError, psutil.Error):
                await asyncio.wait_for(threads.run(walk), SCAN_BOUND)

    def _signal(self, number: signal.Signals) -> None:
        if not self._leader.signal_group(number):
            self.tree.signal_group(number)

    async def _sweep(self) -> None:
        """SIGKILL to what is left, again and again while it forks. Returns after KILL_BOUND in any case."""
        left, pause = [self.pid], 0.001
        try:
            async with asyncio.timeout(KILL_BOUND):
                while left := await threads.run(self._kill_tree):
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 0.1)
        except (TimeoutError, RuntimeError) as error:  # /proc itself may hang; or there is no thread to be had
            self._signal(signal.SIGKILL)
            reason = str(error) or "they do not react"
            log.error("cannot kill processes %s, left by pid %d: %s", left, self.pid, reason)

    def _kill_tree(self) -> list[int]:
        """The pids that are left; the leader's own if we cannot even look.

        A look takes a while: one that forks and ends meanwhile is missed with its child. The next look finds that.
        """
        try:
            return self.tree.kill() or self.tree.kill()
        except (OSError, psutil.Error):
            return [self.pid]


def _started(argv: tuple[str, ...], env: Mapping[str, str], cwd: str | None, umask: int, output: int) -> int:
    """Its pid. Raises CannotStart."""
    try:
        return _spawned(argv, env, cwd, umask, output)
    except (OSError, ValueError) as error:
        where = f" in {cwd}" if cwd and isinstance(error, NotADirectoryError | FileNotFoundError) else ""
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot start '{argv[0]}'{where}: {reason}") from error


def _spawned(argv: tuple[str, ...], env: Mapping[str, str], cwd: str | None, umask: int, output: int) -> int:
    popen = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        cwd=cwd,
        env=env,
        umask=umask,
    )
    popen.returncode = 0  # it is told that all is over: from here on we wait for the process, by its pidfd
    return popen.pid


def _lower_limit(pid: int) -> None:
    """To what we were started with; what an engine really needs, it asks for itself."""
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
