"""Whether a ready engine still lives. One that hangs keeps its port, and everybody waiting.

It is asked for its health now and then. If that gets no answer, it is asked again soon; and it is given up when
several looks in a row have failed while its tree neither computed, read nor wrote: so one that has no time for us
(a long prompt, a busy box) is let be for as long as it does anything. One that says that it is well is given up
when a request has waited for a byte of it for long, and its tree did nothing at all meanwhile.

Not found so, and left to the model's ``timeouts``: what spins, on a core or on a GPU; and a server that is not in
our tree (a container's, say) and answers for its health.

A daemon that was stopped itself, or starved, believes no look that took longer than it may; and what it lacks
itself (descriptors) is held against no engine. A machine that sleeps stops the loop's clock too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import PurePath

from swapd.engines.look import BOUND, NOT_HTTP, Answer, Question, look
from swapd.engines.news import News
from swapd.engines.oom import EYE
from swapd.engines.stall import Activity

AGAIN, SOON = 30.0, 4.0
"""Seconds between two looks, and after one that failed. All runs are looked at together: one wake-up."""
PATIENCE, MORE_PATIENCE = 3, 8
"""So many looks in a row must fail; and of one whose work we cannot see."""
LATE = 1.0
"""Seconds by which a look that is over its bounds was late by our own fault."""
STALL = 120.0
"""Seconds that a request waits, and the tree does nothing at all, before an engine that says it is well is not."""
LEAST = 0.0002
"""The share of a core that counts as doing anything: to answer our looks takes less, to compute a token more."""
LOADED = 100 << 20
"""Bytes that an engine with a model holds. One that holds less may only pass requests on, and wait for others."""
ELSEWHERE = frozenset({"ssh", "autossh", "mosh", "kubectl", "systemd-run", "incus", "lxc", "flatpak-spawn"})
"""Commands whose server works outside of our tree, as that of a container does."""


def is_elsewhere(command: str) -> bool:
    """Whether what the command starts works where we cannot see it."""
    return PurePath(command).name in ELSEWHERE


class Pulse:
    """One run that is ready.

    ``members``: the pids of its tree; None if its server works elsewhere. ``waited``: for how many seconds the
    request that has waited longest has had no byte of it; 0 if none waits.
    """

    def __init__(
        self,
        question: Question,
        news: News,
        members: Callable[[], Collection[int]] | None,
        waited: Callable[[], float],
    ) -> None:
        self._question = question
        self._news = news
        self._waited = waited
        self._failed = 0
        self._deaf = Activity(members, lambda: news.signs) if members is not None else None
        self._stuck = Activity(members, lambda: news.signs, LEAST) if members is not None else None

    async def until_sick(self) -> str:
        """Return what is wrong, once something is."""
        while True:
            await asyncio.sleep(SOON if self._failed else _until_all_look())
            EYE.look()
            if why := await self._silence() or await self._standstill():
                return f"it hangs: {why}"

    async def _silence(self) -> str:
        """Whether it has not answered for too long."""
        begun = _now()
        answer = await self._look()
        if answer.status not in (None, NOT_HTTP):
            self._failed = 0
            return ""
        if answer.ours or _now() - begun > 2 * BOUND + LATE:
            return ""
        if self._deaf is None:
            self._failed += 1
            return f"{self._failed} looks in a row got no answer" if self._failed >= MORE_PATIENCE else ""
        if not self._failed:
            self._deaf.forget()
        idle = await self._deaf.idle()
        self._failed = self._failed + 1 if idle else 1
        if self._failed < PATIENCE:
            return ""
        return f"{self._failed} looks in a row got no answer, and for {idle:.0f} s it did nothing"

    async def _look(self) -> Answer:
        self._news.looked()
        try:
            return await look(self._question, BOUND)
        finally:
            self._news.looked()

    async def _standstill(self) -> str:
        """Whether it is well by its own account, and yet does nothing for those who wait."""
        if self._stuck is None or self._failed:
            return ""
        if not self._waited():
            self._stuck.forget()
            return ""
        idle = await self._stuck.idle()
        if min(idle, self._waited()) < STALL or self._stuck.held < LOADED:
            return ""
        return f"it says that it is well, but for {idle:.0f} s it did nothing for those who wait"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _until_all_look() -> float:
    """Seconds until the next moment at which every run is looked at; never at once."""
    return AGAIN - _now() % AGAIN
