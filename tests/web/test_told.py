"""Answers in the words of another API, through the whole hall: whole, streamed, failed and cut."""

from __future__ import annotations

import pytest
from aiohttp import web

from swapd.web.inference import Inference
from swapd.web.upstream import Request
from tests.web.raw import calling
from tests.web.test_translated import STREAM, Upper


@pytest.fixture
async def hall_that_tells(hall, monkeypatch):
    """``await hall_that_tells(engine, streams)``: all that passes is told through Upper."""

    async def build(engine, streams=True):
        def told_instead(self, client, name, out: Request, *, streams):
            monkeypatch.setattr(Inference, "errand", errand)
            return self.told(client, name, out, words)

        words, errand = Upper(), Inference.errand
        words.streams = streams
        monkeypatch.setattr(Inference, "errand", told_instead)
        return await hall(engine)

    return build


def events(*pieces: bytes, whole: bool = True):
    async def engine(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in pieces:
            await answer.write(piece)
        if not whole:
            request.transport.abort()
        return answer

    return engine


def says(body: bytes, status: int = 200, kind: str = "application/json"):
    async def engine(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type=kind)

    return engine


CHAT = "/v1/chat/completions"
BODY = {"model": "alpha", "stream": True}


async def test_a_stream_is_told_in_its_own_type_and_ends(hall_that_tells):
    front = await hall_that_tells(events(STREAM[:30], STREAM[30:]))
    async with front.client.post(CHAT, json=BODY) as answer:
        assert answer.headers["Content-Type"] == "text/x"
        assert answer.headers["X-Swapd-Model"] == "alpha"
        assert await answer.read() == b'{"N": 1}\n{"A":|2}\n{"N": 3}\nEND\n'
    assert front.gate.leases[0].usage.first_byte is not None


async def test_a_client_of_http_1_0_gets_it_until_the_connection_ends(hall_that_tells):
    front = await hall_that_tells(events(STREAM))
    async with calling(front.port) as caller:
        await caller.send(b'POST %s HTTP/1.0\r\nContent-Length: 18\r\n\r\n{"model": "alpha"}' % CHAT.encode())
        answer = await caller.answer()
    assert (answer.framing, answer.body) == ("close", b'{"N": 1}\n{"A":|2}\n{"N": 3}\nEND\n')


async def test_a_whole_answer_has_its_length(hall_that_tells):
    front = await hall_that_tells(says(b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}'), streams=False)
    async with front.client.post(CHAT, json=BODY) as answer:
        assert answer.content_length == 55
        assert (await answer.read()).startswith(b'{"USAGE"')
    assert front.gate.leases[0].usage.tokens == 7


@pytest.mark.parametrize("streams", [True, False])
async def test_an_engines_error_keeps_its_status(hall_that_tells, streams):
    front = await hall_that_tells(says(b"no", 418), streams)
    async with front.client.post(CHAT, json=BODY) as answer:
        assert (answer.status, await answer.read()) == (418, b"418 no")


@pytest.mark.parametrize(
    ("engine", "streams", "why"),
    [(says(b"{}"), True, "sent none"), (events(b"data: x\n\n", whole=False), False, "closed")],
)
async def test_what_breaks_before_anything_is_told_is_a_502(hall_that_tells, engine, streams, why):
    front = await hall_that_tells(engine, streams)
    async with front.client.post(CHAT, json=BODY) as answer:
        assert answer.status == 502
        assert why in (await answer.json())["error"]["message"]


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (events(b"data: x\n\nda", whole=False), b"died"),
        (events(b"data: x\n\n"), b"without [DONE]"),
        (events(b'data: x\n\ndata: {"error": "full"}\n\n'), b"full"),
    ],
)
async def test_what_breaks_later_is_told_after_what_was(hall_that_tells, engine, why):
    front = await hall_that_tells(engine)
    async with front.client.post(CHAT, json=BODY) as answer:
        body = await answer.read()
    assert body.startswith(b"X\ndata: {")
    assert why in body
    assert not body.endswith(b"END\n")
