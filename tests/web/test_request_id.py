"""What a request is called: by its client, or by us; in every answer, and once."""

from __future__ import annotations

import pytest
from aiohttp import web

from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey
from swapd.web import express
from swapd.web.surface import HOT
from tests.web.raw import CHAT, LAST, STREAM, calling, chunked, plain, post, replies

GIVEN = "a.B-1_2:3"


async def echo(request: web.Request) -> web.Response:
    headers = {"X-Request-ID": "the engine's", "request-id": "its other"}
    return web.json_response({"id": request.headers.get("X-Request-ID")}, headers=headers)


ASKED = [
    ("POST", HOT[0], {"model": "alpha"}, 200),
    ("POST", HOT[0], {}, 400),
    ("POST", HOT[0], {"model": "nobody"}, 404),
    ("POST", "/tokenize", {"model": "alpha"}, 200),
    ("GET", "/upstream/alpha/x", None, 200),
    ("GET", "/v1/models", None, 200),
    ("GET", "/nowhere", None, 404),
    ("PUT", HOT[0], None, 405),
    ("GET", "/health", None, 200),
    ("GET", "/admin/status", None, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), ASKED)
@pytest.mark.parametrize("lane", [{}, {"Expect-Ct": "x"}, {"Origin": "http://localhost"}])
async def test_every_answer_says_what_its_request_is_called(hall, method, path, body, status, lane):
    front = await hall(echo)
    if body == {"model": "nobody"}:
        front.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "nobody")
    answer = await front.client.request(method, path, json=body, headers={"X-Request-ID": GIVEN} | lane)
    assert answer.status == status
    assert answer.headers.getall("X-Request-ID") == [GIVEN]
    assert "request-id" not in answer.headers
    made = [(await front.client.request(method, path, json=body, headers=lane)).headers for _ in range(2)]
    first, second = [headers.getall("X-Request-ID") for headers in made]
    assert len(first) == len(second) == 1
    assert first != second
    assert 1 <= len(first[0]) <= 40


async def test_the_clients_of_anthropics_api_find_it_where_they_look(hall):
    front = await hall(echo)
    for body in ({"model": "alpha"}, {}):
        answer = await front.client.post("/v1/messages", json=body, headers={"X-Request-ID": GIVEN})
        assert answer.headers.getall("request-id") == answer.headers.getall("X-Request-ID") == [GIVEN]


async def test_who_has_no_key_hears_it_too(hall):
    front = await hall(echo)
    front.config.settings = type(front.config.settings)(clients=(ClientKey("ada", "ada-secret"),))
    answer = await front.client.post(HOT[0], json={"model": "alpha"})
    assert (answer.status, len(answer.headers.getall("X-Request-ID"))) == (401, 1)


@pytest.mark.parametrize(
    "odd", [b"", b"x" * 129, b"a b", b"a/b", b'"a"', b"\xff", b"a\tb", b"a\r\nX-Request-ID: b"]
)
async def test_an_id_that_is_not_sane_is_not_taken_over(raw_hall, odd):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        for _ in range(2):
            await caller.send(post(CHAT, b"X-Request-ID: " + odd))
            answer = await caller.answer()
            assert answer.status == 200
            assert answer.get("X-Request-ID").encode() != odd


@pytest.mark.parametrize("stream", [plain(b"{}"), chunked(b"data: 1\n\n", kind=b"text/event-stream") + LAST])
@pytest.mark.parametrize("name", [b"x-request-id", b"X-Request-Id", b"X-REQUEST-ID"])
async def test_an_engine_hears_it_from_its_client_alone(raw_hall, stream, name):
    front, engine = await raw_hall(replies(stream))
    async with calling(front.port) as caller:
        for lines in ([name + b": " + GIVEN.encode(), b"B: c"], [b"B: c"]):
            await caller.send(post(STREAM, *lines))
            assert (await caller.answer()).status == 200
    first, second = engine.heard
    assert (first.get("X-Request-ID"), first.get("B")) == (GIVEN, "c")
    assert (second.get("X-Request-ID"), second.get("B")) == ("", "c")


def test_heads_that_differ_in_their_id_alone_are_read_once():
    express._sorted.cache_clear()
    found = [express.read(post(CHAT, b"X-Request-ID: %d" % n, b"A: b"), 1 << 20) for n in range(20)]
    assert [request.id for request in found] == [b"%d" % n for n in range(20)]
    assert {request.head for request in found} == {found[0].head}
    assert express._sorted.cache_info().misses == 1


@pytest.mark.parametrize(
    ("nonsense", "why"),
    [
        (b"POST /v1 HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nA\r\n\r\n", "no well-formed"),
        (b"GET /s3cret HTTP/9.9\r\n\r\n", "no well-formed"),
        (b"\x16\x03\x01s3cret\r\n\r\n", "no well-formed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"s3cret" * 9000 + b"\r\n\r\n", "too long"),
    ],
)
async def test_what_cannot_be_read_is_not_repeated(raw_hall, nonsense, why):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(nonsense)
        answer = await caller.answer()
        assert (answer.status, answer.get("Content-Type")) == (400, "application/json")
        assert b'"bad_request"' in answer.body
        assert why.encode() in answer.body
        assert b"s3cret" not in answer.body
        assert answer.get("X-Request-ID")
        assert await caller.rest() == b""


@pytest.mark.parametrize("path", [HOT[0], "/models/load", "/v1/audio/transcriptions"])
async def test_nobody_without_a_key_is_invited_to_send_a_body(raw_hall, path):
    front, _ = await raw_hall(replies(plain(b"{}")))
    front.config.settings = type(front.config.settings)(hosts=("x",), clients=(ClientKey("ada", "ada-secret"),))
    async with calling(front.port) as caller:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n%s\r\n"
        await caller.send(head % (path.encode(), b""))
        assert (await caller.answer()).status == 401
    async with calling(front.port) as caller:
        keyed = b"X-API-Key: ada-secret\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        await caller.send(head % (path.encode(), keyed))
        assert (await caller.answer()).status == 100
