"""``/admin/events``: what happens and is decided, as server-sent events while it does.

The format is the one of the HTML standard (9.2): ``id``, ``event`` and ``data`` lines, comments that begin with a
colon, and ``Last-Event-ID`` to go on from where one left.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from swapd.core.commands import Command
from swapd.core.events import CatalogChanged, Event
from swapd.core.ring import Ring
from swapd.core.told import Granted, News, Story
from swapd.web.bridge import FOLLOWS
from swapd.web.errors import BAD_REQUEST, Problem
from swapd.web.gate import Clock
from swapd.web.headers import STREAM

DIGITS = 18
"""A longer number is not one of ours."""
KEPT = 1000
"""So many events are remembered for those who come back, or read slowly."""
QUIET = 15.0
"""Seconds of silence after which a comment shows that the line is alive."""


class Moves:
    """Counts what may have changed how models stand, and wakes who waits for more: they look for themselves."""

    def __init__(self) -> None:
        self.count = 0
        self.over = False
        self._news = asyncio.Event()

    def stir(self) -> None:
        """Something has happened."""
        self.count += 1
        self._wake()

    def close(self) -> None:
        """Nothing will any more."""
        self.over = True
        self._wake()

    async def after(self, seen: int, seconds: float) -> None:
        """Return once the count is not ``seen`` any more, or it is over, or so much time has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.count == seen and not self.over:
                    await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Feed:
    """An ear of the desk, and whoever listens to it. One numbered ring for all readers: nobody is waited for."""

    def __init__(self, clock: Clock, kept: int = KEPT, story: Story | None = None) -> None:
        """``story``: one that it shares with other ears."""
        self._clock = clock
        self._story = story or Story()
        self._ring: deque[tuple[float, News]] = deque(maxlen=kept)
        """What was told, and when (monotonic). It is worded when it is read: most is read by nobody."""
        self._next = 0
        self._life = secrets.token_hex(
            4
        )  # numbers begin anew with each daemon: an old one must not be taken for ours
        self._news: asyncio.Event | None = None
        """For those who wait for some."""
        self._closed = False
        self.told: Ring[tuple[float, News]] = Ring(KEPT)
        """The same without the grants, of which there is one for each request: they would push all else out."""
        self.moves = Moves()
        self.readers = 0
        """How many listen."""

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Keep what is told of it, and wake the readers."""
        now = time.monotonic()
        if told := self._story.hear(event, commands, now):
            self._ring.extend([(now, news) for news in told])
            self._next += len(told)
            self._wake()
            moved = len(told) > 1 or type(told[0]) is not Granted
            if moved:
                self.told.extend([(now, news) for news in told if type(news) is not Granted])
        else:
            moved = isinstance(event, CatalogChanged)
        if moved:
            self.moves.stir()

    def tell(self, news: News) -> None:
        """The same of what the desk does not hear of."""
        told = [(time.monotonic(), news)]
        self._ring.extend(told)
        self._next += 1
        self.told.extend(told)
        self._wake()
        self.moves.stir()

    def close(self) -> None:
        """Every reader gets what there is, and its stream ends."""
        self._closed = True
        self._wake()
        self.moves.close()

    def start(self, last_id: str | None, tail: int = 0) -> int:
        """Where a reader begins: after the event it saw last, else ``tail`` events before the next one.

        With an id that is not ours, at the oldest that is kept. A negative ``tail`` is none.
        """
        life, _, number = (last_id or "").partition("-")
        if life == self._life and number.isascii() and number.isdigit() and len(number) <= DIGITS:
            return min(int(number) + 1, self._next)
        return max(0, self._next - (len(self._ring) if last_id else max(0, tail)))

    async def read(self, at: int, *, follow: bool = True) -> AsyncIterator[bytes]:
        """The stream from event number ``at`` on: until the feed is closed, or what there is now."""
        while True:
            first = self._next - len(self._ring)
            if at < first:
                yield _frame(lost_words(first - at))
                at = first
            while at < self._next and at >= self._next - len(self._ring):
                yield self._frame(at)
                at += 1
            if at < self._next:
                continue
            if self._closed or not follow:
                return
            yield await self._wait()

    async def _wait(self) -> bytes:
        """Until there is news; what to send meanwhile."""
        try:
            async with asyncio.timeout(QUIET):
                if self._news is None:
                    self._news = asyncio.Event()
                await self._news.wait()
        except TimeoutError:
            return b": nothing new\n\n"
        return b""

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def _frame(self, at: int) -> bytes:
        return _frame(self.worded(*self._ring[at - (self._next - len(self._ring))]), f"{self._life}-{at}")

    def worded(self, then: float, news: News) -> dict[str, Any]:
        """What was told at the monotonic moment ``then``, as JSON values."""
        stamp = self._clock(then, time.monotonic())
        about = {"type": news.type, "at": stamp, "model": news.model, "run": news.run}
        return about | dict(news.data) | {"text": news.text}


async def stream(feed: Feed, request: web.Request, admit: Callable[[], None]) -> web.StreamResponse:
    """Answer with the feed: on from ``Last-Event-ID``, else new events; ``?tail=N``: the last N first.

    ``?follow=0`` ends after those that are there already. ``admit`` raises Problem once the reader has no right
    any more: then it ends, too.
    """
    try:
        tail = int(request.query.get("tail", 0))
    except ValueError:
        raise Problem(BAD_REQUEST, "cannot show events: ?tail= takes a number of events") from None
    at = feed.start(request.headers.get("Last-Event-ID"), min(tail, KEPT))
    response = web.StreamResponse(headers=STREAM)
    await response.prepare(request)
    await response.write(b": swapd events\n\n")
    feed.readers += 1
    if follow := request.query.get("follow") != "0":
        request[FOLLOWS] = response
    try:
        async for piece in feed.read(at, follow=follow):
            admit()
            if piece:
                await response.write(piece)
    except Problem:
        pass
    finally:
        feed.readers -= 1
    return response


def _frame(body: dict[str, Any], number: str | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {body['type']}\n".encode() + b"data: " + msgspec.json.encode(body) + b"\n\n"


def lost_words(count: int) -> dict[str, Any]:
    """What a reader is told that has missed so many."""
    text = f"{count} events are lost: they were told faster than they were read, or too long ago"
    return {"type": "lost", "lost": count, "text": text}
