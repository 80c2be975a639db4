"""What looking costs the daemon: ``python -m tests.bench.watched [MODELS]`` (default 1000).

A daemon with so many cold models. The time of ``/metrics`` and of ``/admin/status``, each ten times; for how long
the daemon's loop is held meanwhile, as the longest wait of a ``/health`` asked every 2 ms; and the CPU time, in
percent of a core, for five seconds with nobody, and with three readers of ``/admin/live`` and nothing else. Then
what ``swapd top`` itself costs (``watched_top``).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import psutil

from tests.bench import watched_top
from tests.bench.start import config

ROUNDS, SECONDS, READERS = 10, 5.0, 3


async def held(session: aiohttp.ClientSession, work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Seconds of the work, and the longest wait of a ``/health`` during it."""
    worst, doing = 0.0, asyncio.ensure_future(work())
    begun = time.perf_counter()
    while not doing.done():
        asked = time.perf_counter()
        async with session.get("/health") as answer:
            await answer.read()
        worst = max(worst, time.perf_counter() - asked)
        await asyncio.sleep(0.002)
    await doing
    return time.perf_counter() - begun, worst


async def fetched(session: aiohttp.ClientSession, path: str) -> None:
    """One page, whole."""
    async with session.get(path) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()


async def follow(session: aiohttp.ClientSession) -> None:
    """A reader, until it is cancelled."""
    async with session.get("/admin/live", timeout=aiohttp.ClientTimeout()) as answer:
        async for _ in answer.content.iter_any():
            pass


async def share(process: psutil.Process) -> float:
    """Percent of a core, for some seconds."""
    before, begun = sum(process.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(SECONDS)
    return 100 * (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - begun)


async def measure(url: str, process: psutil.Process) -> None:
    """Print the lines."""
    async with aiohttp.ClientSession(url) as session:
        await asyncio.sleep(2)  # what a start leaves to do
        for path in ("/metrics", "/admin/status"):
            found = [await held(session, lambda path=path: fetched(session, path)) for _ in range(ROUNDS)]
            took, waits = zip(*found, strict=True)
            waited = f"{1000 * statistics.median(waits):.1f} ms (worst {1000 * max(waits):.1f})"
            print(f"{path}: {1000 * statistics.median(took):.0f} ms (worst {1000 * max(took):.0f});", end=" ")
            print(f"the longest wait of a /health meanwhile: {waited}")
        print(f"CPU with nobody: {await share(process):.1f} % of a core")
        readers = [asyncio.ensure_future(follow(session)) for _ in range(READERS)]
        await asyncio.sleep(1)
        print(f"CPU with {READERS} readers of /admin/live: {await share(process):.1f} %")
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)


def main() -> None:
    """Measure a daemon, and then ``swapd top``."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with watched_top.serving(config(models)) as (url, process):
        print(f"{models} models")
        asyncio.run(measure(url, process))
    watched_top.main()


if __name__ == "__main__":
    main()
