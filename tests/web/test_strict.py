"""What a raw request comes to: the same through the front door as with plain aiohttp, and never a smuggled one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from swapd.web.connection import Connection
from tests.web.raw import CHAT, LAST, STREAM, Caller, Cut, Engine, calling, chunked, plain, post, replies
from tests.web.strict_table import ANY, CHUNKED, HOST, IN_CHUNKS, ROWS, Row, ask

PROBE = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Fate:
    """What became of a connection: its answers, whether it served a next request, what the engine heard."""

    statuses: tuple[int, ...]
    kept: bool
    heard: tuple[tuple[str, bytes], ...]


@pytest.fixture
async def doors(raw_hall: Any) -> AsyncIterator[Callable[[], Awaitable[tuple[int, int, Engine]]]]:
    """``await doors()``: the ports of the front door and of one into aiohttp alone, and the engine behind both."""
    servers = []

    async def build() -> tuple[int, int, Engine]:
        front, engine = await raw_hall(replies(plain(b"{}")))
        aiohttps = lambda: Connection(front.door.handler, lambda _: None)  # noqa: E731  (a factory)
        server = await asyncio.get_running_loop().create_server(aiohttps, "127.0.0.1", 0)
        servers.append(server)
        return front.port, server.sockets[0].getsockname()[1], engine

    yield build
    for server in servers:
        server.close()
        await server.wait_closed()


async def fate(port: int, row: Row, engine: Engine) -> Fate:
    """Send the row, read its answers, then see whether the connection still serves."""
    known = len(engine.heard)
    statuses: list[int] = []
    kept = False
    async with calling(port) as caller:
        await caller.send(row.sent)
        if row.fin:
            caller.finish()
            await caller.rest()
        else:
            with contextlib.suppress(Cut):
                for _ in range(row.answers):
                    statuses.append((await caller.answer()).status)
            kept = await _serves(caller)
    heard = tuple((request.start, request.body) for request in engine.heard[known:])
    return Fate(tuple(statuses), kept, heard)


async def _serves(caller: Caller) -> bool:
    """Whether the connection answers one more request; whatever else is still to come is an error."""
    try:
        caller.writer.write(PROBE)
        answer = await caller.answer()
    except (Cut, ConnectionError):
        return False
    assert answer.get("X-Swapd-Model") == "", "this answers something else"
    assert await caller.rest() == b""
    return answer.status == 200


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_raw_request_comes_to_the_same_as_with_plain_aiohttp(row, doors):
    front, bare, engine = await doors()
    ours, theirs = await fate(front, row, engine), await fate(bare, row, engine)
    if row.why:
        for heard in (ours.heard, theirs.heard):
            assert tuple(body for _, body in heard) == row.bodies[: len(heard)]
        return
    assert ours == theirs
    if row.status != ANY:
        assert [status // 100 for status in ours.statuses[:1]] == ([] if row.fin else [row.status])
        assert tuple(body for _, body in ours.heard) == row.bodies
    else:
        assert {body for _, body in ours.heard} <= {CHAT}


def test_the_table_is_one():
    assert len({row.name for row in ROWS}) == len(ROWS) >= 55


async def test_a_request_may_be_split_at_any_byte(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    whole = post(CHAT, b"X-A: 1", b"Connection: keep-alive")
    async with calling(front.port) as caller:
        for at in range(1, len(whole)):
            await caller.send(whole[:at], whole[at:])
            assert (await caller.answer()).status == 200
    assert engine.bodies == [CHAT] * (len(whole) - 1)


async def test_a_request_in_chunks_may_come_byte_by_byte(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(*(bytes([byte]) for byte in ask(HOST, CHUNKED, body=IN_CHUNKS)))
        assert (await caller.answer()).status == 200
    assert engine.bodies == [CHAT]


async def test_requests_in_one_segment_are_answered_in_order_and_once_though_the_first_takes_longest(raw_hall):
    go = asyncio.Event()

    async def talk(line):
        while (request := await line.request()) is not None:
            if b"first" in request.body:
                await go.wait()
            await line.send(plain(request.body))

    front, engine = await raw_hall(talk)
    bodies = [b'{"model": "alpha", "n": "%s"}' % n for n in (b"first", b"second", b"third", b"fourth")]
    async with calling(front.port) as caller:
        await caller.send(b"".join(post(body) for body in bodies) + PROBE)
        await caller.send(b"")
        assert len(engine.heard) <= 1, "an answer is not begun before the one before it has ended"
        go.set()
        assert [(await caller.answer()).body for _ in bodies] == bodies
        assert (await caller.answer()).status == 200
        assert await caller.rest() == b""
    assert engine.bodies == bodies


async def test_hot_and_other_requests_take_turns_on_one_connection(raw_hall):
    front, engine = await raw_hall(replies(chunked(b"{}") + LAST))
    models = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
    turns = [post(), models, post(b"{"), post(), post(CHAT, path=b"/nowhere"), post(STREAM), models]
    async with calling(front.port) as caller:
        for apart in (True, False):
            if not apart:
                await caller.send(b"".join(turns))
            for turn in turns:
                if apart:
                    await caller.send(turn)
                answer = await caller.answer()
                assert answer.status == (400 if turn.endswith(b"\n{") else 404 if b"nowhere" in turn else 200)
                assert (b'"data"' in answer.body) == (turn is models)
    assert engine.bodies == [CHAT, CHAT, STREAM] * 2


async def test_one_client_that_pipelines_without_end_is_answered_and_does_not_fill_the_house(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        caller.writer.write(post() * 300)
        for _ in range(300):
            assert (await caller.answer()).body == b"{}"
    assert len(engine.heard) == 300


@pytest.mark.parametrize("body", [CHAT, b"{"])
async def test_an_idle_connection_is_closed_with_the_door_and_an_answer_on_its_way_is_not(raw_hall, body):
    go = asyncio.Event()

    async def talk(line):
        while await line.request() is not None:
            await line.send(chunked(b"data: 1\n\n", kind=b"text/event-stream"))
            await go.wait()
            await line.send(LAST)

    front, _ = await raw_hall(talk)
    async with calling(front.port) as idle, calling(front.port) as busy:
        await idle.send(post(body, path=b"/v1/chat/completions" if body == b"{" else b"/nowhere"))
        assert (await idle.answer()).status in (400, 404)
        await busy.send(post(STREAM))
        assert (await busy.reader.readuntil(b"\n\n")).endswith(b"data: 1\n\n")
        closing = asyncio.ensure_future(front.door.close())
        async with asyncio.timeout(1.0):
            assert await idle.rest() == b""
        async with asyncio.timeout(1.0):  # less than the door would wait for those that take long
            go.set()
            assert (await busy.rest()).endswith(LAST)
            await closing
