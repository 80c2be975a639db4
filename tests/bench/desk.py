"""What the desk costs a request: ``python -m tests.bench.desk [--profile EARS]``.

Microseconds of CPU for one lease on a ready engine and its end, while nobody waits: alone, and with each ear
of the daemon; then a crowd that waits for cold models, and the events a second of ``tests.core.bench_policy``.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tracemalloc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, process_time

from swapd.core.commands import Kill, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Ticket
from swapd.core.refusal import Exit, Refused
from swapd.core.scheduler import Scheduler
from swapd.core.shared import SharedStory
from swapd.core.spec import Catalog, Launch, Rules, Spec, Terms
from swapd.daemon import run_loop
from swapd.dispatch import Dispatcher, Ear
from swapd.history.history import History
from swapd.journal import Journal, wall_clock
from swapd.lab.recorder import Recorder
from swapd.machine.ledger import Ledger
from swapd.machine.scales import Scales
from swapd.web.events import Feed
from swapd.web.upstream import Upstream
from tests.core import bench_policy

LEASES, ROUNDS, CROWD = 2000, 7, 10_000
ALL = ("journal", "feed", "history", "upstream", "scales", "recorder")
SETS = ((), *((ear,) for ear in ALL), ALL[:-1], ALL)


class Hands:
    """Engines that are ready after so many seconds, and gone at once."""

    desk: Dispatcher

    def __init__(self, ready_after: float) -> None:
        self._ready_after = ready_after

    def perform(self, command: Spawn | Terminate | Kill) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(command, Spawn):
            ready = EngineReady(command.run, Endpoint("127.0.0.1", 1))
            loop.call_later(self._ready_after, self.desk.post, ready)
        else:
            loop.call_soon(self.desk.post, EngineExited(command.run, Exit(code=0)))


class NoEngines:
    """What the scales ask of the engine room."""

    def members(self, runs: Sequence[RunId]) -> dict[RunId, list[int]]:
        return {run: [] for run in runs}

    def lines(self, run: object) -> list[str]:
        return []


class Ears:
    """Those of the daemon, by name; closed together."""

    def __init__(self, folder: Path) -> None:
        self._upstream = Upstream()
        self._recorder = Recorder(folder / "trace.jsonl", monotonic)
        ledger, story = Ledger.open(folder, print), SharedStory()
        self._scales = Scales(lambda event: None, NoEngines(), ledger, lambda: None)
        self.by_name: dict[str, Ear] = {
            "journal": Journal(story).hear,
            "feed": Feed(wall_clock, story=story).hear,
            "history": History(wall_clock, story, tuple).hear,
            "upstream": self._upstream.hear,
            "scales": self._scales.hear,
            "recorder": self._recorder.hear,
        }

    async def close(self) -> None:
        self._recorder.close()
        await self._scales.aclose()
        self._upstream.close()


async def nothing_missing(spec: Spec) -> Exit | None:
    """At a ready engine nobody even asks."""
    return None


def open_desk(models: int, concurrency: int, ears: list[Ear], ready_after: float = 0.0) -> Dispatcher:
    hands = Hands(ready_after)
    desk = hands.desk = Dispatcher(Scheduler(), hands, ears, nothing_missing)
    terms = Terms(cost={"engines": 1}, concurrency=concurrency)
    specs = {f"m{n}": Spec(f"m{n}", Launch(("x",)), terms) for n in range(models)}
    desk.post(CatalogChanged(Catalog(specs, budget={"engines": 5}, rules=Rules(queue=2 * CROWD, linger=0.0))))
    return desk


async def lease(desk: Dispatcher, times: int) -> float:
    """Microseconds of CPU for each."""
    began = process_time()
    for _ in range(times):
        async with desk.lease("m0", "ann"):
            pass
    return (process_time() - began) / times * 1e6


async def cost(models: int, names: tuple[str, ...], profile: bool = False) -> float:
    """The median of the rounds, while other engines are up and another client is served."""
    with TemporaryDirectory() as folder:
        ears = Ears(Path(folder))
        desk = open_desk(models, 8, [ears.by_name[name] for name in names])
        async with AsyncExitStack() as others:
            for n in range(5):
                lease_of_another = desk.lease(f"m{n}", "bob")
                if n % 2:
                    await others.enter_async_context(lease_of_another)
                else:
                    async with lease_of_another:
                        pass
            await lease(desk, LEASES // 4)
            if profile:
                with cProfile.Profile() as found:
                    await lease(desk, LEASES)
                pstats.Stats(found).sort_stats("tottime").print_stats(25)
            found_cost = median([await lease(desk, LEASES) for _ in range(ROUNDS)])
        desk.close()
        await ears.close()
        return found_cost


async def crowd(count: int = CROWD, models: int = 20) -> dict[str, float]:
    """So many wait at once for cold models of which five fit, and all are served: see the names of the figures."""
    desk = open_desk(models, 64, [], ready_after=1.0)
    answered = [0] * count

    async def call(n: int) -> None:
        try:
            async with desk.lease(f"m{n % models}", f"c{n % 50}"):
                answered[n] += 1
        except Refused:
            answered[n] += 1

    tracemalloc.start()
    empty = tracemalloc.get_traced_memory()[0]
    callers = [asyncio.ensure_future(call(n)) for n in range(count)]
    await asyncio.sleep(0)
    waiting = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    began = process_time()
    async with asyncio.timeout(120):
        await asyncio.gather(*callers)
    spent = process_time() - began
    desk.close()
    assert answered == [1] * count, "each gets exactly one outcome"
    return {"bytes a ticket and its task": (waiting - empty) / count, "µs to serve it": spent / count * 1e6}


async def asking(count: int = CROWD, models: int = 20) -> tuple[float, float]:
    """Microseconds of CPU to ask, and to give up, with a tenth of the crowd there, and with all of it."""
    desk = open_desk(models, 64, [], ready_after=600.0)
    found = []
    for first, last in ((0, count // 10), (count - count // 10, count)):
        for n in range(len(found) and count // 10, first):
            desk.post(Asked(Ticket(n), f"m{n % models}", f"c{n % 50}"))
        began = process_time()
        for n in range(first, last):
            desk.post(Asked(Ticket(n), f"m{n % models}", f"c{n % 50}"))
        found.append((process_time() - began) / (last - first) * 1e6)
    desk.close()
    return found[0], found[1]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", metavar="EARS", help="profile with these, as in journal,feed; or none")
    profile = parser.parse_args().profile
    if profile is not None:
        names = tuple(name for name in profile.split(",") if name in ALL)
        run_loop(cost(5, names, profile=True))
        return
    print("µs of CPU for a lease and its end, with 5 and 1000 models")
    for names in SETS:
        few, many = run_loop(cost(5, names)), run_loop(cost(1000, names))
        print(f"  {few:6.1f} {many:6.1f}  {', '.join(names) or 'no ears'}")
    print(f"\n{CROWD} callers that wait at once")
    for what, figure in run_loop(crowd()).items():
        print(f"  {figure:7.0f}  {what}")
    few_there, all_there = run_loop(asking())
    print(f"  {few_there:7.1f}  µs to ask, of the first tenth\n  {all_there:7.1f}  µs to ask, of the last tenth\n")
    bench_policy.main()


if __name__ == "__main__":
    main()
