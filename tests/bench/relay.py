"""What a proxy costs beside nginx: JSON on one connection and on 32, 50 paced streams, bursts; interleaved."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import proxies, text, tools
from tests.bench.proxies import Proxy

EVERY = 10_000
"""Microseconds between two events of a paced stream."""

SLACK = 0.5
"""Seconds that paced streams go on beyond the window, so that none ends in it."""


@dataclass(frozen=True)
class Load:
    """What the driver is asked to do, how long to get warm, and how long it counts (seconds, times the pace)."""

    name: str
    connections: int
    chunks: int = 0
    every: int = 0
    batch: int = 1
    warm: float = 0.3
    seconds: float = 2.0


LOADS = (
    Load("json1", 1),
    Load("json32", 32),
    Load("paced50", 50, chunks=1, every=EVERY, warm=0.6, seconds=3.0),
    Load("burst8", 8, chunks=1000),
    Load("flood8", 8, chunks=1000, batch=64),
)
LIMITS = {
    "json32_cpu": ("JSON: CPU per request, 32 connections", 7.0),
    "json32_rate": ("JSON: rate at 32 connections", -0.17),
    "json1_p50": ("JSON: p50 at 1 connection", 4.0),
    "paced50_cpu": ("paced x50: CPU per chunk", 1.7),
    "paced50_p50": ("paced x50: p50", 1.5),
    "paced50_p99": ("paced x50: p99", 2.5),
    "burst8_rate": ("burst, a write for each event: streams per second", -0.5),
    "flood8_rate": ("burst, 64 events in a write: streams per second", -0.5),
}
"""Figure -> (words, the bound of its ratio to nginx's; a negative one is a least)."""
COLUMNS = (
    ("JSON x1", "p50 µs", "json1_p50", 0),
    ("", "CPU µs", "json1_cpu", 1),
    ("JSON x32", "per s", "json32_rate", 0),
    ("", "CPU µs", "json32_cpu", 1),
    ("paced x50", "p50 µs", "paced50_p50", 0),
    ("", "p99 µs", "paced50_p99", 0),
    ("", "CPU µs/chunk", "paced50_cpu", 1),
    ("burst x8", "streams/s", "burst8_rate", 0),
    ("", "CPU µs/chunk", "burst8_cpu", 2),
    ("burst x8 by 64", "streams/s", "flood8_rate", 0),
    ("", "CPU µs/chunk", "flood8_cpu", 2),
    ("RSS", "MiB", "resident", 1),
)
"""Words, unit, figure, places."""
MORE: Mapping[str, dict[str, Any]] = {
    "plain-loop": {"plain": True},
    "unix-sockets": {"place": "unix"},
    "access-log": {"access": True},
}
"""Name of an option -> the swapd that it adds."""
PLAIN_FACTOR = 2.0
"""Without uvloop a figure may be so many times worse."""


def drive(proxy: Proxy, load: Load, pace: float = 1.0) -> dict[str, float | None]:
    """One run of the driver: p50, p90, p99 (µs), rate (answers a second), cpu (µs a unit, None if not known)."""
    warm, seconds = load.warm * min(pace, 1.0), load.seconds * pace
    chunks = int((warm + seconds + SLACK * max(pace, 0.6)) * 1e6 / load.every) if load.every else load.chunks
    options = {
        **{"host": proxy.host, "port": proxy.port, "pid": proxy.pid or 0, "model": proxies.MODEL},
        **{"connections": load.connections, "chunks": chunks, "every-us": load.every, "batch": load.batch},
        **{"warm": warm, "seconds": seconds},
    }
    command = [str(tools.program("driver")), *(str(part) for k, v in options.items() for part in (f"--{k}", v))]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip() or f"the driver ended with {done.returncode}"
        raise RuntimeError(f"cannot measure {load.name} through {proxy.name}: {why}")
    found = json.loads(done.stdout)
    units = found["events"] or found["answers"]
    cpu = 1e6 * found["cpu"] / units if proxy.pid else None
    times = {key: found[key] for key in ("p50", "p90", "p99")}
    return {**times, "rate": found["answers"] / found["seconds"], "cpu": cpu}


def measure(
    *,
    rounds: int = 3,
    pace: float = 1.0,
    with_nginx: bool = True,
    more: Sequence[str] = (),
    peers: Sequence[str] = (),
) -> dict[str, Any]:
    """Proxy -> figure -> median. ``pace`` stretches each run; ``more``: of MORE, further swapds to measure."""
    with tempfile.TemporaryDirectory() as told, ExitStack() as stack:
        folder = Path(told)
        field = [direct := stack.enter_context(proxies.upstream())]
        if with_nginx:
            field.append(stack.enter_context(proxies.nginx(folder, direct.port)))
        for name, options in {"swapd": {}, **{name: MORE[name] for name in more}}.items():
            field.append(stack.enter_context(proxies.swapd(folder / name, **options)))
        field += [proxies.peer(each) for each in peers]
        runs = _rounds(field, rounds, pace)
        resident = {proxy.name: proxy.resident() for proxy in field}
    figures: dict[str, dict[str, float | None]] = {
        name: {key: _median(values) for key, values in of.items()} | {"resident": resident[name]}
        for name, of in runs.items()
    }
    return {"rounds": rounds, "pace": pace, "figures": figures, "ratios": _ratios(figures), "runs": runs}


def _rounds(field: Sequence[Proxy], rounds: int, pace: float) -> dict[str, dict[str, list[float | None]]]:
    runs: dict[str, dict[str, list[float | None]]] = {proxy.name: {} for proxy in field}
    for _ in range(rounds):
        for load in LOADS:
            for proxy in field:
                for key, value in drive(proxy, load, pace).items():
                    runs[proxy.name].setdefault(f"{load.name}_{key}", []).append(value)
    return runs


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratios(figures: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """Proxy -> figure -> times nginx's."""
    base = figures.get("nginx", {})
    others = {name: of for name, of in figures.items() if base and name not in ("direct", "nginx")}
    return {name: {key: _times(of[key], base[key]) for key in LIMITS} for name, of in others.items()}


def _times(figure: float | None, base: float | None) -> float | None:
    return figure / base if figure is not None and base else None


def table(found: Mapping[str, Any]) -> str:
    """The medians, then the ratios to nginx with our bounds."""
    head = ["", *(words for words, _, _, _ in COLUMNS)]
    units = ["", *(unit for _, unit, _, _ in COLUMNS)]
    rows = [
        [name, *(text.number(of[key], places) for _, _, key, places in COLUMNS)]
        for name, of in found["figures"].items()
    ]
    title = f"relay: medians of {found['rounds']} interleaved rounds; CPU is that of the proxy's process"
    return "\n".join([title, text.columns([head, units, *rows]), *_verdicts(found["ratios"])])


def _verdicts(ratios: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    if not ratios:
        return []
    rows = [["times nginx's", "bound", *ratios]]
    for key, (words, limit) in LIMITS.items():
        cells = (f"{text.number(of[key], 2)} {_verdict(name, of[key], limit):6}" for name, of in ratios.items())
        rows.append([words, f"{'≥' if limit < 0 else '≤'} {abs(limit):g}", *cells])
    return ["", text.columns(rows)]


def _verdict(name: str, ratio: float | None, limit: float) -> str:
    """Ours only: nobody promised anything for a peer. Without uvloop, by PLAIN_FACTOR worse is allowed."""
    if ratio is None or not name.startswith("swapd"):
        return ""
    factor = PLAIN_FACTOR if "no uvloop" in name else 1.0
    kept = ratio >= -limit / factor if limit < 0 else ratio <= limit * factor
    return "ok" if kept else "missed"
