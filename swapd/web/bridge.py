"""From aiohttp's lane to the relay: the client behind one of its requests, and an answer it need not write."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import cast

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from swapd.web.client import Client, Form
from swapd.web.connection import Connection
from swapd.web.errors import dialect_of
from swapd.web.manners import MANNERS

_CLIENT: web.RequestKey[Client] = web.RequestKey("client", Client)
TAKEN = 120.0
"""Seconds for which a client may take nothing of the end of an answer."""


def client_of(request: web.Request) -> Client:
    """Whoever sent the request."""
    if request.transport is None:
        raise asyncio.CancelledError  # the client has left, and aiohttp is about to say so
    connection = cast(Connection, request.transport.get_protocol())
    form = Form(1 if request.version >= HttpVersion11 else 0, request.method, dialect_of(request.path))
    visit = request.app[MANNERS].of(request)
    client = request[_CLIENT] = Client(connection, form, keep=request.keep_alive, visit=visit)
    return client


def behind(request: web.Request) -> Client | None:
    """The client that ``client_of`` has made of it."""
    return request.get(_CLIENT)


class Relayed(web.StreamResponse):
    """An answer that is out already, past aiohttp."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection may be used again."""
        return self._client.keep

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """It is out."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """It is out; the next request waits until the client has taken it."""
        channel, before = self._client.channel, math.inf
        while (unsent := channel.unsent()) < before:
            before = unsent
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKEN):
                    await channel.drained()
                    return
        channel.reset()
