"""Faults of clients: storms of resets, slow readers, dribbled headers, floods of connections, no files left."""

from __future__ import annotations

import asyncio
import resource
from itertools import islice

from tests.chaos import procs
from tests.chaos.arena import FILES
from tests.chaos.calls import Ask, events_of, of_error, of_stream
from tests.chaos.crowd import BOUND
from tests.chaos.scene import Scene
from tests.chaos.wire import Connection, Cut

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"
SMALL = 4096
"""Bytes that the kernel holds for a slow reader."""
STORM = 256 << 10
"""Bytes of log in two seconds that are a storm: under full load it is a tenth of that."""


async def rst_storm(scene: Scene, times: int) -> str:
    """Connections that end by RST: before a word, within the head, within the body, with the request whole."""
    whole = Ask("whole", "alpha", scene.crowd.tag()).wire
    for number in range(times):
        said = (b"", HEAD[:20], HEAD, whole)[number % 4]
        try:
            connection = await Connection.open(scene.arena.port)
            if said:
                await connection.send(said)
            connection.close(reset=True)
        except Cut:
            continue
    return f"{times} connections"


async def slow_readers(scene: Scene, fake: str, readers: int) -> str:
    """Long answers, read in small sips: whole in the end, or ended in words; and meanwhile nobody else waits."""
    asks = [Ask("stream", fake, scene.crowd.tag(), 1500, 0.0) for _ in range(readers)]
    seen = await asyncio.gather(*(_sip(scene, ask) for ask in asks))
    scene.wrong += [f"a slow reader: {how}: {why}" for how, why in seen if how not in ("ok", "refused")]
    return f"{readers} readers: {', '.join(how for how, _ in seen)}"


async def _sip(scene: Scene, ask: Ask) -> tuple[str, str]:
    """What came of it, and why. One that takes longer than the drain may be told that its engine had to go."""
    text, clean, connection = b"", True, None
    try:
        async with asyncio.timeout(BOUND):
            connection = await Connection.open(scene.arena.port, SMALL)
            await connection.send(ask.wire)
            await connection.read_head()
            if connection.status != 200:
                return of_error(connection.status, connection.headers, await connection.json())[:2]
            async for chunk in connection.body():
                text += chunk
                await asyncio.sleep(0.001)
    except Cut:
        clean = False
    except TimeoutError:
        return "lost", f"not within {BOUND:g} s: {len(text)} bytes"
    finally:
        if connection is not None:
            connection.close()
    return of_stream(events_of(text), clean, ask.expected)[:2]


async def dribblers(scene: Scene, clients: int) -> str:
    """A byte of the head now and then, from many; nobody else may notice."""
    held = [await Connection.open(scene.arena.port) for _ in range(clients)]
    try:
        for byte in HEAD[:30]:
            for connection in held:
                await connection.send(bytes([byte]))
            await asyncio.sleep(0.05)
    except Cut:
        return "they were sent away"
    finally:
        for connection in held:
            connection.close()
    return f"{clients} clients, 30 bytes each"


async def vanish(scene: Scene, model: str, clients: int) -> str:
    """Asked, and gone while they wait or while they are answered."""
    ask = Ask("stream", model, scene.crowd.tag(), 200, 0.01)
    held = []
    for _ in range(clients):
        try:
            held.append(await Connection.open(scene.arena.port))
            await held[-1].send(ask.wire)
        except Cut:
            continue
    for connection in held:
        await asyncio.sleep(scene.rng.uniform(0.0, 0.03))
        connection.close(reset=scene.rng.random() < 0.5)
    return f"{clients} clients"


async def flood(scene: Scene, share: float) -> str:
    """So many times the connections that the daemon has files for, held for a while: it says no and lives on."""
    count = int((FILES - 256) / 2 * share)
    if share > 1:
        scene.excuse("the house is full", codes=("queue_full",), cuts=True)
    held = []
    try:
        for _ in range(count):
            try:
                held.append(await asyncio.wait_for(Connection.open(scene.arena.port), 2.0))
                await held[-1].send(HEAD[:20])
            except (Cut, TimeoutError):
                continue
        await asyncio.sleep(1.0)
    finally:
        for connection in held:
            connection.close(reset=True)
    return f"{len(held)} of {count} connections were held"


async def out_of_files(scene: Scene, spare: int) -> str:
    """The daemon may open no more than so many files beyond those it has, for a while: it says no and lives on."""
    scene.excuse_all("out of files")
    pid = scene.arena.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = procs.numbers(pid)
    free = (number for number in range(hard) if number not in used)  # the limit is one on numbers
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(islice(free, spare, None)), hard))
        before = scene.arena.log.stat().st_size
        await asyncio.sleep(2.0)
        said = scene.arena.log.stat().st_size - before
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    if said > STORM:
        scene.wrong.append(f"out of files, the daemon wrote {said >> 10} KiB of log in 2 s")
    return f"{spare} more files for 2 s; {said >> 10} KiB of log"
