"""What the engines that are up say of themselves: their own ``/metrics``, as bytes.

llama-server looks whether a client that does not stream has left only while nothing else is answered (b10434:
asked more than once a second, it never does). So an engine is asked every AGE seconds at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from swapd import tasks
from swapd.core.engine import RunId, State
from swapd.core.kinds import LLAMA_CPP
from swapd.core.view import View

Ask = Callable[[RunId], Awaitable[bytes | None]]
"""A run's page; None if it has none, or gives none."""
BOUND = 1.0
"""Seconds that all of them together may take."""
AGE = 5.0
"""Seconds for which a page is good."""
LONGEST = 256 << 10
"""Bytes of a page. llama-server's (b10434) has 2 500."""
MOST = 64
"""So many engines are asked for one scrape."""


class Pages:
    """Remembers the pages of living runs for a moment."""

    def __init__(self) -> None:
        self._kept: dict[RunId, tuple[float, bytes | None]] = {}

    async def of(self, view: View, ask: Ask) -> Mapping[str, bytes | None]:
        """By model, of each llama.cpp engine of this machine that is ready; None: it gave none."""
        now, runs = asyncio.get_running_loop().time(), _asked(view)
        self._kept = {run: kept for run, kept in self._kept.items() if run in runs and now - kept[0] < AGE}
        asking = {
            run: tasks.spawn(_page(ask, run), name=f"ask {run} for its metrics")
            for run in runs
            if run not in self._kept
        }
        try:
            if asking:
                await asyncio.wait(asking.values(), timeout=BOUND)
        finally:
            for run, task in asking.items():
                well = task.done() and not task.cancelled() and task.exception() is None
                self._kept[run] = now, task.result() if well else None
                task.cancel()
        return {run.model: self._kept[run][1] for run in runs}


def _asked(view: View) -> list[RunId]:
    runs = [
        model.engine.run
        for model in view.models.values()
        if model.engine is not None
        and model.engine.state is State.READY
        and not model.spec.remote
        and model.spec.terms.service.kind == LLAMA_CPP
    ]
    return runs[:MOST]


async def _page(ask: Ask, run: RunId) -> bytes | None:
    page = await ask(run)
    return page if page is not None and len(page) <= LONGEST else None
