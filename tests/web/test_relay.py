"""Bytes: unchanged, as they come, and honest about an end that came too soon."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from swapd.core.commands import Cause, Revoke, Why
from swapd.core.engine import RunId
from swapd.core.events import Ticked, Ticket
from swapd.web import relay

CHAT = "/v1/chat/completions"


async def ok(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "text": (await request.read()).decode()})


async def one_event_and_silence(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: 1\n\n")
    await asyncio.Event().wait()
    return response


async def test_a_body_reaches_the_engine_byte_for_byte(hall):
    seen = []

    async def engine(request):
        seen.append((await request.read(), dict(request.headers), request.raw_path))
        return web.json_response({})

    front = await hall(engine)
    body = b'{ "model" : "alpha",\n "x": 1e400, "y": "\\u00e9" }'
    await front.client.post(
        URL(CHAT + "?a=%2Fb", encoded=True), data=body, headers={"Authorization": "Bearer secret"}
    )
    sent, headers, path = seen[0]
    assert sent == body
    assert path == CHAT + "?a=%2Fb"
    assert "Authorization" not in headers
    assert headers["Content-Type"] == "application/json"


async def test_an_answer_comes_back_byte_for_byte_with_its_status_and_headers(hall):
    raw = b'{"error":{"code":500,"message":"input (1203 tokens) is too large to process"}}'

    async def engine(request):
        headers = {"X-Own": "1", "Access-Control-Allow-Origin": "http://evil.example", "Keep-Alive": "timeout=5"}
        return web.Response(body=raw, status=500, content_type="application/json", headers=headers)

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha"})
    assert answer.status == 500
    assert await answer.read() == raw
    assert answer.headers["X-Own"] == "1"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-Swapd-Model"] == "alpha"
    assert answer.headers["X-Swapd-Queued-Ms"] == "250"
    assert answer.headers["X-Swapd-Load-Ms"] == "1500"


async def test_a_stream_passes_chunk_by_chunk(hall):
    go = asyncio.Event()

    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await go.wait()
        await response.write(b"data: [DONE]\n\n")
        return response

    front = await hall(engine)
    async with front.client.post(CHAT, json={"model": "alpha", "stream": True}) as answer:
        assert await answer.content.readany() == b"data: 1\n\n"
        go.set()
        assert await answer.content.read() == b"data: [DONE]\n\n"
    assert not front.gate.holding


async def test_an_upstream_compression_is_left_alone(hall):
    packed = gzip.compress(b'{"a": 1}')

    async def engine(request):
        assert request.headers["Accept-Encoding"] == "gzip"
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha"}, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert await answer.read() == packed


async def test_an_sse_stream_that_the_engine_drops_ends_with_an_error_event_and_no_done(hall):
    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"half')
        request.transport.abort()
        return response

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
    text = (await answer.read()).decode()
    assert "[DONE]" not in text
    event = json.loads(text.rpartition("data: ")[2])
    assert event["error"]["code"] == "engine_died"
    assert "alpha" in event["error"]["message"]


@pytest.mark.parametrize("length", [None, 1000])
async def test_a_plain_body_that_the_engine_drops_never_looks_complete(hall, length):
    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = length
        await response.prepare(request)
        await response.write(b'{"half')
        request.transport.abort()
        return response

    front = await hall(engine)
    with pytest.raises(aiohttp.ClientError):
        answer = await front.client.post(CHAT, json={"model": "alpha"})
        await answer.read()
    assert not front.gate.holding


async def test_when_the_client_of_a_stream_leaves_the_engine_sees_it_and_the_lease_is_free(hall):
    left = asyncio.Event()

    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
    await answer.content.readany()
    answer.close()
    async with asyncio.timeout(1.0):
        await left.wait()
        await front.gate.released.wait()
    assert front.gate.kept == []


async def test_when_the_client_of_a_plain_request_leaves_the_lease_is_kept_until_the_slot_is_idle(
    hall, monkeypatch
):
    monkeypatch.setattr(relay, "SLOT_POLL", 0.02)
    working, busy = asyncio.Event(), {"slots": True}

    async def engine(request):
        if request.path == "/slots":
            return web.json_response([{"id": 0, "is_processing": busy["slots"]}])
        working.set()
        await asyncio.Event().wait()
        return web.Response()

    front = await hall(engine)
    asking = asyncio.ensure_future(front.client.post(CHAT, json={"model": "alpha"}))
    await working.wait()
    asking.cancel()
    async with asyncio.timeout(1.0):
        await front.gate.released.wait()
    (keeper,) = front.gate.kept
    assert await relay.busy_slots(front.upstream, RunId("alpha", 1)) == 1
    busy["slots"] = False
    async with asyncio.timeout(10):
        await keeper


async def test_an_engine_that_dies_before_its_first_byte_is_tried_again_once(hall):
    tries = []

    async def engine(request):
        tries.append(1)
        if len(tries) == 1:
            request.transport.abort()
        return web.json_response({"try": len(tries)})

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha"})
    assert await answer.json() == {"try": 2}
    assert len(front.gate.asked) == 2


async def test_an_engine_that_keeps_dying_is_a_502(hall):
    async def engine(request):
        request.transport.abort()
        return web.Response()

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha"})
    assert answer.status == 502
    assert (await answer.json())["error"]["code"] == "engine_died"
    assert len(front.gate.asked) == 2
    assert not front.gate.holding


async def test_a_reused_connection_that_was_dead_costs_the_client_nothing(hall):
    """An engine that closes each connection right after its answer, without telling."""

    async def engine(request):
        response = web.json_response({})
        await response.prepare(request)
        await response.write_eof()
        request.transport.close()
        return response

    front = await hall(engine)
    for _ in range(30):
        answer = await front.client.post(CHAT, json={"model": "once"})  # no retries of its own
        assert answer.status == 200


async def test_a_late_first_byte_is_a_504(hall):
    async def engine(request):
        await asyncio.Event().wait()
        return web.Response()

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "hasty"})
    assert answer.status == 504
    assert (await answer.json())["error"]["code"] == "engine_timeout"
    front.gate.kept[0].close()


async def test_a_stream_that_falls_silent_is_ended_with_an_error(hall):
    front = await hall(one_event_and_silence)
    answer = await front.client.post(CHAT, json={"model": "hasty", "stream": True})
    text = (await answer.read()).decode()
    assert "no byte from the engine for 0.2 s" in text


async def test_a_revoked_run_closes_its_sockets_and_its_streams_end_with_an_error(hall):
    front = await hall(one_event_and_silence)
    answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
    await answer.content.readany()
    front.gate.leases[0].revoked = why = Why(Cause.EVICTED, "beta", "drain overdue")
    front.hear(Ticked(), Revoke(Ticket(1), RunId("alpha", 1), why))
    async with asyncio.timeout(2):
        text = (await answer.read()).decode()
    assert "was stopped: makes room for beta (drain overdue)" in text
    assert "[DONE]" not in text


@pytest.mark.parametrize("why", [Why(Cause.CLOSING), Why(Cause.CLOSING, detail="drain overdue")])
async def test_a_stream_that_swapd_cuts_to_end_itself_is_told_so_and_its_engine_is_not_blamed(hall, why):
    front = await hall(one_event_and_silence)
    answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
    await answer.content.readany()
    front.gate.leases[0].revoked = why
    front.hear(Ticked(), Revoke(Ticket(1), RunId("alpha", 1), why))
    async with asyncio.timeout(2):
        *_, event = (await answer.read()).decode().split("data: ")
    error = json.loads(event)["error"]
    assert (error["code"], error["type"]) == ("shutting_down", "overloaded_error")
    assert "swapd is shutting down, and waits no longer for what still runs" in error["message"]


async def test_a_stream_for_a_client_of_anthropic_ends_with_its_own_event(hall):
    front = await hall(one_event_and_silence)
    answer = await front.client.post("/v1/messages", json={"model": "hasty", "stream": True})
    *_, name, data = (await answer.read()).decode().strip().splitlines()
    error = json.loads(data.removeprefix("data: "))
    assert (name, error["type"], error["error"]["type"]) == ("event: error", "error", "api_error")


async def test_an_http_1_0_client_is_served(hall):
    front = await hall(ok)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    body = b'{"model": "alpha"}'
    writer.write(b"POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body))
    head, _, text = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert b"200 OK" in head
    assert b"chunked" not in head.lower()
    assert json.loads(text)["path"] == CHAT


async def test_an_http_1_0_client_sees_that_a_body_was_cut(hall):
    async def engine(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        request.transport.abort()
        return response

    front = await hall(engine)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"GET /upstream/alpha/cut HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_cut_sse_answer_of_a_known_length_is_broken_off(hall):
    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        request.transport.abort()
        return response

    front = await hall(engine)
    with pytest.raises(aiohttp.ClientError):
        answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
        await answer.read()


@pytest.mark.parametrize(
    ("cause", "told", "words"),
    [
        (Cause.UNLOAD, (502, None), "was stopped: unload by the operator"),
        (Cause.CLOSING, (503, "5"), "swapd is shutting down"),
    ],
)
async def test_a_revoke_before_the_first_byte_is_said_and_is_not_asked_again(hall, cause, told, words):
    working = asyncio.Event()

    async def engine(request):
        if request.path == CHAT and front.gate.leases[1:]:
            working.set()
            await asyncio.Event().wait()
        return web.json_response({})

    front = await hall(engine)
    assert (await front.client.post(CHAT, json={"model": "alpha"})).status == 200  # so that a connection is pooled
    asking = asyncio.ensure_future(front.client.post(CHAT, json={"model": "alpha"}))
    await working.wait()
    front.gate.leases[1].revoked = why = Why(cause)
    front.hear(Ticked(), Revoke(Ticket(2), RunId("alpha", 1), why))
    answer = await asking
    assert (answer.status, answer.headers.get("Retry-After")) == told
    assert words in (await answer.json())["error"]["message"]
    assert len(front.gate.asked) == 2


async def test_a_client_that_reads_no_more_loses_its_place_and_the_engine_is_not_blamed(hall):
    async def engine(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(400):
            await response.write(bytes(1 << 18))
        return response

    front = await hall(engine)
    _, writer = await asyncio.open_connection("127.0.0.1", front.port, limit=1024)
    writer.transport.pause_reading()
    writer.write(b"GET /upstream/hasty/flood HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        await front.gate.released.wait()
    writer.close()
    await writer.wait_closed()


async def test_an_engine_that_speaks_no_http_is_a_502(hall):
    async def engine(request):
        request.transport.write(b"SSH-2.0-hello\r\n\r\n")
        request.transport.close()
        return web.Response()

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "hasty"})
    assert (answer.status, (await answer.json())["error"]["code"]) == (502, "engine_died")


async def test_a_request_whose_first_byte_was_late_keeps_its_slot_until_it_is_idle(hall):
    async def engine(request):
        await asyncio.Event().wait()
        return web.Response()

    front = await hall(engine)
    assert (await front.client.post(CHAT, json={"model": "hasty"})).status == 504
    (keeper,) = front.gate.kept
    keeper.close()


async def test_what_an_answer_cost_is_noted_on_its_lease(hall):
    async def engine(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n" * 50)
        await response.write(b'data: {"choices":[],"usage":{"completion_tokens":50,"prompt_tokens":7}}\n\n')
        await response.write(b"data: [DONE]\n\n")
        return response

    front = await hall(engine)
    answer = await front.client.post(CHAT, json={"model": "alpha", "stream": True})
    await answer.read()
    used = front.gate.leases[0].usage
    assert (used.prompt, used.completion) == (7, 50)
    assert 0 <= used.first_byte < 5
