"""How soon an engine sees that the client of a stream has left: ``python -m tests.bench.leaving``.

The true front door, on uvloop, between a client and an engine that are sockets in the same process: milliseconds
from the client's close to the end of the engine's connection.
"""

from __future__ import annotations

import asyncio
import statistics
from time import perf_counter

import uvloop

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineReady
from swapd.core.settings import Address
from swapd.doors import open_sockets
from swapd.web.app import create_app
from swapd.web.front_door import FrontDoor
from swapd.web.upstream import Upstream
from tests.web.conftest import FakeConfig, FakeEngines, FakeGate, catalog
from tests.web.raw import STREAM, Engine, calling, chunked, post

ROUNDS = 200


async def measure() -> list[float]:
    """Seconds, one for each client."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def talk(line) -> None:
        await line.request()
        await line.send(chunked(b"data: 1\n\n", kind=b"text/event-stream"))
        started.set()
        await line.left()
        ended.set()

    engine, known, upstream = Engine(talk), catalog(), Upstream()
    await engine.open()
    gate = FakeGate(known, Endpoint("127.0.0.1", engine.port))
    upstream.hear(EngineReady(RunId("alpha", 1), gate.endpoint), ())
    config = FakeConfig(known)
    door = FrontDoor(create_app(gate, config, FakeEngines(), upstream, lambda *_: ""), config, 1 << 10)
    sockets = open_sockets([Address("127.0.0.1", 0)])
    await door.open(sockets)
    found = []
    for _ in range(ROUNDS):
        started.clear()
        ended.clear()
        async with asyncio.timeout(5), calling(sockets[0].getsockname()[1]) as caller:
            await caller.send(post(STREAM))
            await started.wait()
            begun = perf_counter()
            caller.close()
            await ended.wait()
            found.append(perf_counter() - begun)
    await door.close()
    upstream.close()
    await engine.close()
    return found


def main() -> None:
    """Print the line."""
    found = sorted(1000 * seconds for seconds in uvloop.run(measure()))
    p99 = found[len(found) * 99 // 100]
    print(f"a client leaves, its engine sees it: median {statistics.median(found):.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
