"""What the daemon tells without being asked again: read by threads, heard on the loop.

A thread waits when the loop is behind, and with it the daemon, which then leaves out what it must: nothing grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swapd.cli.client import Admin
from swapd.cli.failure import Failed, NotAllowed

TAIL = 100
"""Events of before."""
LINES = 1000
"""Lines of a log of before."""
WAITING = 64
"""So much is kept for the loop."""
BYE = "bye"
"""Its last frame."""
AGAIN = 0.5
"""Seconds between two attempts to reach a daemon that is away."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One of ``/admin/live``."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream is over; another attempt follows, unless the daemon does not want us."""

    error: Failed
    told: bool = False
    """Whether the daemon said so itself, and why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Of a log; an empty one is its end, and why."""

    by: object
    """Who follows it."""
    text: str
    ended: str = ""


News = Frame | Lost | Piece


class Unheard(Exception):
    """There is nobody to tell."""


class Inbox:
    """From threads to the loop, in order and bounded."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news: queue.Queue[News] = queue.Queue(WAITING)
        self.stirred = asyncio.Event()
        """Set when there is something to look at."""

    def put(self, news: News) -> None:
        """By a thread; waits where the loop is behind. Raises Unheard when nobody looks any more."""
        self._news.put(news)
        try:
            self._loop.call_soon_threadsafe(self.stirred.set)
        except RuntimeError:  # the loop is closed
            raise Unheard from None

    def take(self) -> list[News]:
        """By the loop: what is there now."""
        found: list[News] = []
        with contextlib.suppress(queue.Empty):
            while len(found) < WAITING:
                found.append(self._news.get_nowait())
        if len(found) == WAITING:
            self.stirred.set()  # there may be more
        return found


def watch(admin: Admin, inbox: Inbox) -> None:
    """Follow the daemon by a thread, until it does not want us, or nobody looks: it comes back by itself."""

    def work() -> None:
        with contextlib.suppress(Unheard):
            while not isinstance((lost := _follow(admin, inbox)).error, NotAllowed):
                inbox.put(lost)
                time.sleep(AGAIN)
            inbox.put(lost)

    threading.Thread(target=work, name="live", daemon=True).start()


def _follow(admin: Admin, inbox: Inbox) -> Lost:
    """Once, until it ends."""
    try:
        for kind, data in admin.live(TAIL):
            if kind == BYE:
                return Lost(Failed(str(data.get("why"))), told=True)
            inbox.put(Frame(kind, data))
    except Failed as error:
        return Lost(error)
    return Lost(Failed("it ended the stream"))


class Tail:
    """A model's log, followed by a thread until it is closed."""

    def __init__(self, admin: Admin, model: str, inbox: Inbox) -> None:
        self._model = model
        self._inbox = inbox
        self._closed = False
        self._hang_up: Callable[[], None] = lambda: None
        threading.Thread(target=self._work, args=(admin,), name=f"log of {model}", daemon=True).start()

    def close(self) -> None:
        """What still comes is not heard."""
        self._closed = True
        self._hang_up()

    def _work(self, admin: Admin) -> None:
        with contextlib.suppress(Unheard):
            ended = self._read(admin)
            if not self._closed:
                self._inbox.put(Piece(self, "", ended))

    def _read(self, admin: Admin) -> str:
        """Why no more comes."""
        try:
            for text in admin.logs(self._model, LINES, follow=True, opened=self._opened):
                if self._closed:
                    break
                self._inbox.put(Piece(self, text))
        except Failed as error:
            return error.message.partition("\n")[0]
        return "it has ended"

    def _opened(self, hang_up: Callable[[], None]) -> None:
        self._hang_up = hang_up
        if self._closed:
            hang_up()
