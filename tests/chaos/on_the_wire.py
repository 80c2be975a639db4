"""Faults of the HTTP that an engine speaks, and of what clients send beyond a plain request."""

from __future__ import annotations

import asyncio

from tests.chaos.calls import Ask, of_error, of_whole
from tests.chaos.crowd import BOUND
from tests.chaos.scene import NotNow, Scene
from tests.chaos.verdict import ENGINE_CODES
from tests.chaos.wire import Connection, Cut
from tests.fakes.misbehaving import STILL_RIGHT

NONSENSE = {
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "binary": bytes(range(256)) * 8,
    "no end": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
    "two lengths": b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n",
    "zeros": bytes(10_000),
}
STALL = 2.0
"""Seconds for which a body stands still."""
FAREWELL = 5.0
"""Seconds within which nonsense has its answer, or its end."""


async def misbehaves(scene: Scene, fake: str, manner: str) -> str:
    """One answer in that manner: whole where that can be, and never taken for whole where it cannot."""
    tag = scene.crowd.tag()
    if manner in STILL_RIGHT:
        if manner == "dies-at-the-end":
            scene.excuse_engine(fake)
        seen = await scene.ask(fake, tag=tag, manner=manner)
        return f"the answer: {seen.how} {seen.code}"
    scene.excuse("its engine misbehaves", tag=tag, codes=ENGINE_CODES, cuts=True)
    seen = await scene.ask(fake, tag=tag, manner=manner)
    if seen.how == "ok":
        scene.wrong.append(f"of an engine that answers by {manner}, the answer was whole")
    return f"the answer: {seen.how} {seen.code}"


async def nonsense(scene: Scene, what: str) -> str:
    """No request at all: it is answered by an error in words or by a close, and soon."""
    connection = await Connection.open(scene.arena.port)
    try:
        async with asyncio.timeout(FAREWELL):
            await connection.send(NONSENSE[what])
            await connection.read_head()
        return f"answered {connection.status}"
    except (Cut, ValueError):
        return "sent away"
    except TimeoutError:
        if what not in ("tls", "zeros", "no end", "binary"):  # which may be the beginning of something still
            scene.wrong.append(f"neither answered nor sent away: {what}")
        return "let wait"
    finally:
        connection.close(reset=True)


async def pipelined(scene: Scene, fake: str, requests: int) -> str:
    """Several requests at once on one connection: answered in their order, each with its own."""
    asks = [Ask("whole", fake, scene.crowd.tag(), 4) for _ in range(requests)]
    connection = await Connection.open(scene.arena.port)
    told = []
    try:
        await connection.send(b"".join(ask.wire for ask in asks))
        for ask in asks:
            await connection.read_head()
            body = await connection.json()
            headers = connection.headers
            told.append(
                of_whole(ask, body) if connection.status == 200 else of_error(connection.status, headers, body)
            )
    except (Cut, ValueError) as error:
        raise NotNow(f"cut after {len(told)}: {error}") from None
    finally:
        connection.close()
    scene.wrong += [f"pipelined: {why}" for how, why, _ in told if how not in ("ok", "refused")]
    return f"{[how for how, _, _ in told].count('ok')} of {requests} answered"


async def half_closed(scene: Scene, fake: str, clients: int) -> str:
    """Clients that say at once that they will send no more: they are answered or let go, and leave nothing."""
    held = [await Connection.open(scene.arena.port) for _ in range(clients)]
    answered = 0
    for connection in held:
        await connection.send(Ask("whole", fake, scene.crowd.tag(), 3).wire)
        connection.end()
    for connection in held:
        try:
            async with asyncio.timeout(BOUND):
                await connection.read_head()
                answered += connection.status == 200
        except Cut:
            continue
        except TimeoutError:
            scene.wrong.append("a client that closed its side was neither answered nor let go")
        finally:
            connection.close()
    return f"{answered} of {clients} were answered"


async def stalled_bodies(scene: Scene, fake: str, clients: int) -> str:
    """The second half of each request comes late; in the end each is answered, and meanwhile nobody else waits."""
    asks = [Ask("whole", fake, scene.crowd.tag(), 3) for _ in range(clients)]
    held = [await Connection.open(scene.arena.port) for _ in asks]
    statuses = []
    try:
        for ask, connection in zip(asks, held, strict=True):
            await connection.send(ask.wire[:-20])
        await asyncio.sleep(STALL)
        for ask, connection in zip(asks, held, strict=True):
            await connection.send(ask.wire[-20:])
        for connection in held:
            async with asyncio.timeout(BOUND):
                await connection.read_head()
                statuses.append(connection.status)
    except Cut as error:
        raise NotNow(f"cut after {len(statuses)}: {error}") from None
    finally:
        for connection in held:
            connection.close()
    return f"{statuses.count(200)} of {clients} were answered"


async def rush(scene: Scene, fake: str, clients: int) -> str:
    """So many at once for one cold model: all of them are answered."""
    await scene.cold(fake)
    seen = await asyncio.gather(*(scene.ask(fake, words=2) for _ in range(clients)))
    return f"{sum(one.how == 'ok' for one in seen)} of {clients} answered"
