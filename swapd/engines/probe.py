"""Asking an engine whether it is ready: often at first, at once when it writes, each time with a bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from swapd import tasks
from swapd.core.engine import Endpoint

FIRST, SLOWEST = 0.003, 0.25
"""Seconds between two looks: the shortest pause and the longest."""
LATE = 0.01
"""The pause by the silence so far: a look comes late by so little of the load."""
FLOODED = 0.001
"""The shortest pause by the age of the load: a flood of lines must not become a flood of looks."""
BOUND = 2.0
"""Seconds that connecting, and again answering, may take."""
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


async def until_ready(question: Question, wrote: asyncio.Event, stranger: Callable[[], str | None] | None) -> None:
    """Return when the question is answered with 200. Never gives up: the scheduler has the deadline.

    ``wrote`` is set whenever the engine writes to its log: then it is asked soon, whatever the pause was. Once
    anybody accepts, ``stranger`` is asked in a thread who it is if it is not our process. The looks go on
    meanwhile, but nobody is ready before it has answered. Raises Stranger.
    """
    pace = Pace(wrote, asyncio.get_running_loop().time)
    owner: asyncio.Task[str | None] | None = None
    try:
        while (status := await _look(question)) != 200:
            if status is not None and owner is None and stranger is not None:
                owner = tasks.spawn(asyncio.to_thread(stranger), name=f"who answers at {question.where}")
            if owner is not None and owner.done():
                _refuse(question.where, owner.result())
            await pace.pause()
        if stranger is not None:
            _refuse(question.where, await (owner or asyncio.to_thread(stranger)))
    finally:
        if owner is not None:
            owner.cancel()


def _refuse(where: Endpoint, who: str | None) -> None:
    if who is not None:
        raise Stranger(f"port {where.port} is answered by another process ({who})")


class Pace:
    """How long to wait until the next look. ``clock``: seconds, monotonic."""

    def __init__(self, wrote: asyncio.Event, clock: Callable[[], float]) -> None:
        self._wrote = wrote
        self._clock = clock
        self._born = self._news = clock()

    async def pause(self) -> None:
        """Until the next look is due, or the engine has written something."""
        least, most = self.bounds()
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most - least):
                await self._wrote.wait()

    def bounds(self) -> tuple[float, float]:
        """The next pause: at least, whatever the engine writes; and if it writes nothing."""
        now = self._clock()
        if self._wrote.is_set():
            self._wrote.clear()
            self._news = now
        least = min(max(FIRST, (now - self._born) * FLOODED), SLOWEST)
        return least, min(max(least, (now - self._news) * LATE), SLOWEST)


async def _look(question: Question) -> int | None:
    """The status that one GET is answered with; None if nobody accepts.

    The status line is all that matters; a whole HTTP client would cost ten times as much a look.
    """
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


async def _open(where: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.path:
        return await asyncio.open_unix_connection(where.path)
    return await asyncio.open_connection(where.host, where.port)


def _status(answer: bytes) -> int:
    version, _, rest = answer.partition(b" ")
    code = rest[:3]
    return int(code) if version.startswith(b"HTTP/") and code.isdigit() else NOT_HTTP
