"""What clients notice of ``swapd reload --exec``, again and again, under a steady load.

Half of the clients keep their connection, half open one for each request; a request takes the fake engine 20 ms,
one of twenty 0.25 s. Each is asked at its time, so that the rate is the same whatever happens; one that is late
is asked at once. A gap is a time in which nobody was answered; those of a while in which nothing happens are told
beside, because such machines have some of their own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.bounds import Limit, judged, worst_and_median
from tests.processes import Client, daemons, fake, until

ROUNDS, CLIENTS, RATE = 10, 24, 250.0
"""Upgrades, clients, and requests a second of all of them together."""
SHORT, LONG, EVERY = 0.02, 0.25, 20
"""Seconds that a request takes; each of so many takes the longer time."""
PAUSE, BOUND = 1.0, 60.0
"""Seconds before and after each upgrade; and for one, on a machine that is busy with other things."""
NAMES = ("alpha", "beta")
LIMITS = {
    "upgrades": Limit("upgrades"),
    "asked": Limit("requests"),
    "failed": Limit("of them failed", "", 0),
    "rate": Limit("answers a second", "", 200, least=True),
    "gap_median": Limit("longest gap of an upgrade, median", "s", 0.5, places=3),
    "gap_worst": Limit("the same, at most", "s", 0.5, places=3),
    "calm_worst": Limit("longest gap while nothing happens", "s", places=3),
    "slowest": Limit("slowest answer", "s", places=3),
    "verb_median": Limit("the verb takes, median", "s", places=2),
    "engines_changed": Limit("engines with another pid", "", 0),
}


class Load:
    """The clients. ``ends``: when each answer was complete; ``failed``: what went wrong."""

    def __init__(self, url: str) -> None:
        self.ends: list[float] = []
        self.slowest = 0.0
        self.failed: list[str] = []
        self._url = url
        self._going = True
        self._tasks = [asyncio.ensure_future(self._ask(n)) for n in range(CLIENTS)]

    async def stop(self) -> None:
        """Once all have their answers."""
        self._going = False
        await asyncio.gather(*self._tasks)

    def gap(self, begin: float, end: float) -> float:
        """The longest in that time."""
        ends = [begin, *sorted(at for at in self.ends if begin < at < end), end]
        return max(later - earlier for earlier, later in pairwise(ends))

    async def _ask(self, n: int) -> None:
        period, asked = CLIENTS / RATE, 0
        due = time.monotonic() + period * n / CLIENTS
        connector = aiohttp.TCPConnector(force_close=n % 2 == 1)
        async with aiohttp.ClientSession(self._url, connector=connector) as session:
            while self._going:
                await asyncio.sleep(max(due - time.monotonic(), 0))
                due += period
                asked += 1
                await self._once(session, NAMES[n // 2 % 2], LONG if (asked + n) % EVERY == 0 else SHORT)

    async def _once(self, session: aiohttp.ClientSession, model: str, seconds: float) -> None:
        begun = time.monotonic()
        body = {"model": model, "messages": [{"role": "user", "content": "go"}], "slow_nonstream": seconds}
        try:
            async with session.post("/v1/chat/completions", json=body) as answer:
                text = await answer.text()
                if answer.status != 200 or f'"content": " {model} 1' not in text:
                    self.failed.append(f"{answer.status}: {text[:200]}")
        except (aiohttp.ClientError, OSError) as error:
            self.failed.append(repr(error))
        self.ends.append(time.monotonic())
        self.slowest = max(self.slowest, self.ends[-1] - begun)


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures of LIMITS. Raises RuntimeError if an upgrade fails."""
    command = fake("--parallel", str(CLIENTS))
    models = "".join(f'  {name}: {{command: "{command}", preload: true}}\n' for name in NAMES)
    with tempfile.TemporaryDirectory() as folder, daemons(Path(folder)) as start:
        daemon = start(f"listen: 127.0.0.1:0\nbudget: {{engines: 2}}\nmodels:\n{models}")
        return asyncio.run(_measure(daemon.url, rounds))


def table(found: dict[str, Any]) -> str:
    """The figures with their bounds, and what failed."""
    return "\n".join([judged("upgrade", found, LIMITS), *(f"  failed: {why}" for why in found["why"])])


async def _measure(url: str, rounds: int) -> dict[str, Any]:
    async with aiohttp.ClientSession(url) as session:
        client = Client(session)
        for name in NAMES:
            await client.text(name)
        before = [(await client.model(name))["pid"] for name in NAMES]
        load = Load(url)
        try:
            await until(lambda: len(load.ends) > RATE, BOUND)  # warm
            begun = time.monotonic()
            spans = [await _upgraded(url) for _ in range(rounds)]
            ended = time.monotonic()
        finally:
            await load.stop()
        after = [(await client.model(name))["pid"] for name in NAMES]
    during = sum(begun <= at <= ended for at in load.ends)
    return {
        "upgrades": rounds,
        "asked": len(load.ends),
        "failed": len(load.failed),
        "rate": during / (ended - begun),
        **worst_and_median("gap", [load.gap(at, end) for _, at, end in spans]),
        "calm_worst": max(load.gap(calm, at) for calm, at, _ in spans),
        "slowest": load.slowest,
        **worst_and_median("verb", [end - PAUSE - at for _, at, end in spans]),
        "engines_changed": sum(old != new for old, new in zip(before, after, strict=True)),
        "why": load.failed[:5],
    }


async def _upgraded(url: str) -> tuple[float, float, float]:
    """One: since when nothing happened, when it began, and when its time was over. Raises RuntimeError."""
    calm = time.monotonic()
    await asyncio.sleep(PAUSE)
    begun = time.monotonic()
    command = [sys.executable, "-m", "swapd", "reload", "--exec", "--url", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), BOUND)
    if process.returncode:
        raise RuntimeError(f"cannot measure upgrade: {said.decode().strip()}")
    await asyncio.sleep(PAUSE)
    return calm, begun, time.monotonic()
