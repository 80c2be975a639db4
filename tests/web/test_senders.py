"""Who sends what it did not announce, only half of it, or slowly: the same at every door that takes a body.

For the hottest route ``strict_table`` has all that can be said of it.
"""

from __future__ import annotations

import json

import pytest

from swapd.web import limits
from tests.web.faces import BODY, FACES, LEASE, Row, furnish
from tests.web.raw import LAST, calling, chunked, replies
from tests.web.refusals_table import catalog
from tests.web.test_heads import ONE_LOOP
from tests.web.test_refusals import said

DOORS = pytest.mark.parametrize("face", [face for face in FACES if BODY in face.has], ids=lambda face: face.name)
REFUSED = Row("", limits.BAD_REQUEST, "invalid_request_error", ())
GOOD = b'{"choices": [{"message": {"content": "so"}}], "data": [{"index": 0, "embedding": [1]}]}'


@pytest.fixture
async def front(raw_hall):
    """A hall with the models of the faces, whose engine gives an answer that is good for all of them."""
    front, engine = await raw_hall(replies(chunked(GOOD) + LAST))
    furnish(front, catalog())
    front.engine = engine
    yield front
    assert not front.gate.holding


def untouched(front) -> bool:
    """Nobody has heard of a request."""
    return not (front.gate.asked or front.gate.posted or front.engine.heard)


@ONE_LOOP
@DOORS
async def test_a_body_of_two_framings_is_refused_with_the_connection(face, front):
    head, _, body = face.ask(REFUSED).partition(b"\r\n\r\n")
    smuggled = b'POST /models/load HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{"model": "any"}'
    pair = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    async with calling(front.port) as caller:
        await caller.send(pair + smuggled)
        assert (await caller.answer()).status == 400
        assert await caller.rest() == b""
    assert untouched(front)


@ONE_LOOP
@DOORS
async def test_of_a_body_that_stops_half_way_nobody_hears(face, front):
    async with calling(front.port) as caller:
        await caller.send(face.ask(REFUSED)[:-1])
        caller.finish()
        assert await caller.rest() == b""
    assert untouched(front)


@ONE_LOOP
@DOORS
async def test_a_body_that_stalls_is_given_up_in_the_words_of_its_api(face, front, monkeypatch):
    monkeypatch.setattr(limits, "BODY_IDLE", 0.02)
    async with calling(front.port) as caller:
        await caller.send(face.ask(REFUSED).replace(b"Host: x", b"Host: x\r\nTE: trailers")[:-1])
        answer = await caller.answer()
    assert answer.status == 400
    assert "no byte for 0.02 s" in said(face, REFUSED, answer.body)
    assert untouched(front)


@ONE_LOOP
@DOORS
async def test_a_body_that_comes_byte_by_byte_is_served(face, front):
    head, _, body = face.ask(REFUSED).partition(b"\r\n\r\n")
    async with calling(front.port) as caller:
        await caller.send(head + b"\r\n\r\n", *(bytes([byte]) for byte in body))
        answer = await caller.answer()
    assert answer.status == 200
    assert json.loads(answer.body)
    assert bool(front.engine.heard) == (LEASE in face.has)
