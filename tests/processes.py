"""Whole daemons as child processes, and the proof that nothing of theirs is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

import aiohttp

from tests.forking import Forked

FAKE = Path(__file__).parent / "fakes" / "llama_server.py"
MARK = "TEST_MARK"
"""A variable that every process of a test inherits, so that leftovers are found wherever they went."""


def fake(*flags: str, place: str = "--host ${host} --port ${port}") -> str:
    """A ``command:`` that runs the fake engine."""
    return " ".join([sys.executable, str(FAKE), place, "--alias ${model}", *flags])


def marked(mark: str) -> list[str]:
    """The processes that carry the mark, zombies left out: ``pid cmdline``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
        except OSError:
            continue
    return found


async def until(fact: Callable[[], Any], bound: float = 20.0) -> Any:
    """Wait for a fact (a plain or an async function that returns something true), never for time."""
    async with asyncio.timeout(bound):
        while True:
            found = fact()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


class Running:
    """A ``swapd serve`` of its own."""

    def __init__(self, config: Path, process: Popen[str] | Forked) -> None:
        self.config = config
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """The base URL, from the line that announces it."""
        return self.wait_line("is listening on http").rpartition(" ")[2]

    def wait_line(self, text: str, bound: float = 30.0) -> str:
        """The first line that holds ``text``, past or to come."""
        deadline = time.monotonic() + bound
        with self._changed:
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"no line with {text!r} in:\n" + "\n".join(self.lines))
                self._changed.wait(min(left, 0.2))

    def stop(self, number: int = signal.SIGTERM, bound: float = 20.0) -> int:
        """Signal the daemon and wait for its end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(bound)
        self._reader.join(5)
        return code

    def close(self) -> None:
        """Whatever the test left it as."""
        try:
            self.stop()
        except TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


class Client:
    """An HTTP client of a daemon, with the verbs that tests keep using."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.http = session

    def chat(self, model: str, **body: Any) -> Any:
        """POST a chat; to be awaited, or entered for a stream."""
        messages = [{"role": "user", "content": "go"}]
        return self.http.post("/v1/chat/completions", json={"model": model, "messages": messages, **body})

    async def text(self, model: str, **body: Any) -> str:
        """The text of a whole answer, which must be a good one."""
        async with self.chat(model, **body) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["choices"][0]["message"]["content"]

    async def status(self) -> dict[str, Any]:
        """The status object."""
        async with self.http.get("/admin/status") as answer:
            return await answer.json()

    async def model(self, name: str) -> dict[str, Any]:
        """One model's entry in it."""
        return next(m for m in (await self.status())["models"] if m["name"] == name)

    async def is_in(self, name: str, state: str) -> bool:
        """Whether the model is in that state."""
        return (await self.model(name))["state"] == state


def fresh(words: list[str], environ: dict[str, str]) -> Popen[str]:
    """``swapd WORDS`` as a shell would start it."""
    command = [sys.executable, "-W", "error", "-m", "swapd", *words]
    return Popen(command, stderr=PIPE, text=True, errors="replace", env=environ)


@contextmanager
def daemons(folder: Path, begin: Callable[..., Popen[str] | Forked] = fresh) -> Iterator[Callable[..., Running]]:
    """A function that starts daemons; at the end they are stopped, and nothing of theirs may be left.

    ``begin(words, environ)``: ``swapd WORDS`` as a process.
    """
    mark = uuid.uuid4().hex
    own = {MARK: mark, "PYTHONPATH": str(Path(__file__).parent.parent), "STATE_DIRECTORY": str(folder / "state")}
    environ = {**os.environ, **own}
    started: list[Running] = []

    def start(config: str | Path, **extra: str) -> Running:
        path = config if isinstance(config, Path) else folder / f"swapd-{len(started)}.yaml"
        if isinstance(config, str):
            path.write_text(config)
        started.append(Running(path, begin(["serve", "-c", str(path)], {**environ, **extra})))
        return started[-1]

    try:
        yield start
    finally:
        for daemon in started:
            daemon.close()
        deadline = time.monotonic() + 5
        while (left := marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        for line in left:
            os.kill(int(line.split()[0]), signal.SIGKILL)
        assert left == [], "processes were left behind"
