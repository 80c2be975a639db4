"""Asking an engine whether it is ready: often at first, at once when it writes, each time with a bound."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import psutil

from swapd import tasks, threads
from swapd.core.engine import Endpoint
from swapd.engines.look import BOUND, READY, Answer, Doubt, Question, look
from swapd.engines.news import News

log = logging.getLogger("swapd")
FIRST, SLOWEST = 0.003, 0.25
"""Seconds between two looks: the shortest pause and the longest."""
LATE, SOON = 0.01, 0.001
"""The pause by the age of the load: a look comes late by so little of it; and, at first, after news."""
WHO_BOUND = 5.0
"""Seconds that finding out who answers may take: /proc makes readers wait for a process that is stuck."""


class Stranger(Exception):
    """The port is answered by a process that is not ours."""


async def until_ready(question: Question, news: News, stranger: Callable[[], str | None] | None) -> float:
    """Return when the question is answered with 200: the seconds since anybody first accepted a connection there.

    ``news``: when the engine writes to its log it is asked soon, whatever the pause was. Once anybody accepts,
    ``stranger`` is asked in a thread who it is if it is not our process. The looks go on meanwhile, but nobody
    is ready before it has answered, or WHO_BOUND is over. The scheduler has the deadline of those who let us
    wait. Raises Stranger, and Broken.
    """
    clock = asyncio.get_running_loop().time
    pace, doubt = Pace(news.wrote, clock), Doubt(question, clock)
    owner: asyncio.Task[str | None] | None = None
    accepted: float | None = None
    try:
        while (answer := await _look(question, news)).status != READY:
            if answer.status is not None and accepted is None:
                accepted = clock()
            if answer.status is not None and owner is None and stranger is not None:
                owner = tasks.spawn(_who(question.where, stranger), name=f"who answers at {question.where}")
            if owner is not None and owner.done():
                _refuse(question.where, owner.result())
            doubt.hear(answer)
            await pace.pause()
        if stranger is not None:
            _refuse(question.where, await (owner or _who(question.where, stranger)))
        return 0.0 if accepted is None else clock() - accepted
    finally:
        if owner is not None:
            owner.cancel()


async def _who(where: Endpoint, stranger: Callable[[], str | None]) -> str | None:
    """The stranger's answer; None if it cannot tell: then whoever answers is taken for ours."""
    try:
        return await asyncio.wait_for(threads.run(stranger), WHO_BOUND)
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


async def _look(question: Question, news: News) -> Answer:
    news.looked()
    try:
        return await look(question, BOUND)
    finally:
        news.looked()
