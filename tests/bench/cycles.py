"""What engines leave behind in the daemon, and how soon they go: ``python -m tests.bench.cycles [ROUNDS]``.

The true engine room, on uvloop, over fake engines: each is started, ready, stopped and gone. Then the
descriptors, threads and memory of this very process are compared with those early on. Then a few that are deaf to
SIGTERM, with a deaf grandchild in a session of its own, are killed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import uvloop

from swapd.core.commands import Cause, Kill, Spawn, Terminate, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.spec import Launch
from swapd.engines.furnished import furnished
from swapd.engines.house import enter
from tests.processes import FAKE

E = TypeVar("E", bound=Event)
ROUNDS, DEAF = 1000, 20
EARLY = 10
"""Rounds after which all is there that is made once."""
BOUND = 20.0
"""Seconds for one step of a fake engine, on a machine that is busy with other things."""
WHY = Why(Cause.ASKED)


@dataclass(frozen=True)
class Held:
    """What this process has."""

    files: int
    threads: int
    children: int
    """Zombies too."""
    kib: int


async def held() -> Held:
    """What stays: the record of the last engine may be written still."""
    gc.collect()
    looks = []
    for _ in range(20):
        await asyncio.sleep(0.005)
        files = len(list(Path("/proc/self/fd").iterdir()))
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        looks.append((files, threading.active_count(), len(children)))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(*map(min, zip(*looks, strict=True)), pages * os.sysconf("SC_PAGESIZE") // 1024)


class Room:
    """The engine room, and an ear for it."""

    def __init__(self, folder: Path) -> None:
        self._house = enter(folder)
        self._news: asyncio.Queue[Event] = asyncio.Queue()
        environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        self._hands = furnished(
            self._news.put_nowait, find_binary=lambda: None, environ=environ, house=self._house, adoption=60
        )
        self._n = 0

    async def begin(self, *flags: str) -> RunId:
        """An engine that is ready."""
        self._n += 1
        run = RunId("m", self._n)
        launch = Launch((sys.executable, str(FAKE), "--port", "${port}", *flags))
        self._hands.perform(Spawn(run, launch, WHY))
        await self._hear(EngineReady)
        return run

    async def stop(self, run: RunId) -> float:
        """Seconds from SIGTERM to the news that nothing is left of it."""
        begun = perf_counter()
        self._hands.perform(Terminate(run, (), WHY))
        assert (await self._hear(EngineExited)).exit.code == 0
        return perf_counter() - begun

    async def kill(self, run: RunId) -> float:
        """Seconds from the order to the same news."""
        begun = perf_counter()
        self._hands.perform(Kill(run))
        await self._hear(EngineExited)
        return perf_counter() - begun

    async def close(self) -> None:
        await self._hands.aclose()
        self._house.leave()

    async def _hear(self, kind: type[E]) -> E:
        event = await asyncio.wait_for(self._news.get(), BOUND)
        assert isinstance(event, kind), event
        return event


async def lives(rounds: int, deaf: int) -> dict[str, Any]:
    """The figures: what was held early on and at the end, and seconds of the stops and of the kills."""
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder))
        begun = perf_counter()
        stops = [await room.stop(await room.begin()) for _ in range(EARLY)]
        early = await held()
        stops += [await room.stop(await room.begin()) for _ in range(rounds - EARLY)]
        late, took = await held(), perf_counter() - begun
        stubborn = ("--deaf", "--grandchild", "--grandchild-setsid")
        kills = [await room.kill(await room.begin(*stubborn)) for _ in range(deaf)]
        await room.close()
    return {
        "rounds": rounds,
        "seconds": took,
        "early": asdict(early),
        "late": asdict(late),
        "stops": stops,
        "kills": kills,
    }


def measure(rounds: int = ROUNDS, deaf: int = DEAF) -> dict[str, Any]:
    """The same, on a loop of its own."""
    return uvloop.run(lives(rounds, deaf))


def table(found: dict[str, Any]) -> str:
    """In words."""
    early, late = found["early"], found["late"]
    stops, kills = ([1000 * seconds for seconds in found[name]] for name in ("stops", "kills"))
    return "\n".join(
        [
            f"cycles: {found['rounds']} engines one after the other, {found['seconds']:.0f} s",
            f"  descriptors {early['files']} -> {late['files']}, threads {early['threads']} -> {late['threads']}, "
            f"children {early['children']} -> {late['children']}, "
            f"memory {early['kib'] / 1024:.1f} -> {late['kib'] / 1024:.1f} MiB",
            f"  from SIGTERM until nothing is left: median {statistics.median(stops):.1f} ms, "
            f"at most {max(stops):.0f} ms",
            f"  the same of a kill of {len(kills)} deaf ones, each with a deaf grandchild in its own session: "
            f"median {statistics.median(kills):.1f} ms, at most {max(kills):.0f} ms",
        ]
    )


if __name__ == "__main__":
    print(table(measure(*map(int, sys.argv[1:2]))))
