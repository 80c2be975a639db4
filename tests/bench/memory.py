"""What a daemon weighs: idle, with 500 streams, with readers that stand still; and what it costs at rest."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import proxies, text
from tests.bench.proxies import Proxy
from tests.bench.relay import Load, drive

ENGINES, STREAMS = 10, 500
SLOW = 100_000
"""Microseconds between two events of each of the 500 streams: 5000 events a second in all."""
SETTLE = 15.0
"""Seconds until what a start leaves to do is done: the ledger is saved again only after ten."""
STUCK = 200
"""Readers that ask for an endless stream and then read nothing of it."""
STUCK_FOR = 5.0
"""Seconds that they hold it while the engine sends as fast as it may."""
IDLE = 30.0
"""Seconds without a request: three looks at the meters, six at the config, wherever they fall."""
LIMITS = {
    "idle_mib": ("RSS, idle, ten engines up", "MiB", 70.0),
    "streams_mib": (f"RSS, most with {STREAMS} streams", "MiB", 130.0),
    "stuck_mib": (f"RSS, most with {STUCK} readers that stand still", "MiB", 130.0),
    "idle_cpu": ("CPU, idle, ten engines up", "% of a core", 0.1),
}
"""Figure -> (words, unit, at most)."""


def measure(pace: float = 1.0) -> dict[str, float | None]:
    """The figures of LIMITS, and what else was seen: MiB after the streams, the streams' times in µs."""
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told) / "swapd"
        with proxies.swapd(folder, concurrency=2 * STREAMS, engines=ENGINES) as daemon:
            time.sleep(SETTLE * pace)
            found: dict[str, float | None] = {
                "idle_cpu": _idle(daemon, IDLE * pace),
                "idle_mib": _resident(daemon),
            }
            load = Load("paced500", STREAMS, chunks=1, every=SLOW, warm=2.0, seconds=5.0 * pace)
            with ThreadPoolExecutor(1) as pool:
                driven = pool.submit(drive, daemon, load)
                found["streams_mib"] = _most(daemon, driven)
            found["after_mib"] = _resident(daemon)
            found["stuck_mib"] = _stuck(daemon, STUCK_FOR * pace)
    return found | driven.result()


def table(found: Mapping[str, Any]) -> str:
    """The figures with their bounds."""
    rows = [["memory", "", "", "bound", ""]]
    for key, (words, unit, limit) in LIMITS.items():
        verdict = "ok" if found[key] <= limit else "missed"
        rows.append([words, f"{found[key]:.2f}", unit, f"≤ {limit:g}", verdict])
    rows.append(["RSS after them", f"{found['after_mib']:.2f}", "MiB"])
    rows += [[f"{STREAMS} streams: {key}", f"{found[key]:.0f}", "µs"] for key in ("p50", "p99")]
    rows.append([f"{STREAMS} streams: CPU per chunk", f"{found['cpu']:.1f}", "µs"])
    return text.columns(rows)


def _idle(daemon: Proxy, seconds: float) -> float:
    """Percent of a core."""
    began, spent = time.monotonic(), daemon.cpu()
    time.sleep(seconds)
    return 100 * (daemon.cpu() - spent) / (time.monotonic() - began)


def _most(daemon: Proxy, driven: Future[dict[str, float | None]]) -> float:
    most = 0.0
    while not driven.done():
        most = max(most, _resident(daemon))
        time.sleep(0.1)
    return most


def _stuck(daemon: Proxy, seconds: float) -> float:
    """The most while nobody reads what an engine has for all of them."""
    body = json.dumps(
        {"model": proxies.MODEL, "stream": True, "bench_chunks": 1 << 30, "bench_batch": 64},
        separators=(",", ":"),
    ).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    most = 0.0
    with ExitStack() as readers:
        for _ in range(STUCK):
            reader = readers.enter_context(socket.create_connection((daemon.host, daemon.port)))
            reader.sendall(head + body)
            reader.recv(1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            most = max(most, _resident(daemon))
            time.sleep(0.1)
    return most


def _resident(daemon: Proxy) -> float:
    found = daemon.resident()
    assert found is not None
    return found
