"""A server that somebody else runs, while a model counts on it: asked how it does, never started or stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from swapd import tasks
from swapd.core.commands import Spawn, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineReady, EngineSick, Event
from swapd.core.refusal import Exit
from swapd.core.urls import endpoint_of
from swapd.engines.logs import LogBook
from swapd.engines.look import READY, Answer, Broken, Doubt, Question, look

FIRST, SLOWEST = 0.1, 2.0
"""Seconds between two looks while it is not ready: it is on a network, and others may ask it too."""
AGAIN, SOON = 30.0, 5.0
"""Seconds between two looks once it is; and after one that failed."""
PATIENCE = 3
"""So many looks in a row must fail: a server at work may well be slow to say so."""
BOUND = 10.0
"""Seconds that connecting, and again answering, may take."""


class Remote:
    """A run without a process. ``post`` hears when the server is ready, or is no more; not once it was let go."""

    pid = None

    def __init__(self, order: Spawn, book: LogBook, post: Callable[[Event], None]) -> None:
        """Raises ValueError for what is no URL."""
        launch = order.launch
        self._run: RunId = order.run
        self._question = Question(endpoint_of(launch.url, launch.key), launch.health, launch.loading)
        self._book = book
        self._post = post
        self._told = ""
        self._unready = ""
        """What the last look found, while none has found it ready."""
        self._over = asyncio.Event()
        self._asking = tasks.spawn(self._ask(), name=f"ask {order.run}")

    def members(self, sessions: Mapping[int, Sequence[int]]) -> list[int]:
        """It has no processes here."""
        return []

    def memory(self) -> int | None:
        """It holds nothing here."""
        return None

    async def end(self) -> Exit:
        """Return once it is let go."""
        await self._over.wait()
        self._asking.cancel()
        if self._unready:
            return Exit(reason=f"let go before it was ready: {self._unready}", hint=self._unready)
        return Exit(reason="let go: it is not swapd's to stop")

    def terminate(self, stop: tuple[str, ...], why: Why) -> None:
        """Let it go, at once. There is nothing to stop."""
        self.kill()

    def kill(self) -> None:
        """The same."""
        self._asking.cancel()
        self._over.set()

    async def _ask(self) -> None:
        where = self._question.where
        self._note(f"asks {where}{self._question.path}")
        try:
            await self._until_ready()
        except Broken as broken:
            self._note(str(broken))
            self._post(EngineSick(self._run, str(broken)))
            return
        self._note("is ready")
        self._post(EngineReady(self._run, where))
        why = await self._until_lost()
        self._note(why)
        self._post(EngineSick(self._run, why))

    async def _until_ready(self) -> None:
        """Raises Broken."""
        doubt, pause = Doubt(self._question, asyncio.get_running_loop().time), FIRST
        while (answer := await look(self._question, BOUND)).status != READY:
            self._unready = self._words(answer)
            self._note(self._unready)
            doubt.hear(answer)
            await asyncio.sleep(pause)
            pause = min(2 * pause, SLOWEST)
        self._unready = ""

    async def _until_lost(self) -> str:
        """Return once it does not answer as it should any more; what it did instead."""
        failed = 0
        while True:
            await asyncio.sleep(SOON if failed else AGAIN)
            answer = await look(self._question, BOUND)
            failed = 0 if answer.status == READY else failed + 1
            if failed == PATIENCE:
                return f"{PATIENCE} looks in a row failed: {self._words(answer)}"

    def _words(self, answer: Answer) -> str:
        """What a look found that was not ready."""
        if wrong := self._question.wrong(answer):
            return wrong
        if answer.why:
            return f"{self._question.where} does not answer: {answer.why}"
        return f"{self._question.where} is not ready yet: it answers with {answer.status}"

    def _note(self, text: str) -> None:
        """Into the log book, unless that is what was said last."""
        if text != self._told:
            self._told = text
            self._book.write(f"--- {self._run}: {text}")
