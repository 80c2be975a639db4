"""The run: the load, the faults one after another, the chores beside them, and a look at the house after each."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any

from swapd import tasks
from tests.chaos.arena import Arena
from tests.chaos.crowd import Crowd
from tests.chaos.invariants import House
from tests.chaos.plan import Plan, Step
from tests.chaos.report import Report
from tests.chaos.scene import NotNow, Scene
from tests.chaos.table import CHORES, FAULTS, Fault
from tests.chaos.verdict import Excuses
from tests.chaos.wire import Cut

LONGEST = 150.0
"""Seconds for a fault and its recovery."""
LONGER = 180.0
"""Seconds that a run may go on for faults that it lacks: on a slow machine each takes longer."""
REST_EVERY = 10
"""After so many faults all is unloaded and looked at."""


class Drive:
    """One run of a plan against an arena."""

    def __init__(self, arena: Arena, plan: Plan, least: int = 0) -> None:
        """``least``: so many different faults must happen, if that takes no more than so much longer."""
        self._least = least
        self._arena = arena
        self._plan = plan
        self._excuses = Excuses()
        self.report = Report(plan)
        self._crowd = Crowd(arena, self._excuses, plan.seed, self.report.heard)
        self._house = House(arena, self._crowd)
        self._may_do_chores = asyncio.Event()
        self._chores_idle = asyncio.Event()
        self._begun = time.monotonic()

    @property
    def tally(self) -> Any:
        """Of all requests."""
        return self._crowd.tally

    @property
    def _at(self) -> float:
        return time.monotonic() - self._begun

    async def run(self) -> None:
        """From a fresh daemon to its end. What is wrong is in the report."""
        await self._arena.start()
        await self._arena.status()
        self._house.settle()
        self._begun = time.monotonic()
        self._crowd.begin()
        self._may_do_chores.set()
        self._chores_idle.set()
        chores = tasks.spawn(self._do_chores(), name="chores")
        try:
            await self._do_faults()
        finally:
            chores.cancel()
            await asyncio.gather(chores, return_exceptions=True)
            await self._crowd.end()
        await self._finish()

    async def _finish(self) -> None:
        self._crowd.kept = 0
        for problem in await self._house.at_rest():
            self.report.wrong("everything", problem)
        for problem in await self._arena.close():
            self.report.wrong("the daemon's end", problem)
        self.report.seconds = self._at
        self.report.checked, self.report.failed = self._house.checked, self._house.failed

    async def _do_faults(self) -> None:
        for number, step in enumerate(self._plan.faults, start=1):
            await asyncio.sleep(step.calm)
            if self._is_enough():
                return
            scene = self._scene(number)
            await self._happens(FAULTS[step.name], step, scene)
            await self._look(step, scene, rest=number % REST_EVERY == 0)

    def _is_enough(self) -> bool:
        late = self._at - self._plan.seconds
        lacking = len(self.report.injected.keys() & FAULTS.keys()) < self._least
        return late > (LONGER if lacking else 0.0)

    async def _do_chores(self) -> None:
        for number, step in enumerate(self._plan.chores, start=1):
            await asyncio.sleep(step.calm)
            await self._may_do_chores.wait()
            self._chores_idle.clear()
            scene = self._scene(-number)
            try:
                await self._happens(CHORES[step.name], step, scene)
                self._tell(step, scene)
                await scene.close()
            finally:
                self._chores_idle.set()

    def _scene(self, number: int) -> Scene:
        """Its dice are the same in a replay."""
        return Scene(self._arena, self._crowd, self._excuses, random.Random(f"{self._plan.seed} {number}"))

    async def _happens(self, fault: Fault, step: Step, scene: Scene) -> None:
        at = self._at
        try:
            # Not wait_for: of a fault that ends just as we are cancelled, it keeps the end and forgets the cancel.
            async with asyncio.timeout(LONGEST):
                note = await fault.happen(scene, step.particulars)
        except (NotNow, Cut) as reason:
            self.report.happened(step, at, self._at - at, f"not now: {reason}", done=False)
        except TimeoutError as error:
            self.report.happened(step, at, self._at - at, "never ended", done=False)
            self.report.wrong(str(step), f"never ended: {error}")
        except Exception as error:
            self.report.happened(step, at, self._at - at, "broke off", done=False)
            self.report.wrong(str(step), f"broke off: {error!r}")
        else:
            self.report.happened(step, at, self._at - at, note, done=True)

    def _tell(self, step: Step, scene: Scene) -> None:
        for problem in scene.wrong:
            self.report.wrong(str(step), problem)

    async def _look(self, step: Step, scene: Scene, rest: bool) -> None:
        """With the load and the chores paused. A daemon that is gone is started again, to see more."""
        self._may_do_chores.clear()
        await self._bounded(self._chores_idle.wait(), step, "the chores end")
        await self._bounded(self._crowd.pause(), step, "every request has an outcome")
        self._tell(step, scene)
        await self._check(step)
        if self._arena.process is not None and self._arena.process.poll() is not None:
            await self._arena.start()
            await self._check(step)
        await scene.close()
        if rest:
            for problem in await self._house.at_rest():
                self.report.wrong(str(step), problem)
        self._crowd.resume()
        self._may_do_chores.set()

    async def _check(self, step: Step) -> None:
        for problem in await self._house.check():
            self.report.wrong(str(step), problem)

    async def _bounded(self, waiting: Coroutine[Any, Any, Any], step: Step, what: str) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await waiting
        except TimeoutError:
            self.report.wrong(str(step), f"not within {LONGEST:g} s: {what}")
