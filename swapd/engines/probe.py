"""Asking an engine whether it is ready: often at first, at once when it writes, each time with a bound."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from swapd import tasks
from swapd.core.engine import Endpoint
from swapd.engines.news import News

log = logging.getLogger("swapd")
FIRST, SLOWEST = 0.003, 0.25
"""Seconds between two looks: the shortest pause and the longest."""
LATE, SOON = 0.01, 0.001
"""The pause by the age of the load: a look comes late by so little of it; and, at first, after news."""
BOUND = 2.0
"""Seconds that connecting, and again answering, may take."""
WHO_BOUND = 5.0
"""Seconds that finding out who answers may take: /proc makes readers wait for a process that is stuck."""
NOT_HTTP = 0
"""The status of somebody who accepts, but says nothing sensible in time."""


class Stranger(Exception):
    """The port is answered by a process that is not ours."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where an engine is asked, and for which path."""

    where: Endpoint
    path: str

    @property
    def request(self) -> bytes:
        """A GET."""
        host = "localhost" if self.where.path else f"{self.where.host}:{self.where.port}"
        return f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


async def until_ready(question: Question, news: News, stranger: Callable[[], str | None] | None) -> None:
    """Return when the question is answered with 200. Never gives up: the scheduler has the deadline.

    ``news``: when the engine writes to its log it is asked soon, whatever the pause was. Once anybody accepts,
    ``stranger`` is asked in a thread who it is if it is not our process. The looks go on meanwhile, but nobody
    is ready before it has answered, or WHO_BOUND is over. Raises Stranger.
    """
    pace = Pace(news.wrote, asyncio.get_running_loop().time)
    owner: asyncio.Task[str | None] | None = None
    try:
        while (status := await _look(question, news)) != 200:
            if status is not None and owner is None and stranger is not None:
                owner = tasks.spawn(_who(question.where, stranger), name=f"who answers at {question.where}")
            if owner is not None and owner.done():
                _refuse(question.where, owner.result())
            await pace.pause()
        if stranger is not None:
            _refuse(question.where, await (owner or _who(question.where, stranger)))
    finally:
        if owner is not None:
            owner.cancel()


async def _who(where: Endpoint, stranger: Callable[[], str | None]) -> str | None:
    """The stranger's answer; None if it cannot tell: then whoever answers is taken for ours."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(stranger), WHO_BOUND)
    except (OSError, RuntimeError, psutil.Error) as error:  # RuntimeError: there is no thread to be had
        log.warning("cannot tell who answers at %s: %s; it is taken for the engine", where, error or "no answer")
        return None


def _refuse(where: Endpoint, who: str | None) -> None:
    if who is not None:
        raise Stranger(f"port {where.port} is answered by another process ({who})")


class Pace:
    """How long to wait until the next look. ``clock``: seconds, monotonic.

    After news it is short, and grows again. But an engine that has written something before each look may well
    write of nothing but our looks, so it is looked at no sooner for that: it could keep us busy for ever.
    """

    def __init__(self, wrote: asyncio.Event, clock: Callable[[], float]) -> None:
        self._wrote = wrote
        self._clock = clock
        self._born = clock()
        self._pause = 0.0
        self._chatty = False

    async def pause(self) -> None:
        """Until the next look is due, or the engine has written something."""
        least, most = self.bounds()
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most - least):
                await self._wrote.wait()

    def bounds(self) -> tuple[float, float]:
        """The next pause: at least, whatever the engine writes; and if it writes nothing."""
        age = self._clock() - self._born
        soon, late = (min(max(FIRST, age * share), SLOWEST) for share in (SOON, LATE))
        chatty, self._chatty = self._chatty, self._wrote.is_set()
        self._wrote.clear()
        is_news = self._chatty and not chatty
        self._pause = soon if is_news else min(max(soon, 2 * self._pause), late)
        return (self._pause if self._chatty else soon), self._pause


async def _look(question: Question, news: News) -> int | None:
    """The status that one GET is answered with; None if nobody accepts.

    The status line is all that matters; a whole HTTP client would cost ten times as much a look.
    """
    news.looked()
    try:
        async with asyncio.timeout(BOUND):
            reader, writer = await _open(question.where)
    except OSError:  # TimeoutError is one
        return None
    try:
        async with asyncio.timeout(BOUND):
            writer.write(question.request)
            return _status(await reader.readline())
    except (OSError, ValueError):
        return NOT_HTTP
    finally:
        writer.close()
        news.looked()


async def _open(where: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.path:
        return await asyncio.open_unix_connection(where.path)
    return await asyncio.open_connection(where.host, where.port)


def _status(answer: bytes) -> int:
    version, _, rest = answer.partition(b" ")
    code = rest[:3]
    return int(code) if version.startswith(b"HTTP/") and code.isdigit() else NOT_HTTP
