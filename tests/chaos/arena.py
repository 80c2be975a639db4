"""The daemon under test: its folder, its process, what it says of itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import features, procs
from tests.chaos.menu import FOURTH, Menu
from tests.chaos.wire import Cut, fetch

FILES = 512
"""Open files that the daemon may have: few enough to run out of them."""
LISTENS = re.compile(rb" is listening on \S+$", re.MULTILINE)
"""What a daemon says once it serves. One that only stands in for it says more."""
UP = 20.0
"""Seconds for the daemon to answer."""
CARELESS = [
    *("env", "-u", "HOME", "LC_ALL=C", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0"),
    *("sh", "-c", """umask 0; trap '' CHLD; exec "$@" <&-""", "sh"),
]
DISK = "32m"
"""The size of the state folder, where it can be a disk of its own: room for the logs of a few engines."""


async def until(fact: Callable[[], Any | Awaitable[Any]], bound: float, what: str) -> Any:
    """Wait for something true. Raises TimeoutError, which says what never came."""
    deadline = time.monotonic() + bound
    while True:
        found = fact()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {bound:g} s: {what}")
        await asyncio.sleep(0.02)


class Arena:
    """One daemon at a time, always at the same address and with the same state folder."""

    def __init__(self, folder: Path, *, adoption: bool = False, llama: tuple[str, ...] = ()):
        """``adoption``: whether the config knows that key. ``llama``: the command of a true engine."""
        self.mark = os.urandom(8).hex()
        self.folder = folder
        self.port = _free_port()
        self.menu = Menu(folder, self.port, adoption=adoption, llama=llama)
        self.state = folder / "state"
        self.config = folder / "swapd.yaml"
        self.log = folder / "daemon.log"
        self.journal = folder / "journal"
        for name in ("seats", "state", "run"):
            (folder / name).mkdir()
        self.own_disk = bool(os.environ.get(features.ENTERED)) and self._mount()
        self.false_clock = False
        """Whether the next daemon has a clock that ``set_clock`` can move."""
        self.careless = False
        """Whether the next daemon has a parent that cares for nothing."""
        self.process: subprocess.Popen[bytes] | None = None
        self._spawned = 0
        """Where its words begin in the log."""
        self.guest_is_known = False
        self.paper = asyncio.Lock()
        """Held while the config is bad on purpose: a daemon would not start with it."""
        self.set_clock("+0")
        self.save(self.menu)

    @property
    def chats(self) -> Sequence[str]:
        """The models that chat, the fourth only while it is there."""
        missing = {"embed"} if self.guest_is_known else {"embed", FOURTH}
        return [name for name in self.menu.models if name not in missing]

    @property
    def pid(self) -> int:
        """The daemon's."""
        assert self.process is not None
        return self.process.pid

    def save(self, menu: Menu) -> None:
        """By rename, as an editor does it well."""
        self.menu = menu
        new = self.config.with_suffix(".new")
        new.write_text(menu.text())
        new.rename(self.config)

    def set_clock(self, offset: str) -> None:
        """Seconds by which the daemon's wall clock differs, with its sign."""
        new = self.folder / "clock.new"
        new.write_text(offset)
        new.rename(self.folder / "clock")

    async def start(self) -> None:
        """A daemon that answers. Raises TimeoutError."""
        async with self.paper:
            self.spawn()
            await self.answering()

    def spawn(self) -> None:
        """A daemon."""
        command = [sys.executable, "-W", "error", "-m", "swapd", "serve", "-c", str(self.config)]
        careless = CARELESS if self.careless else []
        limited = ["prlimit", f"--nofile={FILES}:{FILES}", "--core=0", *careless, *command]
        with self.log.open("ab") as log:
            self._spawned = log.tell()
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(limited, **streams, env=self._environ(), start_new_session=True)

    def _environ(self) -> dict[str, str]:
        own = {procs.MARK: self.mark, "XDG_RUNTIME_DIR": str(self.folder / "run")}
        return features.environ(own | (self._clock() if self.false_clock else {}))

    def _clock(self) -> dict[str, str]:
        """Of libfaketime; its 0.9.10 fails where time.sleep gives an absolute monotonic time (its issue 426)."""
        sleeping = "import select, time\ntime.sleep = lambda s: select.select([], [], [], s) and None\n"
        (self.folder / "sitecustomize.py").write_text(sleeping)
        own = {"LD_PRELOAD": str(features.faketime()), "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock")}
        steady = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}
        return {**own, **steady, "PYTHONPATH": f"{features.ROOT}:{self.folder}"}

    async def answering(self, bound: float = UP) -> None:
        """Wait until it answers, and nobody who stood in for the last one. Raises TimeoutError."""

        async def there() -> bool:
            return await self.is_alive() and self.listened(self._spawned) > 0

        await until(there, bound, "the daemon answers /health")

    def listened(self, since: int = 0) -> int:
        """How often a daemon has begun to serve, by the log from that byte on."""
        with self.log.open("rb") as file:
            file.seek(since)
            return len(LISTENS.findall(file.read()))

    async def is_alive(self) -> bool:
        """Whether it answers now. Raises TimeoutError if it has ended instead."""
        if self.process is None or self.process.poll() is not None:
            raise TimeoutError(f"the daemon has ended by itself; its last words: {self.last_words()}")
        try:
            return (await fetch(self.port, "GET", "/health", 2.0))[0] == 200
        except (Cut, ValueError, TimeoutError):
            return False

    async def ended(self, bound: float = 30.0) -> int:
        """Its exit code. Raises TimeoutError."""
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None, bound, "the daemon ends")
        assert process.returncode is not None
        return process.returncode

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(["", *lines[-12:]])

    async def status(self) -> dict[str, Any]:
        """As /admin/status tells. Raises Cut, also where it only says why it tells nothing; TimeoutError."""
        code, told = await fetch(self.port, "GET", "/admin/status")
        if code != 200:
            raise Cut(f"/admin/status: {code} {told!r:.200}")
        found: dict[str, Any] = told
        return found

    async def model(self, name: str) -> dict[str, Any]:
        """One of it; empty if there is no such model now."""
        return next((model for model in (await self.status())["models"] if model["name"] == name), {})

    async def admin(self, path: str, bound: float = 30.0) -> tuple[int, Any]:
        """POST /admin/... Raises Cut, TimeoutError."""
        return await fetch(self.port, "POST", f"/admin/{path}", bound)

    def whim(self, model: str, **knobs: Any) -> None:
        """For the next start of a fake engine."""
        new = self.folder / f"new-whim-{model}"
        new.write_text(json.dumps(knobs))
        new.rename(self.folder / f"whim-{model}")

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """What the engines wrote into their journal, from that line on. One that is being written is none."""
        *lines, _ = self.journal.read_bytes().split(b"\n") if self.journal.exists() else [b""]
        return [_event(line) for line in lines[since:]]

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``: the state folder's disk. Raises CalledProcessError while files there are written."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.state)], check=True, capture_output=True)

    def _mount(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "chaos", str(self.state)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    async def close(self) -> list[str]:
        """The daemon's own end; what it left."""
        left = []
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await self.ended()
            except TimeoutError as error:
                left.append(str(error))
                self.process.kill()
                self.process.wait()
            try:
                await until(lambda: not procs.marked(self.mark), 5.0, "no process is left")
            except TimeoutError:
                left += [f"left behind: {process}" for process in procs.marked(self.mark)]
        return left

    def abandon(self) -> None:
        """Leave nothing, not even the folder."""
        procs.end_all(self.mark)
        if self.process is not None:
            self.process.wait()
        if self.own_disk:
            subprocess.run(["umount", "-l", str(self.state)], check=False)
            self.own_disk = False
        shutil.rmtree(self.folder, ignore_errors=True)


def _event(line: bytes) -> dict[str, Any]:
    """Of an engine that was killed while it wrote, the rest of the line may be another's."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "torn", "pid": 0}
    return found


def _free_port() -> int:
    """Below those that the kernel takes for outgoing connections, so that it is free after a restart too."""
    for port in range(20000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no port is free")


def many_files() -> None:
    """The driver itself needs more open files than its daemon."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
