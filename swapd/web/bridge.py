"""From aiohttp's lane to the relay: the client behind one of its requests, and an answer it need not write."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import cast

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from swapd.web.client import Client, Form
from swapd.web.connection import Connection
from swapd.web.errors import Problem, dialect_of, respond
from swapd.web.manners import MANNERS

_CLIENT: web.RequestKey[Client] = web.RequestKey("client", Client)
ENDED: web.RequestKey[Problem] = web.RequestKey("ended", Problem)
"""Why the request is ended before its time: its task is cancelled for that."""
IDLE: web.RequestKey[Callable[[], bool]] = web.RequestKey("idle")
"""Of a websocket: whether nothing has passed through it for a while."""
FOLLOWS: web.RequestKey[web.StreamResponse] = web.RequestKey("follows", web.StreamResponse)
"""The answer, where that goes on for as long as it is listened to."""
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


def cut_short(request: web.Request) -> web.StreamResponse:
    """How a request ends that was ENDED: as far as its answer is not begun, by one that says why.

    One that FOLLOWS something has got what there was: it just ends.
    """
    if FOLLOWS in request:
        return request[FOLLOWS]
    client, problem = behind(request), request[ENDED]
    if client is not None and client.begun:
        if not client.status:
            client.refuse(problem)
        return Relayed(client)
    response = respond(problem, dialect_of(request.path))
    if not request.content.is_eof():  # the rest of its body is not waited for
        response.force_close()
    return response


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
