"""A daemon is killed with -9 while two engines are up, and started at once, as systemd would do it.

Seconds from the kill until a request is answered again, by either engine; and what became of the engines. The
daemon is ``python -m swapd serve`` on a fixed port, its engines are fakes.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp

from tests.bench.bounds import Limit, judged, worst_and_median
from tests.processes import Client, Running, daemons, fake, until

ROUNDS, AFTER = 10, 50
"""Kills, and requests after each."""
BOUND = 30.0
"""Seconds for one step, on a machine that is busy with other things."""
NAMES = ("alpha", "beta")
LIMITS = {
    "kills": Limit("daemons killed"),
    "answered_median": Limit("from the kill to an answer, median", "s", 1.5, places=3),
    "answered_worst": Limit("the same, at most", "s", 1.5, places=3),
    "pids_changed": Limit("engines with another pid", "", 0),
    "reloads": Limit("loads anew", "", 0),
    "asked": Limit("requests after it"),
    "failed": Limit("of them failed", "", 0),
}


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures of LIMITS."""
    with tempfile.TemporaryDirectory() as folder, daemons(Path(folder)) as start:
        return asyncio.run(_measure(start, rounds))


def table(found: dict[str, Any]) -> str:
    """The figures with their bounds."""
    return judged("crash", found, LIMITS)


async def _measure(start: Any, rounds: int) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    models = "".join(f'  {name}: {{command: "{fake()}"}}\n' for name in NAMES)
    daemon = start(f"listen: 127.0.0.1:{port}\nbudget: {{engines: 2}}\nmodels:\n{models}")
    async with aiohttp.ClientSession(daemon.url) as session:
        client = Client(session)
        for name in NAMES:
            await client.text(name)
        before = [await client.model(name) for name in NAMES]
        took, failed, loads = [], 0, 0
        for _ in range(rounds):
            seconds, daemon = await _killed(start, daemon, client)
            took.append(seconds)
            failed += await _failed(client)
            loads += sum(" start " in line for line in daemon.lines)
        after = [await client.model(name) for name in NAMES]
    return {
        "kills": rounds,
        **worst_and_median("answered", took),
        "pids_changed": sum(old["pid"] != new["pid"] for old, new in zip(before, after, strict=True)),
        "reloads": loads + sum(new["run"] - old["run"] for old, new in zip(before, after, strict=True)),
        "asked": rounds * AFTER,
        "failed": failed,
        "took": took,
    }


async def _killed(start: Any, daemon: Running, client: Client) -> tuple[float, Running]:
    """Seconds until both models have answered, and the next daemon."""
    begun = perf_counter()
    daemon.process.kill()
    daemon.process.wait()
    heir = start(daemon.config)
    for name in NAMES:
        await until(lambda name=name: _answers(client, name), BOUND)
    return perf_counter() - begun, heir


async def _answers(client: Client, model: str) -> bool:
    try:
        async with client.chat(model) as answer:
            return answer.status == 200
    except aiohttp.ClientError:  # nobody listens yet
        return False


async def _failed(client: Client) -> int:
    """Of AFTER requests."""
    return sum([not await _answers(client, NAMES[n % len(NAMES)]) for n in range(AFTER)])
