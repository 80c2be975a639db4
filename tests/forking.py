"""Daemons without the wait for their imports: a child that has imported swapd forks for each one asked for.

Most of a daemon's start is Python reading modules, 0.4 s of it, and the tests start a hundred. What is forked
has a loop, signals, an environment and an exit of its own, as if started by a shell; only the imports are shared.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Any, TextIO

IMPORTED = ("swapd.cli.serve", "uvloop", "watchfiles", "anyio._backends._asyncio")
TUNED = {"swapd.config.watch": {"STEP": 40}, "swapd.web.relay": {"SLOT_POLL": 0.4}}
"""Pauses between looks, shorter than in earnest: how often a daemon looks, not what it does then.

STEP is also what a daemon waits for at its end: the thread that watches the config wakes so often.
"""


class Forked:
    """A daemon, with as much of Popen as its users need."""

    def __init__(self, told: int, stderr: TextIO) -> None:
        """``told``: a pipe that brings the pid, and the exit code at the end, a line each."""
        self._told = os.fdopen(told)
        self.stderr = stderr
        self.returncode: int | None = None
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """The exit code, once there is one."""
        return self.returncode if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; negative: the signal that ended it. Raises TimeoutExpired."""
        if not self._ended(timeout):
            raise TimeoutExpired("swapd", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> bool:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode is not None


class Forker:
    """The child that forks. ``start(words, environ)``: ``swapd WORDS`` in that environment."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-W", "error", "-m", "tests.forking", str(theirs.fileno())]
            root = Path(__file__).parent.parent
            self._child = Popen(command, cwd=root, stdout=DEVNULL, pass_fds=[theirs.fileno()])

    def start(self, words: list[str], environ: dict[str, str]) -> Forked:
        """A process of its own, whose stderr can be read."""
        heard, errors = os.pipe()
        told, telling = os.pipe()
        wish = json.dumps([words, environ, str(Path.cwd())]).encode()
        socket.send_fds(self._door, [wish], [errors, telling])
        os.close(errors)
        os.close(telling)
        return Forked(told, os.fdopen(heard, errors="replace"))

    def close(self) -> None:
        """Those that it made are not ended."""
        self._door.close()
        self._child.wait()


def serve(door: socket.socket) -> list[str] | None:
    """Fork for each wish. Returns the words in the forked daemon, and None in the parent when nobody is there."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        wish, fds, _, _ = socket.recv_fds(door, 1 << 20, 2)
        if not wish:
            return None
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return keep(*fds, *json.loads(wish))
        for fd in fds:
            os.close(fd)


def keep(errors: int, telling: int, words: list[str], environ: dict[str, str], folder: str) -> list[str]:
    """Fork once more: the parent tells how the daemon ends and ends too; the daemon returns."""
    if pid := os.fork():
        os.close(errors)
        os.write(telling, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(telling, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.dup2(errors, 2)
    for fd in (errors, telling):
        os.close(fd)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    return words


def main() -> Any:
    """Import all, then fork; in the daemon, go on as ``swapd`` does."""
    for name in IMPORTED:
        import_module(name)
    for name, constants in TUNED.items():
        vars(import_module(name)).update(constants)
    with socket.socket(fileno=int(sys.argv[1])) as door:
        words = serve(door)
    if words is None:
        return None
    sys.argv = ["swapd", *words]
    return import_module("swapd.cli").main()


if __name__ == "__main__":
    main()
