"""Servers that a test scripts byte by byte, pause by pause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from swapd.loadtest.asking import ask
from swapd.loadtest.outcome import Outcome
from swapd.loadtest.question import Form
from swapd.loadtest.side import Side, connected

Script = Callable[[dict, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Script], Awaitable[str]]
DONE = b"data: [DONE]\n\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def said(word: str, **more: object) -> bytes:
    """An event that carries a word."""
    return b"data: " + json.dumps({"choices": [{"delta": {"content": word}}], **more}).encode() + b"\n\n"


def whole(value: object, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer in one piece, of JSON."""
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve(script)``: the URL of a server whose every answer the script writes; kept open."""
    servers: list[asyncio.Server] = []
    writers: set[asyncio.StreamWriter] = set()

    async def begun(script: Script) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    length = next(
                        (int(h[15:]) for h in head.lower().split(b"\r\n") if h[:15] == b"content-length:"), 0
                    )
                    body = await reader.readexactly(length)
                    await script(json.loads(body) if body else {}, writer)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError, Closed):
                pass
            finally:
                writer.close()

        servers.append(await asyncio.start_server(talk, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    yield begun
    for server in servers:
        server.close()
    for writer in writers:
        writer.close()


class Closed(Exception):
    """The script closes the connection."""


@pytest.fixture
async def asked() -> Callable[..., Awaitable[Outcome]]:
    """``await asked(url, Form(...))``: one request's outcome."""

    async def once(url: str, form: Form | None = None, bound: float = 5.0) -> Outcome:
        side, form = Side("A", url), form or Form()
        async with connected(side) as session:
            return await ask(side, session, form, model="m", seed="1", bound=bound, due=None)

    return once
