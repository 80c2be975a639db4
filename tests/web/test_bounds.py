"""Whoever sends too much, takes too little or too slowly: each is bounded, and who is only slow is served."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest

from swapd import journal
from swapd.core.settings import LogSettings
from swapd.core.spec import Catalog
from swapd.web import asked, bridge, doorstep, express, heads, lane, relay
from swapd.web.client import Client
from swapd.web.connection import Connection
from swapd.web.errors import Problem
from swapd.web.heads import Malformed
from tests.web.conftest import Hall
from tests.web.raw import CHAT, STREAM, Line, calling, chunked, plain, post, replies
from tests.web.test_heads import ONE_LOOP
from tests.web.test_leaving import Flood

SOON = 10.0
ROOM = 1 << 14
"""Bytes for the kernel, which keeps twice as many."""
HASTY = b'{"model": "hasty", "stream": true}'
GET = b"GET /upstream/hasty/x HTTP/1.1\r\nHost: x\r\n\r\n"
LANES = {"express": post(HASTY), "aiohttp": GET}
BOTH_LANES = pytest.mark.parametrize("wanted", LANES.values(), ids=LANES)


async def until(fact: Any) -> None:
    async with asyncio.timeout(SOON):
        while not fact():
            await asyncio.sleep(0.005)


def connections(front: Hall) -> list[Any]:
    return list(front.door._lanes)


class Sip:
    """A client that takes nothing by itself, with little room in the kernel between it and the door."""

    def __init__(self, front: Hall, sock: socket.socket) -> None:
        self._front = front
        self._sock = sock

    async def ask(self, wanted: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, wanted)

    async def take(self, most: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._sock, most)

    def finish(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    async def is_cut(self) -> None:
        """By the door; what is on its way is not waited for."""
        await until(lambda: not connections(self._front))


@contextlib.asynccontextmanager
async def sipping(front: Hall) -> AsyncIterator[Sip]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", front.port))
        await until(lambda: connections(front))
        ours = connections(front)[-1].transport.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        yield Sip(front, sock)


async def slowly(client: Sip, seconds: float) -> None:
    """It takes a little now and then, for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        assert await client.take(1 << 12)
        await asyncio.sleep(0.02)


@ONE_LOOP
@BOTH_LANES
async def test_a_client_that_takes_nothing_of_a_stream_is_cut_and_one_that_is_slow_is_not(raw_hall, wanted):
    """``hasty`` waits for 0.2 s."""
    front, _ = await raw_hall(Flood())
    async with sipping(front) as client:
        await client.ask(wanted)
        await slowly(client, 0.45)
        assert front.gate.holding
        await client.is_cut()
        await until(lambda: not front.gate.holding)


def falling(*left: int) -> Any:
    """As many bytes untaken as told, each time that somebody looks; the last for ever."""
    rest = list(left)
    return lambda _: rest.pop(0) if rest[1:] else rest[0]


@ONE_LOOP
async def test_so_it_is_once_the_answer_has_ended(raw_hall, monkeypatch):
    """A look each 0.05 s: at first it takes something, then nothing."""
    monkeypatch.setattr(lane, "KEEP_ALIVE", 0.05)
    front, _ = await raw_hall(replies(plain(b"x" * 60_000)))
    async with sipping(front) as client:
        monkeypatch.setattr(Connection, "unsent", falling(9, 7, 6, 4, 4))
        begun = time.monotonic()
        await client.ask(post())
        await client.is_cut()
        assert time.monotonic() - begun > 0.18
    assert not front.gate.holding


@ONE_LOOP
async def test_so_it_is_in_the_lane_of_aiohttp(monkeypatch):
    monkeypatch.setattr(bridge, "TAKEN", 0.05)

    class Slow:
        unsent = falling(9, 7, 6, 4, 4)
        drained = asyncio.Event().wait
        cut = False

        def reset(self) -> None:
            self.cut = True

    begun, channel = time.monotonic(), Slow()
    await bridge.Relayed(Client(cast(Any, channel))).write_eof()
    assert channel.cut
    assert time.monotonic() - begun > 0.18


@ONE_LOOP
async def test_a_connection_that_is_closed_before_its_end_is_taken_does_not_stay(raw_hall, monkeypatch):
    monkeypatch.setattr(doorstep, "UNTAKEN", 0.2)
    front, _ = await raw_hall(replies(plain(b"x" * 100_000)))
    async with sipping(front) as client:
        await client.ask(GET.replace(b"Host", b"Connection: close\r\nHost"))
        await until(lambda: front.gate.leases and not front.gate.holding)
        assert connections(front)[0].unsent()
        await client.is_cut()


