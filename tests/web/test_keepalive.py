"""Comments for a client that waits for its stream, and what may come after them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, EngineExited, EngineReady, Left, Ticket, UnloadWished
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.web import keepalive
from tests.web.raw import calling

EVENTS = b'data: {"choices": []}\r\n\r\ndata: [DONE]\n\n'
STREAM = {"model": "alpha", "stream": True}


async def streams(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(EVENTS)
    return answer


async def refuses(request: web.Request) -> web.Response:
    return web.json_response({"error": {"message": "too large"}}, status=400)


def every(front, seconds):
    front.config.settings = replace(front.config.settings, keepalive_comments=seconds)


def asked(path: bytes, version: bytes = b"1.1", more: bytes = b"") -> bytes:
    body = json.dumps(STREAM).encode()
    head = b"POST %s HTTP/%s\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n" % (path, version, len(body), more)
    return head + body


@pytest.fixture
async def waiting(hall):
    """``await waiting(engine)``: the front hall, whose gate opens for nobody yet."""

    async def build(engine):
        front = await hall(engine)
        every(front, 0.005)
        front.gate.open.clear()
        return front

    return build


async def first_comments(caller, n: int = 2) -> bytes:
    """The head of an answer, and so many comments."""
    return b"".join([await caller.reader.readuntil(b"\n\n") for _ in range(n)])


LANES = pytest.mark.parametrize("more", [b"", b"TE: trailers\r\n"], ids=["express", "aiohttp"])


@LANES
async def test_a_stream_that_waits_gets_comments_and_then_its_events_to_the_byte(waiting, more):
    front = await waiting(streams)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions", more=more))
        begun = await caller.reader.readuntil(b"\r\n\r\n")
        assert begun.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache")
        assert await caller.reader.readuntil(b"\n\n\r\n") == b"b\r\n: waiting\n\n\r\n"
        front.gate.open.set()
        rest = await caller.reader.readuntil(b"0\r\n\r\n")
        notes, answer = rest.replace(b"b\r\n: waiting\n\n\r\n", b"").split(b"\n\n\r\n", 1)
        assert notes.split(b"\r\n")[1].splitlines()[:2] == [b": X-Swapd-Model: alpha", b": X-Swapd-Run: 1"]
        assert b"\n: X-Swapd-Queued-Ms: " in notes
        assert answer == b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)
        front.gate.open.set()
        await caller.send(asked(b"/v1/chat/completions", more=more))
        assert (await caller.answer()).body.endswith(EVENTS)


@LANES
@pytest.mark.parametrize(
    ("path", "event"),
    [(b"/v1/chat/completions", b'data: {"error":{"message":'), (b"/v1/messages", b"event: error\ndata: {")],
)
async def test_what_fails_after_comments_is_an_event_and_the_end_without_done(waiting, path, event, more):
    front = await waiting(streams)
    front.gate.refusal = Refusal(Reason.START_FAILED, "alpha", Exit(code=1))
    async with calling(front.port) as caller:
        await caller.send(asked(path, more=more))
        await first_comments(caller)
        front.gate.open.set()
        rest = await caller.reader.readuntil(b"0\r\n\r\n")
        assert event in rest
        assert b"cannot start the engine of model 'alpha'" in rest
        assert b"[DONE]" not in rest
        front.gate.refusal = None
        await caller.send(asked(path, more=more))
        assert (await caller.answer()).status == 200


async def test_an_engines_own_refusal_after_comments_is_an_event_in_its_words(waiting):
    front = await waiting(refuses)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions"))
        await first_comments(caller)
        front.gate.open.set()
        rest = await caller.reader.readuntil(b"0\r\n\r\n")
        assert b'data: {"error": {"message": "too large"}}\n\n' in rest


PACKED = gzip.compress(EVENTS)
PACKING = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}


@LANES
async def test_a_stream_that_is_to_have_comments_is_not_asked_for_compressed(waiting, more):
    async def packs(request):
        wished = "gzip" in request.headers.get("Accept-Encoding", "")
        return web.Response(body=PACKED, headers=PACKING) if wished else await streams(request)

    front = await waiting(packs)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions", more=more + b"accept-encoding: gzip, br\r\n"))
        await first_comments(caller)
        front.gate.open.set()
        assert EVENTS in await caller.reader.readuntil(b"0\r\n\r\n")


async def test_what_is_compressed_unasked_after_comments_is_no_event(waiting):
    async def packs(request):
        return web.Response(body=PACKED, headers=PACKING)

    front = await waiting(packs)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions"))
        await first_comments(caller)
        front.gate.open.set()
        assert b"it compressed its answer" in await caller.reader.readuntil(b"0\r\n\r\n")


async def test_an_http_1_0_client_gets_them_without_chunks(waiting):
    front = await waiting(streams)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions", b"1.0"))
        begun = await first_comments(caller, 1)
        assert begun.endswith(b"\r\n\r\n: waiting\n\n")
        front.gate.open.set()
        assert (await caller.rest()).endswith(EVENTS)


@pytest.mark.parametrize(("seconds", "body"), [(None, STREAM), (0.001, {"model": "alpha"})])
async def test_there_are_none_where_they_are_not_wanted_or_no_stream_is(hall, seconds, body):
    async def engine(request):
        await front.comments.wait()
        return web.json_response({"error": "here is the real status"}, status=418)

    front = await hall(engine)
    every(front, seconds)
    front.comments = front.gate.open
    async with front.client.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 418


async def test_a_client_that_leaves_while_it_waits_gets_no_more(waiting):
    front = await waiting(streams)
    async with calling(front.port) as caller:
        await caller.send(asked(b"/v1/chat/completions"))
        await first_comments(caller)
    front.gate.open.set()
    async with front.client.post("/v1/chat/completions", json=STREAM) as answer:
        assert (await answer.read()).endswith(EVENTS)
    assert not front.gate.holding


async def test_they_say_how_far_a_load_has_come_once_one_was_seen(hall):
    front = await hall(streams)
    gate, where = front.gate, Endpoint("127.0.0.1", 1)

    def said(held=False):
        return keepalive.words(gate.view(), "alpha", held=held)

    assert said() == b"waiting"
    gate.hears(Asked(Ticket(1), "alpha"))
    assert said() == b"loading"
    gate.now = 10.0
    gate.hears(EngineReady(RunId("alpha", 1), where))
    assert said(held=True) == b"processing"
    gate.hears(Left(Ticket(1)), UnloadWished("alpha"), EngineExited(RunId("alpha", 1), Exit(code=0)))
    gate.hears(Asked(Ticket(2), "alpha"))
    gate.now = 14.0
    assert said() == b"loading 40%"
