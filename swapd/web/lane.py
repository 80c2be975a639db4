"""The express lane of one connection: one request after the other, each answered by a task of its own."""

from __future__ import annotations

import asyncio
from typing import Protocol

from swapd import tasks
from swapd.web import express, heads
from swapd.web.alarm import Alarm
from swapd.web.client import Client
from swapd.web.connection import Connection
from swapd.web.errors import Problem
from swapd.web.express import Express, Other
from swapd.web.visit import Visit

HALF_SENT = 60.0
"""Seconds that the head of a request may take; and so many without a byte its body."""
KEEP_ALIVE = 75.0
"""Seconds between two requests."""
UNKNOWN = 1.0
"""Seconds after which to look again for whoever may have asked: while the hall is held, that is not read."""
AHEAD = 1 << 20
"""Bytes that a client may send ahead of its answers; nobody who means well sends more."""


class Hall(Protocol):
    """Where a lane leads to."""

    held: bool
    """Nothing new is begun for now."""

    def limit(self) -> int:
        """Bytes that a body may have."""

    def welcome(self, connection: Connection, request: Express, /) -> Visit:
        """Take down who comes."""

    async def answer(self, client: Client, request: Express) -> None:
        """Answer it in any case, or break the connection."""

    def refuse(self, connection: Connection, target: str, problem: Problem) -> None:
        """Answer, for the last time, who has not sent all of a request yet."""

    def handler(self, connection: Connection) -> asyncio.Protocol:
        """A handler of aiohttp's, for a connection that changes the lane."""


class Lane(asyncio.Protocol):
    """Reads requests, and begins with one when the one before is answered."""

    def __init__(self, connection: Connection, hall: Hall, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._hall = hall
        self._text: bytes | bytearray = b""
        self._enough = 1  # bytes of the text from which on it is worth a look
        self._task: asyncio.Task[None] | None = None
        self._client: Client | None = None  # whom the task answers, once it has begun
        self._last = False
        self._unsent = 0
        self._alarm = Alarm(loop, self._rings)
        self._alarm.set(KEEP_ALIVE)

    def data_received(self, data: bytes) -> None:
        """More of a request, or the next one already."""
        if not self._text:
            self._text = data  # as a rule that is all of it
        elif isinstance(self._text, bytearray):
            self._text += data
        else:
            self._text = bytearray(self._text + data)
        if len(self._text) > AHEAD:
            self._connection.reset()
        elif self._task is None:
            self._look()

    def resume_writing(self) -> None:
        """The client has taken its answer: on with its next request."""
        if self._task is None:
            self._look()

    def finish(self) -> None:
        """Take nothing new: close, or do so after the answer that is under way."""
        self._last = True
        if self._task is None:
            self._connection.transport.close()

    def busy(self) -> object | None:
        """The task of a request that has begun; ``holding`` says the rest."""
        if self._task is not None:
            return self._task
        half_read = self._text and not self._connection.transport.is_closing()
        return self if half_read or self._connection.unsent() else None

    def hold(self) -> None:
        """Read only what is still to come of a request that is half read."""
        transport = self._connection.transport
        if transport.is_closing():
            return
        if self._text and self._task is None:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        if not self._connection.transport.is_closing():
            self._connection.transport.resume_reading()

    def cut(self, problem: Problem) -> None:
        """End what is under way."""
        if self._client is not None and self._task is not None:
            if self._client.turn.ended is None:
                self._client.turn.ended = problem
                self._task.cancel()
        elif self._task is None and self._text:
            if heads.END in self._text:
                self._hall.refuse(self._connection, express.target(self._text), problem)
            self._text = b""
            self._connection.transport.close()

    def is_clean(self) -> bool:
        """What was read and not answered is in the text."""
        return not self._text

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left: what it asked for is not wanted any more."""
        self._alarm.cancel()
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        if self._connection.full or not self._text or self._connection.transport.is_closing():
            return
        if len(self._text) < self._enough:
            self._alarm.set(HALF_SENT)
            return
        found = express.read(self._text, self._hall.limit())
        if isinstance(found, Express):
            if isinstance(self._text, bytearray):
                del self._text[: found.size]
            else:
                self._text = self._text[found.size :]
            self._enough = 1
            self._alarm.set(None)
            self._task = tasks.spawn(self._answer(found), name="answer")
        elif isinstance(found, Other):
            self._alarm.cancel()
            self._connection.change_lane(self._hall.handler(self._connection), bytes(self._text))
        else:
            if self._enough == 1:
                self._alarm.set(HALF_SENT)
            self._enough = found

    async def _answer(self, request: Express) -> None:
        visit = self._hall.welcome(self._connection, request)
        client = self._client = Client(self._connection, keep=request.head.keep, visit=visit)
        try:
            await self._hall.answer(client, request)
        finally:
            self._task = self._client = None
        transport = self._connection.transport
        if transport.is_closing():
            return
        self._unsent = self._connection.unsent()
        self._alarm.set(KEEP_ALIVE)
        if self._last or not client.keep:
            transport.close()
        else:
            self._look()
            if self._hall.held:
                self.hold()

    def _rings(self) -> None:
        """Nothing has come for long. A client that still takes its last answer is only slow."""
        before, self._unsent = self._unsent, self._connection.unsent()
        if self._hall.held:
            self._alarm.set(UNKNOWN)
        elif 0 < self._unsent < before:
            self._alarm.set(KEEP_ALIVE)
        elif self._unsent:
            self._connection.reset()
        else:
            self._connection.transport.close()
