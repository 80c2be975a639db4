"""Follows one file that engines write to: its lines go to the log books, and to whoever listens to a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from swapd.engines.inotify import Inotify
from swapd.engines.logs import KEEP, OURS, LogBook
from swapd.engines.news import News
from swapd.engines.rotation import Bounds
from swapd.engines.tail import Tail

log = logging.getLogger("swapd")
PAUSE = 0.005
"""Seconds between two reads, at least; the first is at once."""
SHARE = 9
"""How many times as long as the last read took it waits besides, so that a flood costs a tenth of a core."""
LONGEST_PAUSE = 0.05
"""Seconds; the file grows meanwhile."""
BEHIND = 2 << 20
"""Bytes not read yet, from which on all but the last of them are skipped; the ring keeps no more anyway."""


class Listener(Protocol):
    """What follows a run's output: ``logs.Capture``."""

    book: LogBook
    news: News

    def take(self, lines: list[str]) -> None:
        """What came."""


class Follower:
    """Reads from the present end on, but not before somebody listens. Then as long as the file is open."""

    def __init__(self, fd: int, path: Path | None, inotify: Inotify, complain: Callable[[str], None]) -> None:
        """``path``: where a copy goes when it gets large; None for what has no place on a disk."""
        self.tail = Tail(fd)
        self._bounds = Bounds(self.tail, path, complain, self.catch_up)
        self._inotify = inotify
        self._listeners: list[Listener] = []
        self._books: dict[LogBook, None] = {}
        self._call_off: Callable[[], None] = _nothing
        self._wrote_at = asyncio.get_running_loop().time()

    def listen(self, listener: Listener, *, past: bool) -> Callable[[], None]:
        """Give it what comes; the answer ends that. ``past``: with what the file holds. Raises OSError."""
        first = not self._books
        self.catch_up()  # what came before is not for this one, if there are others
        self._books[listener.book] = None
        self._listeners.append(listener)
        if first and past:
            self._look_back()
        self.catch_up()
        if first:
            self._turn()
        return lambda: self._leave(listener)

    def _look_back(self) -> None:
        """Into the copy too, if the file was emptied not long ago."""
        if self._bounds.older is not None and self.tail.size() < KEEP:
            with contextlib.suppress(OSError), self._bounds.older.open("rb") as copy:
                before = Tail(copy.fileno())
                before.back(KEEP)
                while (lines := before.read()) is not None:
                    self.give(lines)
        self.tail.back(KEEP)

    def catch_up(self, at_most: int = BEHIND) -> None:
        """Read what is there by now; not what is written meanwhile. It is no news. Raises OSError.

        ``at_most``: bytes; if there are more, only the last ones.
        """
        if self._books:
            self._keep_up(at_most)
            end = self.tail.at + self.tail.ahead()
            while self.tail.at < end and (lines := self.tail.read()) is not None:
                self.give(lines)

    def give(self, lines: list[str]) -> None:
        """Once to each book, once to each who listens."""
        for book in self._books:
            book.write(*lines)
        for listener in self._listeners:
            listener.take(lines)

    def close(self) -> None:
        """Take what is there still, and look no more."""
        self._call_off()
        self._bounds.close()
        self._take_the_rest()

    def _leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            if len(self._listeners) == 1:
                self._take_the_rest()
            self._listeners.remove(listener)

    def _take_the_rest(self) -> None:
        with contextlib.suppress(OSError):
            self.catch_up()
        self.give(self.tail.end())

    def _turn(self) -> None:
        try:
            self._call_off = self._look()
        except OSError as error:
            self._call_off = _nothing
            log.warning("cannot read what an engine writes any more: %s", error)

    def _look(self) -> Callable[[], None]:
        """Read a piece, and see to the next turn; the answer calls that off."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._keep_up(BEHIND):
            self._bounds.flooded()
        lines = self.tail.read()
        self._bounds.mind(quiet=lines is None)
        if lines is None:
            call_off = self._inotify.once(self.tail.fd, self._turn, quiet=began - self._wrote_at)
            if not self.tail.ahead():
                return call_off
            call_off()  # it came before anybody watched
            return loop.call_soon(self._turn).cancel
        self._wrote_at = began
        self.give(lines)
        for listener in self._listeners:
            listener.news.heard()
        pause = min(PAUSE + SHARE * (loop.time() - began), LONGEST_PAUSE)
        return loop.call_later(pause, self._turn).cancel

    def _keep_up(self, at_most: int) -> bool:
        """Skip what nobody can read in time; whether that was needed."""
        if self.tail.ahead() <= at_most:
            return False
        skipped = self.tail.back(min(at_most, KEEP))
        self.give([f"{OURS}({skipped} bytes dropped: it writes faster than they can be read)"])
        return True


def _nothing() -> None:
    """There is no turn to call off."""
