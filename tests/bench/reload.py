"""What running streams notice of a reload: ``python -m tests.bench.reload [MODELS]`` (default 1000).

A daemon with so many described models of ten lines each, and one engine with 20 streams of 100 chunks a second
through the proxy. In turns nothing happens for a while, or one model's ttl is edited and ``POST /admin/reload``
asks for it (the watcher finds the same save a moment later, and that it was read). Prints the milliseconds from
the request to its answer, and by kind of turn the gaps between the chunks of a stream, and what a chunk takes
from the engine's send to the client's receive. The engine is C; the client is this process.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench.text import columns
from tests.bench.tools import Missing, machine, program

STREAMS, EVERY_US, TURNS, TURN = 20, 10_000, 20, 0.8
"""Streams, microseconds between the chunks of one, turns of each kind, seconds of each."""
SENT = re.compile(rb'"t":(\d+)')
HEAD = """listen: 127.0.0.1:0
state_dir: state
macros: {{gguf: /srv/models}}
defaults: {{ttl: 10m, gpu_layers: auto, threads: auto}}
models:
  bench: {{command: "{engine} --host 127.0.0.1 --port ${{port}}", concurrency: 64, ttl: never}}
"""
MODEL = """  model-{n}:
    path: ${{gguf}}/Model-{n}-Q4_K_M.gguf
    gpu_layers: 99
    context: 32768
    parallel: 2
    args: [--jinja, --cache-type-k, q8_0]
    aliases: {{alias-{n}: {{}}, "model-{n}:cold": {{set: {{temperature: 0}}}}}}
    ttl: {minutes}m
    description: One of very many   # and a remark
    timeouts: {{first_byte: 2m}}

"""


def config(models: int, edited: int) -> str:
    """``edited`` minutes are the ttl of the one in the middle."""
    parts = (MODEL.format(n=n, minutes=edited if n == models // 2 else 30) for n in range(models))
    return HEAD.format(engine=program("upstream")) + "".join(parts)


@dataclass(slots=True)
class Heard:
    """Milliseconds, by kind of turn."""

    turn: str = "warm"
    gaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ways: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Stream(asyncio.Protocol):
    """One stream, for ever."""

    def __init__(self, heard: Heard) -> None:
        self._heard, self._last = heard, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        body = {"model": "bench", "stream": True, "bench_chunks": 1_000_000, "bench_every_us": EVERY_US}
        transport.write(request("/v1/chat/completions", json.dumps(body, separators=(",", ":"))))

    def data_received(self, data: bytes) -> None:
        """Note when what came was sent."""
        now, heard = time.monotonic_ns(), self._heard
        if (found := SENT.search(data)) is None:
            return
        heard.ways[heard.turn].append((now - int(found[1])) / 1e6)
        if self._last:
            heard.gaps[heard.turn].append((now - self._last) / 1e6)
        self._last = now


def request(path: str, body: str = "") -> bytes:
    """A POST as it goes over the wire."""
    head = f"Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}".encode()


async def reload(port: int) -> float:
    """Ask for a reload; the milliseconds until its answer, which must tell of one model."""
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/admin/reload"))
    answer = await reader.readuntil(b"}")
    writer.close()
    assert b"model-" in answer, answer
    return (time.perf_counter() - begun) * 1e3


async def measure(port: int, path: Path, models: int) -> tuple[Heard, list[float]]:
    """Interleaved turns."""
    heard, took, streams = Heard(), [], []
    texts = [config(models, 31 + turn) for turn in range(TURNS)]
    for _ in range(STREAMS):
        made = await asyncio.get_running_loop().create_connection(lambda: Stream(heard), "127.0.0.1", port)
        streams.append(made[0])
    await asyncio.sleep(3)
    assert heard.gaps["warm"], "no stream was heard"
    for text in texts:
        heard.turn = "nothing happens"
        await asyncio.sleep(TURN)
        await asyncio.to_thread(path.write_text, text)
        heard.turn = "a reload"
        ends = time.monotonic() + TURN
        took.append(await reload(port))
        await asyncio.sleep(ends - time.monotonic())
    for transport in streams:  # what comes while asyncio winds up would be late by our own doing
        transport.abort()
    del heard.gaps["warm"], heard.ways["warm"]
    return heard, took


def row(name: str, values: list[float]) -> list[str]:
    """p50, p99, p99.9 and the largest."""
    cuts = statistics.quantiles(values, n=1000)
    return [name, str(len(values)), *(f"{value:.2f}" for value in (cuts[499], cuts[989], cuts[998], max(values)))]


def listening(log: Path, daemon: subprocess.Popen[bytes]) -> int:
    """The port, once the daemon says it."""
    while (found := re.search(r"listening on http://127.0.0.1:(\d+)", log.read_text())) is None:
        assert daemon.poll() is None, log.read_text()
        time.sleep(0.02)
    return int(found[1])


def main() -> None:
    """Print the tables."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "swapd.yaml", Path(folder) / "log"
        path.write_text(config(models, 30))
        command = [sys.executable, "-m", "swapd", "serve", "-c", str(path)]
        with log.open("wb") as out, subprocess.Popen(command, stderr=out) as daemon:
            try:
                heard, took = asyncio.run(measure(listening(log, daemon), path, models))
                weight = psutil.Process(daemon.pid).memory_info().rss / 2**20
            finally:
                daemon.terminate()
    print(" ".join(f"{name}: {value}" for name, value in machine().items()))
    print(f"reload of one of {models} models: {statistics.median(took):.0f} ms (worst {max(took):.0f}); ", end="")
    print(f"{weight:.0f} MiB resident afterwards")
    head = ["ms, while", "chunks", "p50", "p99", "p99.9", "max"]
    for title, by_turn in (("gaps between chunks", heard.gaps), ("engine to client", heard.ways)):
        print(f"\n{title}\n" + columns([head, *(row(name, values) for name, values in by_turn.items())]))


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        sys.exit(str(missing))
