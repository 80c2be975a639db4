"""What ``swapd top`` itself costs: ``python -m tests.bench.watched_top``.

Its CPU time in a true terminal (a pty of 120 × 40 cells, read at once), in percent of a core, over twelve seconds
that begin when the first picture is there and has settled. Over a daemon of five idle models, of a thousand, and
of five under steady traffic: twenty short chats a second, which a fake engine answers. Meant: below 3 % over five
idle ones, for an operator looks for hours, on a box that has better things to do.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil

from tests.bench.start import config
from tests.processes import fake

SECONDS, SETTLED, MEANT = 12.0, 3.0, 3.0
PACE = 20
"""Requests a second."""
CHAT = {"model": "busy", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
BUSY = f'  busy: {{command: "{fake()}", concurrency: 4}}\n'


@contextmanager
def serving(text: str) -> Iterator[tuple[str, psutil.Process]]:
    """A daemon with this config: its URL, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "swapd.yaml", Path(folder) / "log"
        path.write_text(text)
        command = [sys.executable, "-m", "swapd", "serve", "-c", str(path)]
        with log.open("w") as told, subprocess.Popen(command, stderr=told) as daemon:
            try:
                deadline = time.monotonic() + 30
                while "is listening on" not in (said := log.read_text()):
                    assert daemon.poll() is None and time.monotonic() < deadline, said
                    time.sleep(0.02)
                yield said.split("is listening on ", 1)[1].split()[0], psutil.Process(daemon.pid)
            finally:
                daemon.terminate()


class Screen:
    """A terminal that takes all that is written, and says whether something was seen."""

    def __init__(self, columns: int = 120, lines: int = 40) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.written = 0
        self._seen = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self) -> None:
        """For the table of models."""
        assert self._seen.wait(20), "swapd top has shown nothing for 20 s"

    def press(self, key: bytes) -> None:
        """One key."""
        os.write(self._ours, key)

    def close(self) -> None:
        """Nobody looks any more."""
        os.close(self.theirs)

    def _read(self) -> None:
        shown = b""
        while True:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:
                os.close(self._ours)
                return
            self.written += len(data)
            shown = (shown + data)[-(1 << 16) :]
            if b"models:" in shown:
                self._seen.set()


def cost(url: str) -> tuple[float, float]:
    """Percent of a core, and bytes a second that are drawn."""
    screen = Screen()
    environ = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    environ.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "swapd", "top", "--url", url]
    ends = {"stdin": screen.theirs, "stdout": screen.theirs, "stderr": screen.theirs}
    with subprocess.Popen(command, env=environ, start_new_session=True, **ends) as top:
        try:
            screen.wait()
            time.sleep(SETTLED)
            process, begun, drawn = psutil.Process(top.pid), time.perf_counter(), screen.written
            before = sum(process.cpu_times()[:2])
            time.sleep(SECONDS)
            took = time.perf_counter() - begun
            share = 100 * (sum(process.cpu_times()[:2]) - before) / took
            return share, (screen.written - drawn) / took
        finally:
            screen.press(b"q")
            top.wait(10)
            screen.close()


async def chat(url: str, done: Callable[[], bool]) -> None:
    """Steadily, one request after the other begins."""
    async with aiohttp.ClientSession(url) as session:

        async def ask() -> None:
            async with session.post("/v1/chat/completions", json=CHAT) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

        await ask()  # the engine is up
        async with asyncio.TaskGroup() as group:
            while not done():
                group.create_task(ask())
                await asyncio.sleep(1 / PACE)


def under_traffic(url: str) -> tuple[float, float]:
    """The same, while requests come."""
    over = threading.Event()
    asking = threading.Thread(target=lambda: asyncio.run(chat(url, over.is_set)))
    asking.start()
    try:
        return cost(url)
    finally:
        over.set()
        asking.join()


def report() -> Iterator[str]:
    """A line for each scene."""
    scenes = (
        ("5 idle models", config(5), cost),
        ("1000 idle models", config(1000), cost),
        (f"5 models, {PACE} requests a second", config(4) + BUSY, under_traffic),
    )
    for name, text, measured in scenes:
        with serving(text) as (url, _):
            share, drawn = measured(url)
        yield f"swapd top, {name}: {share:.1f} % of a core, {drawn:.0f} bytes a second drawn"


def main() -> None:
    """Print the lines."""
    for line in report():
        print(line, flush=True)
    print(f"(meant over 5 idle models: below {MEANT:g} %)")


if __name__ == "__main__":
    main()
