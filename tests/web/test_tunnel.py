"""Websockets under ``/upstream``: bytes both ways, whoever is slow, until either side has had enough."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from swapd.core.commands import Kill
from swapd.core.engine import RunId
from swapd.core.events import Ticked
from swapd.core.settings import ClientKey
from swapd.core.spec import Timeouts
from tests.web import raw
from tests.web.raw import BOUND, calling, plain

PATH = "/upstream/alpha/ws"
BIG = b"x" * (4 << 20)
ASK = (
    b"GET /upstream/alpha/ws?a=%2F HTTP/1.1\r\nHost: x\r\n"
    b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CONSENT = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: z\r\nSet-Cookie: a=b\r\n\r\n"
)


async def echo(request):
    """Says again what it hears, until it hears ``bye``."""
    ws = web.WebSocketResponse(protocols=["chat"], max_msg_size=0)
    await ws.prepare(request)
    async for message in ws:
        if message.data == "bye":
            await ws.close(code=4001, message=b"had enough")
        elif message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return ws


async def released(front):
    async with asyncio.timeout(BOUND):
        await front.gate.released.wait()
    assert front.upstream.relaying(RunId("alpha", 1)) == 0


async def full(unsent):
    """Wait until something is left over, and for long enough that all of it would be."""
    async with asyncio.timeout(BOUND):
        while not unsent():
            await raw.tick()
        await raw.tick(300)
    assert 0 < unsent() < 1 << 20


def consents(*pieces: bytes, then=None):
    """An engine that switches protocols, says the pieces, and goes on with ``then``, else waits to be left."""

    async def talk(line):
        await line.request()
        await line.send(*pieces)
        await (then(line) if then is not None else line.left())

    return talk


async def test_messages_of_any_size_go_both_ways_as_long_as_both_want(hall):
    front = await hall(echo)
    async with front.client.ws_connect(PATH, protocols=["chat"], max_msg_size=0) as ws:
        assert ws.protocol == "chat"
        for text in ("ä", "", "more"):
            await ws.send_str(text)
            assert await ws.receive_str() == text
        await ws.send_bytes(BIG)
        assert await ws.receive_bytes() == BIG
        assert front.gate.holding
    await released(front)


async def test_the_engine_ends_it_in_its_own_words(hall):
    front = await hall(echo)
    async with front.client.ws_connect(PATH) as ws:
        await ws.send_str("bye")
        message = await ws.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "had enough")
        await released(front)


async def test_the_engine_gets_the_request_without_what_is_ours_and_the_client_its_consent(raw_hall):
    front, engine = await raw_hall(consents(CONSENT))
    async with calling(front.port) as caller:
        secrets = b"Cookie: a=b\r\nAuthorization: Bearer k\r\nOrigin: http://x\r\n\r\n"
        await caller.send(ASK[:-2] + secrets)
        answer = await caller.answer()
        assert answer.status == 101
        names = ("Connection", "Upgrade", "Sec-WebSocket-Accept", "X-Swapd-Model", "Set-Cookie")
        assert [answer.get(name) for name in names] == ["Upgrade", "websocket", "z", "alpha", ""]
    (request,) = engine.heard
    assert request.start == "GET /ws?a=%2F HTTP/1.1"
    names = ("Connection", "Upgrade", "Sec-WebSocket-Key", "Origin", "Cookie", "Authorization")
    told = [request.get(name) for name in names]
    assert told == ["Upgrade", "websocket", "AAAAAAAAAAAAAAAAAAAAAA==", "", "", ""]
    await released(front)


async def test_what_either_side_says_in_one_breath_with_the_handshake_is_not_lost(raw_hall):
    async def then(line):
        await line.send(b"heard " + await line.reader.readexactly(10))
        await line.left()

    front, _ = await raw_hall(consents(CONSENT + b"hello", then=then))
    async with calling(front.port) as caller:
        await caller.send(ASK + b"01234", b"56789")
        assert (await caller.answer()).status == 101
        async with asyncio.timeout(BOUND):
            assert await caller.reader.readexactly(21) == b"hello" + b"heard 0123456789"


async def test_more_than_aiohttp_keeps_may_be_sent_before_the_engine_consents(raw_hall):
    async def talk(line):
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET /ws")
        await asked.wait()
        await line.send(CONSENT)
        got.set_result(await line.reader.readexactly(len(BIG)))

    asked, got = asyncio.Event(), asyncio.get_running_loop().create_future()
    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        caller.writer.write(ASK + BIG)
        async with asyncio.timeout(BOUND):
            while not front.gate.holding:
                await raw.tick()
            asked.set()
            assert await got == BIG


async def test_an_engine_that_does_not_consent_is_relayed_and_the_connection_serves_on(raw_hall):
    async def talk(line):
        while await line.request() is not None:
            await line.send(plain(b"no websocket here", status=b"426 Upgrade Required"))

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for _ in range(2):
            await caller.send(ASK)
            answer = await caller.answer()
            assert (answer.status, answer.body) == (426, b"no websocket here")
    assert len(engine.lines) == 1
    await released(front)


async def test_a_consent_that_nobody_waited_for_is_still_nonsense(raw_hall):
    front, _ = await raw_hall(consents(CONSENT))
    async with calling(front.port) as caller:
        await caller.send(b"GET /upstream/once/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
        assert (await caller.answer()).status == 502


@pytest.mark.parametrize("how", ["reset", "finish", "close"])
async def test_a_client_that_leaves_takes_the_engines_socket_with_it(raw_hall, how):
    front, engine = await raw_hall(consents(CONSENT))
    async with calling(front.port) as caller:
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        getattr(caller, how)()
        async with asyncio.timeout(BOUND):
            await engine.gone.wait()
        await released(front)


async def test_an_engine_that_must_go_takes_its_clients_with_it(hall):
    front = await hall(echo)
    async with front.client.ws_connect(PATH) as ws:
        await ws.send_str("x")
        assert await ws.receive_str() == "x"
        front.hear(Ticked(), Kill(RunId("alpha", 1)))
        async with asyncio.timeout(BOUND):
            assert (await ws.receive()).type is WSMsgType.CLOSED
        await released(front)


async def test_an_engine_that_breaks_off_is_the_end_after_all_that_it_said(raw_hall):
    async def then(line):
        line.reset()

    front, _ = await raw_hall(consents(CONSENT, b"last words", then=then))
    async with calling(front.port) as caller:
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        assert await caller.rest() == b"last words"
        await released(front)


async def test_a_slow_client_holds_the_engine_up_instead_of_filling_our_memory(raw_hall):
    async def then(line):
        await asked.wait()
        line.writer.write(8 * BIG)
        await line.left()

    asked = asyncio.Event()
    front, _ = await raw_hall(consents(CONSENT, then=then))
    async with calling(front.port) as caller:
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        caller.writer.transport.pause_reading()
        asked.set()
        (connection,) = front.door._lanes
        await full(connection.unsent)
        caller.writer.transport.resume_reading()
        async with asyncio.timeout(BOUND):
            assert await caller.reader.readexactly(8 * len(BIG)) == 8 * BIG
    await released(front)


async def test_a_slow_engine_holds_the_client_up_instead_of_filling_our_memory(raw_hall):
    reads = asyncio.Event()

    async def then(line):
        line.writer.transport.pause_reading()
        await reads.wait()
        line.writer.transport.resume_reading()
        await line.send(b"%d" % len(await line.reader.readexactly(8 * len(BIG))))
        await line.left()

    front, _ = await raw_hall(consents(CONSENT, then=then))
    async with calling(front.port) as caller:
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        caller.writer.write(8 * BIG)
        (wire,) = front.upstream._lines[RunId("alpha", 1)].wires
        await full(wire._transport.get_write_buffer_size)
        reads.set()
        async with asyncio.timeout(BOUND):
            assert await caller.reader.readexactly(8) == b"%d" % (8 * len(BIG))
    await released(front)


async def test_a_client_that_leaves_unseen_behind_an_engine_that_takes_nothing_is_missed_in_time(raw_hall):
    async def then(line):
        line.writer.transport.pause_reading()
        await over.wait()

    over = asyncio.Event()
    front, _ = await raw_hall(consents(CONSENT, then=then))
    alpha = front.gate.catalog.models["alpha"]
    service = replace(alpha.terms.service, timeouts=Timeouts(2.0, 5.0, idle=0.1))
    front.gate.catalog.models["alpha"] = replace(alpha, terms=replace(alpha.terms, service=service))
    async with calling(front.port) as caller:
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        caller.writer.write(8 * BIG)
        (wire,) = front.upstream._lines[RunId("alpha", 1)].wires
        await full(wire._transport.get_write_buffer_size)
        caller.reset()
    await released(front)
    over.set()


async def test_silence_ends_no_websocket_but_timeouts_total_does(raw_hall):
    front, _ = await raw_hall(consents(CONSENT))
    alpha = front.gate.catalog.models["alpha"]
    service = replace(alpha.terms.service, timeouts=Timeouts(2.0, 5.0, idle=0.01, total=0.1))
    front.gate.catalog.models["alpha"] = replace(alpha, terms=replace(alpha.terms, service=service))
    now = asyncio.get_running_loop().time
    async with calling(front.port) as caller:
        begun = now()
        await caller.send(ASK)
        assert (await caller.answer()).status == 101
        assert await caller.rest() == b""
        assert now() - begun > 0.09  # uvloop counts in whole milliseconds
    await released(front)


async def test_a_foreign_page_opens_one_only_with_a_key(hall):
    front = await hall(echo)
    foreign = {"Origin": "https://evil.example"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await front.client.ws_connect(PATH, headers=foreign)
    assert refused.value.status == 403
    front.config.settings = replace(front.config.settings, clients=(ClientKey("ada", "k", concurrency=1),))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await front.client.ws_connect(PATH)
    assert refused.value.status == 401
    keyed = foreign | {"Authorization": "Bearer k"}
    async with front.client.ws_connect(PATH, headers=keyed) as ws:
        await ws.send_str("x")
        assert await ws.receive_str() == "x"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await front.client.ws_connect(PATH, headers=keyed)
        assert refused.value.status == 429
    await released(front)
