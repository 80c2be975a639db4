"""Clients that leave, or do not read: the engine is told at once, and nobody's memory fills."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from tests.web.raw import LAST, STREAM, Caller, End, calling, chunked, post
from tests.web.strict_table import CHUNKED, HOST, IN_CHUNKS, ask
from tests.web.test_heads import ONE_LOOP

QUICK = 2.0
"""Seconds within which an engine must see that its client has left."""
BLOCK = bytes(1 << 16)
FLOOD = 200 << 20
"""Bytes that an engine could send."""


def leave(caller: Caller, how: str) -> None:
    {"closes": caller.close, "resets": caller.reset, "half-closes": caller.finish}[how]()


def silent(started: asyncio.Event, *pieces: bytes):
    async def talk(line):
        await line.request()
        await line.send(*pieces)
        started.set()
        await line.left()

    return talk


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
@pytest.mark.parametrize("wanted", [post(STREAM), ask(HOST, CHUNKED, body=IN_CHUNKS)], ids=["express", "aiohttp"])
@pytest.mark.parametrize("sent", [(), (b"HTTP/1.1 200",), (chunked(b"data: 1\n\n", kind=b"text/event-stream"),)])
async def test_when_a_client_leaves_the_engine_sees_it_and_the_lease_is_free(raw_hall, how, sent, wanted):
    started = asyncio.Event()
    front, engine = await raw_hall(silent(started, *sent))
    async with calling(front.port) as caller:
        await caller.send(wanted)
        await started.wait()
        leave(caller, how)
        async with asyncio.timeout(QUICK):
            await engine.gone.wait()
            await front.gate.released.wait()
    assert len(front.gate.asked) == len(engine.heard) == len(engine.lines) == 1


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
async def test_when_a_queued_client_leaves_its_place_is_free_and_no_engine_is_asked(raw_hall, how):
    waits, left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lease(model, client=""):
        waits.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert not left.is_set()
            left.set()
        yield

    front, engine = await raw_hall(silent(asyncio.Event()))
    front.gate.lease = lease
    async with calling(front.port) as caller:
        await caller.send(post(STREAM))
        await waits.wait()
        leave(caller, how)
        async with asyncio.timeout(QUICK):
            await left.wait()
    assert engine.lines == []


def narrow(end: End) -> None:
    """Give the kernel little room at this end, so that what is ours is seen."""
    sock = end.writer.get_extra_info("socket")
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, buffer, 1 << 16)


class Flood:
    """An engine that sends ``FLOOD`` bytes, as fast as they are taken, and knows how far it has come."""

    def __init__(self) -> None:
        self.sent = 0
        self.stuck = asyncio.Event()

    async def __call__(self, line):
        narrow(line)
        await line.request()
        line.writer.write(chunked(kind=b"text/event-stream"))
        while self.sent < FLOOD:
            line.writer.write(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
            try:
                async with asyncio.timeout(0.25):
                    await line.writer.drain()
            except TimeoutError:
                self.stuck.set()
                reading = asyncio.ensure_future(line.left())
                with suppress(ConnectionError):
                    await line.writer.drain()
                    reading.cancel()
                await asyncio.wait([reading])
                if not reading.cancelled():
                    return
            self.sent += len(BLOCK)
        line.writer.write(LAST)


async def stuck(front, caller: Caller, flood: Flood) -> None:
    """The client asks, reads nothing, and all buffers on the way are full."""
    narrow(caller)
    caller.writer.transport.pause_reading()
    caller.writer.write(post(STREAM))
    async with asyncio.timeout(5):
        await flood.stuck.wait()


async def test_a_client_that_does_not_read_stops_the_engine_and_fills_no_memory(raw_hall):
    flood = Flood()
    front, _ = await raw_hall(flood)
    async with calling(front.port) as caller:
        before = psutil.Process().memory_info().rss
        await stuck(front, caller, flood)
        assert flood.sent < 8 << 20, "the kernel's own buffers take some 4 MB of these"
        assert psutil.Process().memory_info().rss - before < 8 << 20
        then = flood.sent
        caller.writer.transport.resume_reading()
        taken = 0
        while taken < then + (32 << 20):
            taken += len(await caller.reader.read(1 << 20))
        assert flood.sent > then
        caller.reset()
        async with asyncio.timeout(QUICK):
            await front.gate.released.wait()


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
async def test_when_a_client_leaves_that_did_not_read_the_engine_sees_it(raw_hall, how):
    flood = Flood()
    front, engine = await raw_hall(flood)
    async with calling(front.port) as caller:
        await stuck(front, caller, flood)
        leave(caller, how)
        async with asyncio.timeout(QUICK):
            await engine.gone.wait()
            await front.gate.released.wait()


@ONE_LOOP
async def test_a_large_request_waits_for_an_engine_that_reads_slowly(raw_hall):
    go, body = asyncio.Event(), b'{"model": "alpha", "x": "%s"}' % (b"x" * 12_000_000)

    async def talk(line):
        await go.wait()
        await line.request()
        await line.send(chunked(b"{}") + LAST)

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        await caller.send(post(body))
        while not engine.lines:
            await asyncio.sleep(0)
        go.set()
        assert (await caller.answer()).body == b"{}"
    assert engine.bodies == [body]


async def test_of_many_clients_that_come_and_reset_nothing_stays(raw_hall):
    started = asyncio.Event()
    front, _ = await raw_hall(silent(started))
    for _ in range(30):
        async with calling(front.port) as caller:
            await caller.send(post(STREAM))
            caller.reset()
    async with asyncio.timeout(5):
        while front.gate.holding:
            await asyncio.sleep(0)
    async with calling(front.port) as caller:
        await caller.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await caller.answer()).status == 200
