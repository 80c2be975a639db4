"""One connection to an engine: a request goes out, the head of its answer comes, and its body is poured on.

The body goes from socket to socket in ``data_received`` itself: no task wakes up for a chunk, nothing is framed
anew. While the client cannot take more, the engine's socket is not read, and so the engine waits too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from swapd.web import heads
from swapd.web.alarm import Alarm
from swapd.web.flow import Pour, Sink, Source
from swapd.web.framing import Framing
from swapd.web.heads import Malformed, Status

STALE = 1.0
"""Seconds after which a connection that ends cannot have been closed before the request came."""


class Lost(Exception):
    """The connection ended before the answer did. ``unheard``: before its first byte.

    ``stale``: and at once. If the wire had rested, the engine had closed it and never saw the request.
    """

    def __init__(self, why: str, *, unheard: bool, stale: bool) -> None:
        super().__init__(why)
        self.unheard = unheard
        self.stale = stale


class Silent(Exception):
    """Nothing came within the bound; or what its text says took too long."""


class Wire(asyncio.Protocol):
    """``keeper`` hears of its end, whoever ended it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, keeper: Callable[[Wire], None]) -> None:
        self._loop = loop
        self._keeper = keeper
        self._alarm = Alarm(loop, self._rings)
        self._waiter: asyncio.Future[None] | None = None
        self._got = b""  # what has come and is not passed on
        self._pour: Pour | None = None
        self._feeder: Source | None = None
        self._failure: Exception | None = None
        self._ended = False  # the engine closed in good order
        self._unheard = True
        self._asked = 0.0
        self.resting = False

    @property
    def spent(self) -> bool:
        """Whether nothing more can be asked: it is broken, or not done with what was asked before."""
        broken = self._failure is not None or self._transport.is_closing()
        return broken or bool(self._got) or self._transport.get_write_buffer_size() > 0

    def waits_since(self) -> float | None:
        """Since when the engine owes us a byte, as the loop counts; None if it does not, or nobody can tell."""
        pour, due = self._pour, self._alarm.due
        if pour is None:
            return self._asked if self._waiter is not None else None
        return due - pour.idle if due is not None and pour.idle is not None and not pour.paused else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        """A part of the answer; or, while the wire rests, something that nobody asked for."""
        if self._pour is not None:
            self._pass(self._pour, data)
        elif self.resting:
            self.abort()
        else:
            self._unheard = False
            self._got += data
            self._wake()

    def eof_received(self) -> None:
        """The engine has closed in good order. What it did not read of a request, it never will."""
        self._ended = True
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by either side."""
        self._alarm.cancel()
        self._keeper(self)
        at_once = self._loop.time() - self._asked < STALE
        why = str(exc or "it closed the connection")
        self._fail(Lost(why, unheard=self._unheard, stale=self._unheard and at_once))

    async def ask(self, request: bytes, bound: float | None) -> Status:
        """Send a request, head and body; return when the head of its answer has come, within ``bound`` seconds.

        Raises Lost, Silent, Malformed; then it is closed.
        """
        self.resting = False
        self._unheard = True
        self._asked = self._loop.time()
        self._alarm.set(bound)
        self._transport.write(request)
        try:
            return await self._head()
        except BaseException:
            self.abort()
            raise

    async def _head(self) -> Status:
        """The head of the answer."""
        while True:
            if self._got and (head := self._came()) is not None:
                return head
            await self._news()

    def _came(self) -> Status | None:
        """The head of the answer, if it has come; others before it say that it will. Raises Malformed."""
        while (end := self._got.find(heads.END, 0, heads.LONGEST)) >= 0:
            head = heads.status(self._got[: end + 4])
            self._got = self._got[end + 4 :]
            if head.code >= 200 or head.code == 101:
                return head
        heads.check_beginning(self._got)
        return None

    async def pour(self, head: bytes, body: Framing, sink: Sink, idle: float | None) -> tuple[bytes, bytes]:
        """Let the body run to ``sink``, after ``head``; return how it began and how it ended, once it has.

        ``idle`` seconds without a byte from the engine are Silent; so many without the sink taking one reset it.
        Raises Lost, Silent, Malformed.
        """
        pour = Pour(body, sink, idle)
        rest, self._got = self._got, b""
        try:
            piece = body.take(rest) if rest else b""
        except Malformed:
            sink.write(head)
            raise
        sink.write(head + piece)
        pour.keep(piece)
        if not body.over:
            self._pour = pour
            self._alarm.set(idle)
            sink.attach(self)
            try:
                while not body.over:
                    await self._news()
            except Lost:
                end = body.at_eof() if self._ended else None
                if end is None:
                    raise
                sink.write(end)
            finally:
                sink.attach(None)
                self.resume()
                self._pour = None
        return pour.first, b"".join(pour.last)

    def rest(self, seconds: float) -> None:
        """Lie in the pool, for so long."""
        self.resting = True
        self._alarm.set(seconds)

    def feed(self, data: bytes, feeder: Source) -> None:
        """To the engine, after it has switched protocols. ``feeder`` is told when to pause."""
        self._feeder = feeder
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        """The engine takes no more for now."""
        if self._feeder is not None:
            self._feeder.pause()

    def resume_writing(self) -> None:
        """It does again."""
        if self._feeder is not None:
            self._feeder.resume()

    def abort(self) -> None:
        """Close at once: that is how an engine is told to stop."""
        self._alarm.cancel()
        self._transport.abort()

    def pause(self) -> None:
        """The sink is full: let the engine wait."""
        if self._pour is not None and not self._transport.is_closing():
            self._pour.paused = True
            self._pour.unsent = self._pour.sink.unsent()
            self._transport.pause_reading()
            self._alarm.set(self._pour.idle)

    def resume(self) -> None:
        """The sink is empty again."""
        if self._pour is not None and self._pour.paused and not self._transport.is_closing():
            self._pour.paused = False
            self._transport.resume_reading()
            self._alarm.set(self._pour.idle)

    def _pass(self, pour: Pour, data: bytes) -> None:
        body, ended = pour.body, pour.body.over
        if ended:
            body.extra = True
            return
        try:
            piece = body.take(data)
        except Malformed as error:
            self._fail(error)
            return
        pour.sink.write(piece)
        pour.keep(piece)
        if body.over:
            self._wake()
        else:
            self._alarm.set(pour.idle)

    async def _news(self) -> None:
        """Return when something has happened. Raises what makes it impossible that anything still does."""
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        """What comes first is the cause."""
        self._failure = self._failure or error
        self._wake()

    def _rings(self) -> None:
        if self.resting:
            self.abort()
        elif self._pour is not None and self._pour.paused:
            self._press(self._pour)
        else:
            self._fail(Silent())

    def _press(self, pour: Pour) -> None:
        """The sink was full for as long as it may. One that takes a little now and then is only slow."""
        before, pour.unsent = pour.unsent, pour.sink.unsent()
        if pour.unsent < before:
            self._alarm.set(pour.idle)
        else:
            pour.sink.reset()
