"""Whatever an engine writes for an answer: whole and unchanged, or an error, and never one that seems whole."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json

import pytest

from tests.web.raw import (
    CHAT,
    LAST,
    STREAM,
    Caller,
    Cut,
    calling,
    chunked,
    plain,
    post,
    replies,
)

ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
"""For what both loops cannot tell apart."""
HEAD = b"HTTP/1.1 200 OK\r\n"
PARTS = b"5\r\nab\r\nc\r\n2\r\n12\r\n"
BODY = b"ab\r\nc12"


async def ask(caller: Caller, body: bytes = CHAT):
    await caller.send(post(body))
    return await caller.answer()


def never_whole(body: bytes) -> None:
    """An SSE body that ended although its engine broke off."""
    assert b"[DONE]" not in body
    event = json.loads(body.rpartition(b"data: ")[2])
    assert event["error"]["code"] == "engine_died"
    assert body.endswith(b"\n\n")


WHOLE = {
    "a length": (HEAD + b"Content-Length: 7\r\n\r\n" + BODY, BODY),
    "a length in lower case": (HEAD + b"content-length:7\r\n\r\n" + BODY, BODY),
    "a length of 0": (HEAD + b"Content-Length: 0\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 7\r\n\r\n" + BODY, BODY),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + PARTS + LAST, BODY),
    "no chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + LAST, b""),
    "chunks in capitals": (HEAD + b"TRANSFER-ENCODING: Chunked\r\n\r\n" + PARTS + LAST, BODY),
    "chunk extensions": (
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nab\r\nc\r\n02;x="y"\r\n12\r\n00;z\r\n\r\n',
        BODY,
    ),
    "trailers": (
        HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n" + PARTS + b"0\r\nX-T: 1\r\n\r\n",
        BODY,
    ),
    "sizes in capitals": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + plain(BODY), BODY),
    "103 before it": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + plain(BODY), BODY),
    "100, 102 and 103 before it": (
        b"HTTP/1.1 100 A\r\n\r\nHTTP/1.1 102 B\r\n\r\nHTTP/1.1 103 C\r\nX: 1\r\n\r\n" + plain(BODY),
        BODY,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_a_sound_answer_is_whole_wherever_it_is_split(raw_hall, name):
    sent, body = WHOLE[name]
    cuts = itertools.count(1)

    async def talk(line):
        while await line.request() is not None:
            at = next(cuts)
            await line.send(sent[:at], sent[at:])

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for _ in range(1, len(sent)):
            answer = await ask(caller)
            assert (answer.status, answer.body) == (200, body)
    assert len(engine.lines) == 1, "a sound answer leaves a connection for the next"
    assert not front.gate.holding


async def test_an_answer_may_come_byte_by_byte(raw_hall):
    events = b"data: 1\n\n" * 20

    async def talk(line):
        while await line.request() is not None:
            await line.send(*(bytes([byte]) for byte in chunked(events, b"data: [DONE]\n\n") + LAST))

    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        for _ in range(2):
            assert (await ask(caller, STREAM)).body == events + b"data: [DONE]\n\n"


NOT_HTTP = {
    "SSH": b"SSH-2.0-hello\r\n\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "two digits": b"HTTP/1.1 99 x\r\nContent-Length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 x\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "zeros": bytes(300),
    "a header without a colon": HEAD + b"X-A\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": HEAD + b"X-A: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "an empty name": HEAD + b": x\r\nContent-Length: 0\r\n\r\n",
    "a folded header of 64 KB": HEAD + b"X-A: " + b"a" * 65_536 + b"\r\nContent-Length: 0\r\n\r\n",
    "a head without end": HEAD + b"X-A: " + b"a" * 200_000,
    "lengths that differ": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    "a list of lengths": HEAD + b"Content-Length: 5, 6\r\n\r\n123456",
    "a length with a sign": HEAD + b"Content-Length: +5\r\n\r\n12345",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n12345",
    "a length in hex": HEAD + b"Content-Length: 0x5\r\n\r\n12345",
    "a length of letters": HEAD + b"Content-Length: abc\r\n\r\n12345",
    "an empty length": HEAD + b"Content-Length:\r\n\r\n12345",
    "a length of 30 digits": HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n12345",
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + PARTS + LAST,
    "an upgrade nobody asked for": b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
}


@ONE_LOOP
@pytest.mark.parametrize("name", NOT_HTTP)
async def test_an_answer_without_sense_is_a_clean_502(raw_hall, name):
    front, _ = await raw_hall(replies(NOT_HTTP[name]))
    async with calling(front.port) as caller:
        answer = await ask(caller, b'{"model": "once"}')
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (502, "engine_died")
        await caller.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await caller.answer()).status == 200
    assert not front.gate.holding


BAD_CHUNKS = {
    "letters": b"xyz\r\n12345\r\n",
    "a sign": b"+5\r\n12345\r\n",
    "a negative": b"-5\r\n12345\r\n",
    "hex said twice": b"0x5\r\n12345\r\n",
    "nothing": b"\r\n12345\r\n",
    "17 digits": b"1" * 17 + b"\r\n12345\r\n",
    "too many bytes": b"4\r\n12345\r\n",
    "no line end": b"5\r\n1234567\r\n",
    "a second answer": plain(b"evil"),
    "a NUL": b"5\x00\r\n12345\r\n",
    "a bad trailer": b"0\r\nno colon\r\n\r\n",
}


@ONE_LOOP
@pytest.mark.parametrize("name", BAD_CHUNKS)
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("apart", [True, False])
async def test_after_a_malformed_chunk_the_client_is_broken_off(raw_hall, name, kind, apart):
    head, bad = chunked(b"data: 1\n\n", kind=kind.encode()), BAD_CHUNKS[name] + LAST + plain(b"second")
    front, engine = await raw_hall(replies(head, bad) if apart else replies(head + bad))
    async with calling(front.port) as caller:
        with pytest.raises(Cut) as cut:
            await ask(caller, b'{"model": "hasty", "stream": true}')
        assert b"second" not in cut.value.part
    assert not front.gate.holding
    assert len(engine.lines) == len(engine.heard), "no connection is used again after that"


@ONE_LOOP
@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n", b"Content-Length: 100\r\n", b"ETag: 1\r\n"])
async def test_an_answer_that_has_no_body_ends_with_its_head(raw_hall, status, length):
    front, engine = await raw_hall(replies(b"HTTP/1.1 " + status + b"\r\n" + length + b"X-A: 1\r\n\r\n"))
    async with calling(front.port) as caller:
        for _ in range(3):
            answer = await ask(caller)
            assert (answer.status, answer.body, answer.get("X-A")) == (int(status[:3]), b"", "1")
    assert len(engine.lines) == 1


@ONE_LOOP
async def test_a_head_request_gets_the_head_alone_and_its_connection_serves_the_next(raw_hall):
    async def talk(line):
        while (request := await line.request()) is not None:
            whole = plain(b"x" * 100)
            await line.send(whole[:-100] if request.start.startswith("HEAD") else whole)

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for method in (b"HEAD", b"GET", b"HEAD", b"HEAD", b"GET"):
            await caller.send(method + b" /upstream/alpha/x HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await caller.answer(bodiless=method == b"HEAD")
            assert answer.status == 200
            assert answer.get("Content-Length") == "100"
            assert answer.body == (b"" if method == b"HEAD" else b"x" * 100)
    assert len(engine.lines) == 1


@ONE_LOOP
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
async def test_an_answer_that_ends_with_its_connection_is_whole_for_the_client(raw_hall, version, kind):
    async def talk(line):
        assert await line.request() is not None
        await line.send(b"HTTP/" + version + b" 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n", b"one", b"two")

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        for n in (1, 2):
            answer = await ask(caller)
            assert (answer.status, answer.body, answer.framing) == (200, b"onetwo", "chunked")
            assert len(engine.lines) == n


@ONE_LOOP
@pytest.mark.parametrize("sound", [plain(BODY), chunked(BODY) + LAST])
async def test_a_client_of_http_1_0_gets_a_body_without_chunks_that_ends_with_its_connection(raw_hall, sound):
    front, _ = await raw_hall(replies(sound))
    async with calling(front.port) as caller:
        await caller.send(post(CHAT).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = await caller.answer()
        assert (answer.status, answer.body) == (200, BODY)
        assert answer.framing in ("close", "length")
        assert await caller.rest() == b""


@ONE_LOOP
@pytest.mark.parametrize("in_chunks", [True, False])
async def test_a_very_large_answer_is_the_same_to_the_byte(raw_hall, in_chunks):
    block = bytes(range(256)) * 1024
    head = chunked() if in_chunks else HEAD + b"Content-Length: %d\r\n\r\n" % (len(block) * 200)

    async def talk(line):
        while await line.request() is not None:
            line.writer.write(head)
            for _ in range(200):
                line.writer.write(b"%x\r\n%s\r\n" % (len(block), block) if in_chunks else block)
                await line.writer.drain()
            line.writer.write(LAST if in_chunks else b"")

    front, engine = await raw_hall(talk)
    async with calling(front.port) as caller:
        got = hashlib.sha1((await ask(caller)).body).digest()
        assert (await ask(caller)).framing == ("chunked" if in_chunks else "length")
    assert got == hashlib.sha1(block * 200).digest()
    assert len(engine.lines) == 1


@ONE_LOOP
async def test_of_the_headers_of_an_answer_those_of_the_connection_stay_behind(raw_hall):
    packed = gzip.compress(b"{}")
    headers = [b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Connection: x-own, keep-alive", b"X-Own: 1", b"TE: x"]
    headers += [b"Keep-Alive: timeout=5, max=100", b"Trailer: X-T", b"Proxy-Authenticate: Basic", b"Upgrade: h2c"]
    headers += [b"Access-Control-Allow-Origin: *", b"Server: llama.cpp", b"Date: long ago"]
    headers += [b"X-Swapd-Model: evil", b"x-swapd-reason: evil"]
    headers += [b"Alt-Svc: evil", b"strict-transport-security: evil"]
    headers += [b"Link: </a>", b"X-Latin: \xe4", b"Link: </b>", b"Content-Encoding: gzip", b"X-Empty:"]
    front, _ = await raw_hall(replies(plain(packed, *headers)))
    async with calling(front.port) as caller:
        answer = await ask(caller)
    assert (answer.body, answer.get("Content-Encoding")) == (packed, "gzip")
    assert answer.all("Link") == ["</a>", "</b>"]
    assert answer.all("X-Empty") == [""]
    gone = ("Set-Cookie", "X-Own", "TE", "Keep-Alive", "Trailer", "Proxy-Authenticate", "Upgrade")
    assert [value for name in (*gone, "Access-Control-Allow-Origin") for value in answer.all(name)] == []
    assert "llama.cpp" not in answer.get("Server")
    assert answer.get("Date") != "long ago"
    assert "evil" not in [value for _, value in answer.headers]


@ONE_LOOP
async def test_of_the_headers_of_a_request_those_of_the_connection_and_the_keys_stay_behind(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    dropped = [b"Connection: x-own, keep-alive", b"X-Own: 1", b"TE: trailers", b"Upgrade: h2c", b"Cookie: a=1"]
    dropped += [b"Authorization: Bearer x", b"X-Api-Key: x", b"Keep-Alive: 5", b"X-Conversation-Id: 7"]
    async with calling(front.port) as caller:
        await caller.send(post(CHAT, *dropped, b"X-Kept: 1", b"X-Kept: 2", b"traceparent: 00-ab", b"Accept: */*"))
        assert (await caller.answer()).status == 200
    (request,) = engine.heard
    names = {name.lower() for name, _ in request.headers}
    assert names <= {"host", "content-length", "content-type", "x-kept", "traceparent", "accept", "connection"}
    assert request.all("X-Kept") == ["1", "2"]
    assert request.get("Content-Type") == "application/json"
    assert request.get("Connection").lower() in ("", "keep-alive")
    assert request.body == CHAT
