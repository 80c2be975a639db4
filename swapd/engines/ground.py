"""What all runs of one daemon stand on, and the process that watches over them when the daemon cannot."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import swapd
from swapd.core.engine import RunId
from swapd.engines.cgroup import Group
from swapd.engines.environment import inherited
from swapd.engines.house import WATCHED, House, sign
from swapd.engines.output import Outputs
from swapd.engines.reaper import DONE

log = logging.getLogger("swapd")
LAST = 2.0
"""Seconds for the watchdog to be gone at our end."""


class Front(Protocol):
    """Whoever speaks with engines for clients."""

    def waited(self, run: RunId) -> float:
        """For how many seconds somebody has had no byte of the run; 0 if nobody waits for one."""

    def forget(self, run: RunId) -> None:
        """Its process has ended: send nobody there any more. Somebody else may listen there by now."""


class Nobody:
    """There are no clients."""

    def waited(self, run: RunId) -> float:
        """Nobody waits."""
        return 0.0

    def forget(self, run: RunId) -> None:
        """Nobody is sent."""


@dataclass(frozen=True, slots=True)
class Ground:
    """``group``: the cgroup that we may make others in, if any."""

    environ: Mapping[str, str]
    house: House
    outputs: Outputs
    group: Group | None
    front: Front


class Watchdog:
    """A process that hears of our death by a pipe, waits for a successor, and else ends our engines.

    Started with the first engine. Where the state folder is not ours nobody can come back, and it waits for none.
    """

    def __init__(self, house: House | None, environ: Mapping[str, str], within: float | None) -> None:
        """``within``: seconds that it waits for a successor; None: not at all. ``house``: None wants none."""
        self._house = house
        self._environ = environ
        self._within = within or 0.0
        self._pid: int | None = None
        self._pipe: int | None = None

    def begin(self) -> None:
        """Unless it is there. Never raises: engines are served without it too. Blocks for ms if it is not."""
        if self._house is None or self._is_there():
            return
        try:
            self._pid, self._pipe = _started(self._house, self._within, self._environ)
        except OSError as error:
            log.warning("cannot start the watchdog: %s; `swapd reap` ends what a crash leaves", error.strerror)
        else:
            if self._house.lock is not None:
                sign(self._house.lock, WATCHED)

    def go_on(self, pid: int, pipe: int) -> None:
        """It was begun in an earlier life of this very process."""
        self._pid, self._pipe = pid, pipe

    @property
    def held(self) -> tuple[int, int] | None:
        """Its pid and our end of the pipe, while it is there."""
        return (self._pid, self._pipe) if self._pid is not None and self._pipe is not None else None

    def end(self) -> None:
        """We go in good order. Blocks for ms; LAST seconds at most."""
        if self._pid is None or self._pipe is None:
            return
        with contextlib.suppress(OSError):
            os.write(self._pipe, DONE)
        os.close(self._pipe)
        with contextlib.suppress(OSError):
            fd = os.pidfd_open(self._pid)
            poll = select.poll()  # select knows no descriptors from 1024 on
            poll.register(fd, select.POLLIN)
            if not poll.poll(LAST * 1000):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
            os.waitpid(self._pid, 0)
        self._pid = self._pipe = None

    def _is_there(self) -> bool:
        """Somebody may have killed it; then it is let go. It need not be our child: we may be a stand-in."""
        if self._pid is None or self._pipe is None:
            return False
        poll = select.poll()
        poll.register(self._pipe, 0)
        if not poll.poll(0):  # else nobody is left who reads from the pipe
            return True
        log.warning("the watchdog (pid %d) is gone: starting another", self._pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)
        os.close(self._pipe)
        self._pid = self._pipe = None
        return False


def _started(house: House, within: float, environ: Mapping[str, str]) -> tuple[int, int]:
    """Its pid, and our end of its pipe. Raises OSError."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        folder = [] if house.folder is None else [str(house.folder)]
        return _popen([str(os.getpid()), house.id, f"{within:g}", *folder], reading, environ), writing
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)


def _popen(words: Sequence[str], pipe: int, environ: Mapping[str, str]) -> int:
    """Its pid. In a session of its own: whatever ends ours with a signal to the group must not end it."""
    code = str(Path(swapd.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "swapd.engines.reaper", *words],
        stdin=pipe,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if _is_pipe(2) else None,
        env=inherited(environ) | _journal(environ) | {"PYTHONPATH": code},
        cwd="/",
        start_new_session=True,
    )
    process.returncode = 0  # it is waited for by its pid: Popen would complain of one that lives on
    return process.pid


def _journal(environ: Mapping[str, str]) -> dict[str, str]:
    """What tells it whether systemd's journal reads what it says."""
    return {name: value for name, value in environ.items() if name == "JOURNAL_STREAM"}


def _is_pipe(fd: int) -> bool:
    """Whoever reads it to its end would wait for the watchdog too."""
    with contextlib.suppress(OSError):
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    return True
