"""``/admin/live``: how everything stands, and then what changes, as server-sent events.

One picture is taken for all readers, and only while there are any: when something has happened, and else now and
then, for memory is read and tokens are counted without a word. Each reader then takes what it has not got yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from swapd import tasks
from swapd.web.bridge import ENDED, FOLLOWS
from swapd.web.errors import BAD_REQUEST, Problem
from swapd.web.events import KEPT, QUIET, Feed, Moves
from swapd.web.gate import Clock
from swapd.web.headers import STREAM
from swapd.web.live_reader import Reader
from swapd.web.live_shown import Shown, encoded, frame
from swapd.web.live_stamps import Stamps
from swapd.web.status import SLICE, Scene

LEAST = 0.25
"""Seconds between two pictures at least."""
STEP = 1.0
"""Seconds between two pictures though nothing was heard."""
SHARE = 0.05
"""Of one core, for pictures and frames: what takes longer comes less often."""
LAST = 0.1
"""Seconds that a reader has to take the last word."""
CLOSED = "swapd goes down, or begins anew"
AGING = ("idle", "waited", "eta", "age")
"""What changes all the time by itself. There is a moment beside each that does not."""


class Live:
    """The readers, and the one who takes pictures while there are any."""

    def __init__(self, scene: Scene, feed: Feed, clock: Clock) -> None:
        self._scene = scene
        self._feed = feed
        self._clock = clock
        self._showing: Showing | None = None
        self._closed = False
        self.readers = 0

    def close(self) -> None:
        """Every stream ends."""
        self._closed = True
        if self._showing is not None:
            self._showing.end()

    async def stream(self, request: web.Request, admit: Callable[[], None]) -> web.StreamResponse:
        """Answer with it; ``?tail=N``: with the last N things that were told. ``admit`` raises Problem once the
        reader has no right any more.
        """
        reader = Reader(self._feed, self._scene.history, _tail(request))
        response = web.StreamResponse(headers=STREAM)
        await response.prepare(request)
        request[FOLLOWS] = response
        try:
            with self._reading() as showing:
                why = await showing.show(reader, response, admit)
            await response.write(_bye(why))
        except asyncio.CancelledError:
            if ENDED in request:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST):
                        await response.write(_bye(str(request[ENDED])))
            raise
        return response

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Showing]:
        if self._showing is None or self._showing.ticks.over:
            self._showing = Showing(self._scene, self._feed, Stamps(self._clock))
            if self._closed:
                self._showing.end()
            else:
                self._showing.begin()
        self.readers += 1
        try:
            yield self._showing
        finally:
            self.readers -= 1
            if not self.readers and self._showing is not None:
                self._showing.end()
                self._showing = None


class Showing:
    """Takes pictures from ``begin`` to ``end``. ``ticks`` tells of each."""

    def __init__(self, scene: Scene, feed: Feed, stamps: Stamps) -> None:
        self.shown = Shown()
        self.ticks = Moves()
        self._scene = scene
        self._feed = feed
        self._stamps = stamps
        self._spent = 0.0
        """Seconds of computing since the last pause."""
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Of the reader that is served: between two of them the loop looks after the others."""

    async def show(self, reader: Reader, response: web.StreamResponse, admit: Callable[[], None]) -> str:
        """All there is to see, for as long as it may be seen. Returns why it ends."""
        clock = asyncio.get_running_loop().time
        seen, last = 0, clock()
        while True:
            await self.ticks.after(seen, QUIET)
            if self.ticks.over:
                return CLOSED
            seen = self.ticks.count
            async with self._turn:
                try:
                    admit()
                except Problem as problem:
                    return str(problem)
                news = self._news(reader) or (b": nothing new\n\n" if clock() - last >= QUIET else b"")
                await asyncio.sleep(0)
            if news:
                await response.write(news)
                last = clock()

    def _news(self, reader: Reader) -> bytes:
        begun = time.perf_counter()
        news = reader.news(self.shown)
        self._spent += time.perf_counter() - begun
        return news

    def begin(self) -> None:
        """From now on."""
        self._task = tasks.spawn(self._watch(), name="watch for readers")

    def end(self) -> None:
        """No more."""
        self.ticks.close()
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        try:
            while True:
                seen = self._feed.moves.count
                await self._look()
                self.ticks.stir()
                pause, self._spent = max(LEAST, self._spent / SHARE), 0.0
                await asyncio.sleep(pause)
                await self._feed.moves.after(seen, STEP - pause)
        finally:
            self.ticks.close()

    async def _look(self) -> None:
        """Take the picture, in pieces: each is of its own moment, and within one everything fits."""
        begun = time.perf_counter()
        scene, picture = self._scene, self._scene.picture(self._stamps)
        self._stamps.turn(picture.view.now)
        house, models = scene.house(picture), {}
        until = time.perf_counter() + SLICE
        for name in list(picture.view.models):
            if time.perf_counter() > until:
                self._spent += time.perf_counter() - begun
                await asyncio.sleep(0)
                begun, picture = time.perf_counter(), scene.picture(self._stamps)
                until = time.perf_counter() + SLICE  # whatever the view took: else a slow machine never gets on
            if name in picture.view.models:
                models[name] = encoded(_ageless(picture.model(name)))
        house["machine"] = {name: _ageless(found) for name, found in house["machine"].items()}
        self.shown.renew(self._stamps(picture.view.now, picture.view.now), house, models)
        self._spent += time.perf_counter() - begun


def _tail(request: web.Request) -> int:
    try:
        return min(KEPT, max(0, int(request.query.get("tail", 0))))
    except ValueError:
        raise Problem(BAD_REQUEST, "cannot show events: ?tail= takes a number of events") from None


def _bye(why: str) -> bytes:
    return frame("bye", {"why": why})


def _ageless(found: dict[str, Any]) -> dict[str, Any]:
    """The same object, without what changes all the time by itself, in its queue neither: it is made for us."""
    for key in AGING:
        found.pop(key, None)
    for waiter in found.get("queue", ()):
        _ageless(waiter)
    return found
