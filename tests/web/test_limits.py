"""Connections above the limit are turned away with an answer, and cost nothing else."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from swapd.web import limits


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def test_a_connection_above_the_limit_gets_a_503_and_a_later_one_is_served(hall):
    front = await hall(nothing)
    front.limit(connections=1)
    first_reader, first = await asyncio.open_connection("127.0.0.1", front.port)
    first.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await first_reader.readline() == b"HTTP/1.1 200 OK\r\n"
    reader, second = await asyncio.open_connection("127.0.0.1", front.port)
    await asyncio.sleep(0.01)
    for _ in range(3):  # nothing of it is read; who is closed before it has said all this would hear nothing
        second.write(b"POST /v1/chat/completions HTTP/1.1\r\n" + b"x: y\r\n" * 999)
        await second.drain()
        await asyncio.sleep(0.01)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"limits.connections" in body
    for writer in (first, second):
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        while (await front.client.get("/health")).status != 200:
            await asyncio.sleep(0)


@pytest.mark.parametrize(("few", "soon"), [(1, 0.05), (0, 60.0)])
async def test_who_is_turned_away_is_waited_for_a_moment_and_in_a_flood_not_at_all(hall, monkeypatch, few, soon):
    monkeypatch.setattr(limits, "FEW", few)
    monkeypatch.setattr(limits, "SOON", soon)
    front = await hall(nothing)
    front.limit(connections=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 503")
        while front.door._turned_away:
            await asyncio.sleep(0.01)
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_half_sends_a_body_and_vanishes_disturbs_nobody(hall):
    front = await hall(nothing)
    _, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await front.client.get("/health")).status == 200
    assert front.gate.asked == []
