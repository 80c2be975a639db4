"""Connections to engines that break, lie or say too much: what one request caused never reaches another."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.web.raw import (
    CHAT,
    LAST,
    STREAM,
    Caller,
    Cut,
    Message,
    calling,
    chunked,
    plain,
    post,
    replies,
    tick,
)
from tests.web.test_heads import ONE_LOOP, never_whole

ONCE = b'{"model": "once"}'
"""This model's requests are not tried again by the hall."""
DOCUMENTED = {"server", "date", "connection", "keep-alive", "transfer-encoding", "content-length", "x-request-id"}


async def ask(caller: Caller, body: bytes = ONCE) -> Message:
    await caller.send(post(body))
    return await caller.answer()


def named(n: int) -> bytes:
    return b'{"model": "once", "n": %d}' % n


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("extra", [plain(b"evil"), b"evil", b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\x00"])
async def test_what_comes_behind_an_answer_reaches_nobody(raw_hall, extra, apart):
    async def talk(line):
        while (request := await line.request()) is not None:
            answer = plain(request.body)
            await line.send(*((answer, extra) if apart else (answer + extra,)))

    front, engine = await raw_hall(talk)
    async with calling(front.port) as one, calling(front.port) as other:
        for n in range(6):
            answer = await ask(one if n % 2 else other, named(n))
            assert (answer.status, answer.body) == (200, named(n))
            await tick()
    assert engine.bodies == [named(n) for n in range(6)], "and nobody was asked twice"
    assert apart or len(engine.lines) == 6, "nor was the connection used again"


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_what_comes_behind_the_last_chunk_reaches_nobody(raw_hall, body):
    front, _ = await raw_hall(replies(chunked(b"good") + LAST + plain(b"evil")))
    async with calling(front.port) as caller:
        for _ in range(4):
            assert (await ask(caller, body)).body == b"good"


@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize(
    "half", ["a length", "a chunk", "between chunks", "a size", "the last chunk", "all but a LF"]
)
async def test_an_answer_that_breaks_off_never_seems_whole(raw_hall, kind, resets, half):
    start = chunked(b"data: 1\n\n", kind=kind)
    pieces = {
        "a length": plain(b"x" * 100, b"Content-Type: " + kind)[:-1],
        "a chunk": start + b"20\r\ndata: ",
        "between chunks": start,
        "a size": start + b"20",
        "the last chunk": start + b"0\r\n",
        "all but a LF": start + b"0\r\n\r",
    }

    async def talk(line):
        await line.request()
        await line.send(pieces[half])
        if resets:
            line.reset()

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        try:
            answer = await ask(caller, STREAM)
        except Cut:
            assert kind == b"application/json" or half == "a length" or resets
        else:
            if answer.status == 200:
                assert kind == b"text/event-stream"
                never_whole(answer.body)
        assert not front.gate.holding
    assert len(engine.heard) <= 2


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_a_reused_connection_that_was_dead_is_replaced_once_and_the_body_sent_again_whole(
    raw_hall, resets, late
):
    """``late``: the engine closes upon the second request, else right after the first answer."""
    body = b'{"model": "once", "x": "%s"}' % (b"x" * 300_000)

    async def talk(line):
        await line.request()
        await line.send(plain(b"%d" % line.n))
        if late:
            await line.request()
        if resets:
            line.reset()

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for n in (1, 2, 3):
            answer = await ask(caller, body)
            assert (answer.status, answer.body) == (200, b"%d" % n)
    assert set(engine.bodies) == {body}
    assert len(front.gate.asked) == 3


@ONE_LOOP
async def test_two_dead_connections_in_a_row_are_a_502(raw_hall):
    async def talk(line):
        if line.n == 1:
            await line.request()
            await line.send(plain(b"1"))
        await line.request()

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        assert (await ask(caller)).status == 200
        answer = await ask(caller)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (502, "engine_died")
    assert len(engine.heard) == 3


@ONE_LOOP
@pytest.mark.parametrize(
    "head", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"]
)
async def test_half_a_head_on_a_fresh_connection_is_a_502(raw_hall, head):
    async def talk(line):
        await line.request()
        await line.send(head)

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        answer = await ask(caller)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (502, "engine_died")
    assert len(engine.heard) == 1


@ONE_LOOP
async def test_half_a_head_on_a_reused_connection_is_not_asked_again(raw_hall):
    """An engine that had begun to answer has seen the request."""

    async def talk(line):
        await line.request()
        await line.send(plain(b"1"))
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n")

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        assert [(await ask(caller)).status for _ in range(2)] == [200, 502]
    assert len(engine.heard) == 2


@ONE_LOOP
async def test_a_connection_that_the_engine_means_to_close_is_not_used_again(raw_hall):
    async def talk(line):
        for n in range(100):
            if await line.request() is None:
                return
            last = [b"Connection: close"] if n == 99 else [b"Keep-Alive: timeout=5, max=100"]
            await line.send(plain(b"{}", *last))
        await line.left()

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for _ in range(250):
            assert (await ask(caller)).status == 200
    assert (len(engine.heard), len(engine.lines)) == (250, 3)


@ONE_LOOP
@pytest.mark.parametrize("how", ["closes", "says so", "stays"])
async def test_an_answer_that_comes_before_the_request_was_read_is_passed_on(raw_hall, how):
    early = plain(b"no", *([b"Connection: close"] if how == "says so" else []), status=b"413 Too Large")

    async def talk(line):
        await line.reader.readuntil(b"\r\n\r\n")
        await line.send(early)
        if how == "closes":
            line.finish()
        await line.left()

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        answer = await ask(caller, b'{"model": "once", "x": "%s"}' % (b"x" * 6_000_000))
        assert (answer.status, answer.body) == (413, b"no")
        answer = await ask(caller)
        assert (answer.status, answer.body) == (413, b"no")
    assert len(engine.lines) == 2, "a connection with half a request in it serves nobody"


async def test_a_small_piece_does_not_wait_until_the_one_before_it_is_acknowledged(raw_hall):
    """Else each answer would take some 40 ms: Linux's delayed acknowledgement, waited for by Nagle's algorithm."""
    piece = b"9\r\ndata: 1\n\n\r\n"
    front, _ = await raw_hall(replies(chunked(kind=b"text/event-stream"), piece, piece, LAST))
    async with calling(front.port) as caller:
        begun = asyncio.get_running_loop().time()
        for _ in range(30):
            assert (await ask(caller, STREAM)).body == b"data: 1\n\n" * 2
        assert asyncio.get_running_loop().time() - begun < 30 * 0.02


@ONE_LOOP
async def test_an_answer_through_the_hall_is_the_engines_own(raw_hall):
    """The same request at the engine's door and at ours."""
    rare = [
        b"Content-Type: application/json; charset=utf-8",
        b"X-A: 1",
        b"x-a: 2",
        b'ETag: W/"x"',
        b"Vary: Origin",
    ]
    answers = {
        b"plain": plain(b'{"a": 1}\n', *rare),
        b"chunked": chunked(b"one", b"two\r\n", b"\x00\xff") + LAST,
        b"stream": chunked(b"data: 1\n\n", b": ping\n\n", b"data: [DONE]\n\n", kind=b"text/event-stream") + LAST,
        b"error": plain(b'{"error": {}}', *rare, status=b"422 Not So"),
        b"empty": plain(b"", *rare),
    }

    async def talk(line):
        while (request := await line.request()) is not None:
            await line.send(answers[request.get("X-Which").encode()])

    front, engine = await raw_hall(talk)
    for which in answers:
        sent = post(CHAT, b"X-Which: " + which, b"Content-Type: application/json", b"Accept: */*")
        got = []
        for port in (engine.port, front.port):
            async with calling(port) as caller:
                await caller.send(sent)
                got.append(await caller.answer())
        direct, ours = got
        assert (ours.start, ours.body, ours.framing) == (direct.start, direct.body, direct.framing)
        assert _told(ours) == _told(direct)
        asked, passed_on = engine.heard[-2:]
        assert (passed_on.start, passed_on.body) == (asked.start, asked.body)
        assert _told(passed_on) - {("host", f"127.0.0.1:{engine.port}")} == _told(asked) - {("host", "x")}


def _told(message: Message) -> set[tuple[str, str]]:
    """The headers, less those that the README says differ."""
    return {
        (name.lower(), value)
        for name, value in message.headers
        if name.lower() not in DOCUMENTED and not name.lower().startswith("x-swapd-")
    }