@pytest.mark.parametrize("wanted", LANES.values(), ids=LANES)
async def test_a_client_that_half_closes_with_a_little_untaken_is_gone(raw_hall, wanted):
    async def talk(line: Line) -> None:
        await line.request()
        await line.send(chunked(b"x" * 100_000))
        await line.left()

    front, engine = await raw_hall(talk)
    async with sipping(front) as client:
        await client.ask(wanted.replace(b"hasty", b"alpha"))
        await until(connections(front)[0].unsent)
        client.finish()
        await until(engine.gone.is_set)
        await client.is_cut()
    assert not front.gate.holding


async def test_a_client_that_floods_ahead_of_its_answers_is_reset_and_a_little_is_answered(raw_hall, monkeypatch):
    monkeypatch.setattr(lane, "AHEAD", 1 << 14)
    go = asyncio.Event()

    async def talk(line: Line) -> None:
        while await line.request() is not None:
            await go.wait()
            await line.send(plain(b"{}"))

    front, engine = await raw_hall(talk)
    async with calling(front.port) as modest, calling(front.port) as greedy:
        await modest.send(post() * 100)
        await until(lambda: engine.heard)
        await greedy.send(post(STREAM))
        await until(lambda: len(front.gate.holding) == 2)
        greedy.writer.write(post() * 300)
        await until(lambda: len(front.gate.holding) == 1)
        with pytest.raises(ConnectionResetError):
            await greedy.reader.read()
        go.set()
        for _ in range(100):
            assert (await modest.answer()).body == b"{}"


async def test_of_what_comes_behind_a_last_request_nothing_is_asked(raw_hall):
    front, engine = await raw_hall(replies(plain(b"x" * 600_000)))
    async with sipping(front) as client:
        await client.ask(post(CHAT, b"Connection: close") + post(b'{"model": "alpha", "n": 2}'))
        while await client.take(1 << 16):
            pass
    assert engine.bodies == [CHAT]


@ONE_LOOP
async def test_slots_that_are_told_without_end_are_not_heard_out(raw_hall, monkeypatch):
    monkeypatch.setattr(relay, "SLOT_POLL", 0.01)
    monkeypatch.setattr(relay, "SLOT_BOUND", 0.2)

    async def talk(line: Line) -> None:
        while (request := await line.request()) is not None:
            if "/slots" in request.start:
                await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n[")
                while not line.writer.is_closing():
                    await line.send(b" ")
                    await asyncio.sleep(0.01)

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        await caller.send(post(b'{"model": "hasty"}'))
        assert (await caller.answer()).status == 504
    (keeper,) = front.gate.kept
    async with asyncio.timeout(SOON):
        await keeper
    assert ["/slots" in request.start for request in engine.heard] == [False, True]


def quickly(work: Any) -> Any:
    begun = time.process_time()
    found = work()
    assert time.process_time() - begun < 0.5
    return found


@pytest.mark.parametrize("rest", ["/" * 1_000_000, "a/" * 500_000, "%2f" * 300_000])
def test_a_long_path_is_quickly_told_to_be_nobodys(rest):
    with contextlib.suppress(Problem):
        assert quickly(lambda: asked.split_path(rest, Catalog({}, {})))[0] in ("", "a")


@pytest.mark.parametrize("line", [b"A:    \r\n", b"A:\t \t \r\n", b"A: b    \r\n", b"A:" + b" " * 2000 + b"\r\n"])
def test_lines_of_blanks_are_quickly_told_to_be_malformed(line):
    """Read in all the ways that blanks can be split up, eighty bytes of them would take an hour."""
    block = line * max(3, 160 // len(line)) + b"bad\r\n"

    def read() -> None:
        with pytest.raises(Malformed):
            heads.fields(block)

    quickly(read)
    head = b"POST /v1/chat/completions HTTP/1.1\r\n" + block + b"\r\n"
    assert quickly(lambda: express.read(head, 1 << 20)) is express.OTHER


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What the daemon's own logging prints."""
    root, server = logging.getLogger(), logging.getLogger("aiohttp.server")
    before = root.handlers[:], root.level, server.level
    text = io.StringIO()
    journal.configure(LogSettings(), {}, text)
    yield text
    root.handlers[:], level, of_server = before
    root.setLevel(level)
    server.setLevel(of_server)


async def test_nonsense_fills_no_log(raw_hall, printed):
    front, _ = await raw_hall(replies(plain(b"{}")))
    for nonsense in (
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nA\r\n\r\n",
    ):
        async with calling(front.port) as caller:
            await caller.send(nonsense)
            assert (await caller.answer()).status == 400
    assert printed.getvalue() == ""


@BOTH_LANES
async def test_no_flood_of_nonsense_and_of_resets_is_told_in_the_log(raw_hall, printed, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    for number in range(60):
        async with calling(front.port) as caller:
            await caller.send((b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9\r\n\r\n", wanted[:30], wanted)[number % 4])
            if number % 3:
                caller.reset()
    await until(lambda: not connections(front))
    lines = printed.getvalue().splitlines()
    assert [line for line in lines if "request_id=" not in line] == []
    assert len(lines) <= 15, "of those that were requests, if it took so long that they are told already"
