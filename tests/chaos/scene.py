"""What a fault has at hand: the arena, the crowd, and ways to get an engine into a state."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Collection
from typing import Any

from swapd import tasks
from tests.chaos import procs
from tests.chaos.arena import Arena, until
from tests.chaos.calls import Ask, Seen
from tests.chaos.crowd import Crowd
from tests.chaos.verdict import ENGINE_CODES, Excuse, Excuses
from tests.chaos.wire import Cut

PATIENCE = 12.0
"""Seconds to get an engine into a state, against all that the crowd wants."""
TRIES = 3
"""Times that is asked for something: an unload meanwhile is nobody's fault."""
TAKEN_AWAY = ("model_unloaded", "model_removed", "model_not_found")


class NotNow(Exception):
    """The fault could not be done: what it needs did not come about."""


class Scene:
    """One fault's. Its excuses hold until ``close``, when all has recovered."""

    def __init__(self, arena: Arena, crowd: Crowd, excuses: Excuses, rng: random.Random) -> None:
        self.arena = arena
        self.crowd = crowd
        self.rng = rng
        self.wrong: list[str] = []
        """What the fault itself saw go wrong."""
        self._all = excuses
        self._given: list[Excuse] = []
        self._asked: list[asyncio.Task[Seen]] = []

    def excuse(self, why: str, **what: Any) -> Excuse:
        """Until the scene is closed, unless the fault closes it sooner."""
        self._given.append(self._all.give(why, **what))
        return self._given[-1]

    def excuse_engine(self, *models: str, codes: Collection[str] = ENGINE_CODES) -> Excuse:
        """What the fault of an engine may do: a refusal in words; an answer in one piece may be cut."""
        return self.excuse("an engine's fault", models=models, codes=codes, cuts=False)

    def excuse_all(self, why: str) -> Excuse:
        """The daemon is away: connections are cut, and what it says meanwhile is all right."""
        return self.excuse(why, codes=None, cuts=True)

    def explained(self, seen: Seen) -> bool:
        """Whether what somebody else does meanwhile explains that: an operator unloads what a fault is about."""
        return self._all.cover(seen, but=self._given)

    async def close(self) -> None:
        """What was asked is answered, and from now on nothing is excused."""
        await asyncio.gather(*self._asked, return_exceptions=True)
        for excuse in self._given:
            excuse.close()

    def ask(self, model: str, kind: str = "whole", **more: Any) -> asyncio.Task[Seen]:
        """A request on its way."""
        words, pace, tag = more.pop("words", 8), more.pop("pace", 0.01), more.pop("tag", "") or self.crowd.tag()
        asking = self.crowd.ask(Ask(kind, model, tag, words, pace, None, tuple(more.items())))
        self._asked.append(tasks.spawn(asking, name=f"chaos asks {model}"))
        return self._asked[-1]

    async def served(self, model: str) -> Seen:
        """What came of a request; asked again while the operator takes the model away. Raises NotNow."""
        deadline = time.monotonic() + PATIENCE
        while (seen := await self.ask(model)).code in TAKEN_AWAY and self.explained(seen):
            if time.monotonic() > deadline:
                raise NotNow(f"{model} is taken away again and again: {seen.code}")
            await asyncio.sleep(0.1)
        return seen

    async def stream(self, model: str, seconds: float = 2.0) -> asyncio.Task[Seen]:
        """A stream that has begun, of about so many seconds. Raises NotNow if others' wishes keep it from it."""
        for _ in range(TRIES):
            began = asyncio.Event()
            ask = Ask("stream", model, self.crowd.tag(), int(seconds / 0.02), 0.02)
            task = tasks.spawn(self.crowd.ask(ask, began.set), name=f"chaos streams {model}")
            self._asked.append(task)
            first = tasks.spawn(began.wait(), name="the first piece")
            await asyncio.wait((task, first), return_when=asyncio.FIRST_COMPLETED)
            first.cancel()
            if began.is_set():
                return task
        raise NotNow(f"no stream of {model} begins: {task.result().how} {task.result().code}")

    async def engine(self, model: str, *states: str) -> dict[str, Any]:
        """The model's status once it has a process and is in one of the states. Raises NotNow."""

        async def there() -> dict[str, Any]:
            try:
                told = await self.arena.model(model)
            except (Cut, TimeoutError, ValueError, KeyError):
                return {}
            return told if told.get("state") in states and (told["pid"] or "cold" in states) else {}

        try:
            found: dict[str, Any] = await until(there, PATIENCE, f"{model} is {' or '.join(states)}")
        except TimeoutError as error:
            raise NotNow(str(error)) from None
        return found

    async def ready(self, model: str) -> dict[str, Any]:
        """Have it up: a stream keeps it so for a moment if it is not, whoever else wants its place."""
        if (await self.arena.model(model)).get("state") != "ready":
            await self.stream(model, seconds=1.0)
        return await self.engine(model, "ready")

    async def cold(self, model: str) -> None:
        """Unload it, as an operator would."""
        with_words = self.excuse("unloaded", models=(model,), codes=("model_unloaded",))
        await self.wish(f"models/{model}/unload")
        with_words.close(after=0.5)

    async def fresh(self, model: str, **whim: Any) -> asyncio.Task[Seen]:
        """Let the next engine start with a whim, and ask for it. Raises NotNow if none is started."""
        file = self.arena.folder / f"whim-{model}"
        try:
            self.arena.whim(model, **whim)
            await self.cold(model)
            asked = self.ask(model)
            await until(lambda: not file.exists(), PATIENCE, f"{model} is started anew")
        except TimeoutError as error:
            raise NotNow(str(error)) from None
        finally:
            file.unlink(missing_ok=True)  # or it came over an engine when nothing is excused any more
        return asked

    async def wish(self, path: str) -> tuple[int, Any]:
        """An operator's. Raises NotNow if the daemon cannot hear it."""
        try:
            return await self.arena.admin(path)
        except (Cut, ValueError, TimeoutError) as error:
            raise NotNow(f"cannot wish {path}: {error!r}") from None

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """The daemon or an engine. Raises NotNow if it has ended by itself."""
        mark = "" if pid == self.arena.pid else self.arena.mark
        if not procs.signal_to(pid, number, mark):
            raise NotNow(f"pid {pid} is gone already")
