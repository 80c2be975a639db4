"""Feels the bench's own pulse: a bench that is out of breath measures itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from swapd.loadtest.samples import Samples
from swapd.tasks import spawn

BEAT = 0.05
"""Seconds between looks at the clock."""
BREATHLESS = 0.8
"""Part of a core, from which on the figures are rather the bench's own than the server's."""


class Pulse:
    """How much of a core the bench took, and how late its event loop was."""

    def __init__(self) -> None:
        self._late = Samples(100_000)
        self._cpu = 0.0
        self._seconds = 0.0

    @asynccontextmanager
    async def felt(self) -> AsyncIterator[None]:
        """While the block runs."""
        began, used = time.monotonic(), time.process_time()
        beating = spawn(self._beat(), "loadtest pulse")
        try:
            yield
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            self._cpu, self._seconds = time.process_time() - used, time.monotonic() - began

    def told(self) -> dict[str, Any]:
        """``{"cores", "late", "breathless"}``: cores in use, seconds late (a measure), whether it was too much."""
        cores = self._cpu / self._seconds if self._seconds else 0.0
        return {"cores": cores, "late": self._late.told(), "breathless": cores > BREATHLESS}

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self._late.add(max(0.0, time.monotonic() - due))
