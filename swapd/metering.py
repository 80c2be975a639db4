"""Opening the meters at the start: at once those of RAM, and those of GPUs as soon as their drivers answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from swapd import tasks, threads
from swapd.core.spec import Cost
from swapd.engines import devices
from swapd.machine import opening
from swapd.machine.scales import Scales

log = logging.getLogger("swapd")
METERS = 2.0
"""Seconds that the doors stay closed for the meters of GPUs at most: a driver may take long, or hang."""
LISTING = 20.0
"""Seconds for an engine to say which GPUs it sees, and for their meters to be opened once more."""


class Metering:
    """``measured`` is told how many bytes the machine has of each memory, again where more becomes known."""

    def __init__(
        self,
        scales: Scales,
        environ: Mapping[str, str],
        find_binary: Callable[[], str | None],
        measured: Callable[[Cost], None],
    ) -> None:
        self._scales = scales
        self._environ = environ
        self._find_binary = find_binary
        self._measured = measured
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """With RAM alone. Return once the meters of GPUs are open too, or METERS are over."""
        self._use(await threads.run(opening.ram_alone))
        first = asyncio.Event()
        self._task = tasks.spawn(self._measure(first), name="open meters")
        try:
            async with asyncio.timeout(METERS):
                await first.wait()
        except TimeoutError:
            log.warning("cannot read the GPUs yet: a driver does not answer; going on with RAM alone")
            self._scales.begin(blind=False)

    def go_on(self, total: Cost) -> None:
        """With what an earlier life of the daemon measured, until the meters are open: nobody waits for that."""
        self._measured(total)
        self._task = tasks.spawn(self._measure(asyncio.Event()), name="open meters")

    def cancel(self) -> None:
        """It is not wanted any more."""
        if self._task is not None:
            self._task.cancel()

    async def _measure(self, first: asyncio.Event) -> None:
        """Open the meters, then weigh: until it begins, models with a memory budget wait to be told their need."""
        blind = False
        try:
            meters = await threads.run(opening.opened, self._environ)
            self._use(meters)
            first.set()
            if await threads.run(opening.may_have_gpus, meters):
                async with asyncio.timeout(LISTING):
                    blind = not await self._measure_as_listed()
        except OSError as error:
            log.warning("cannot open the meters of GPUs: %s; going on with what is read already", error)
        except Exception:  # drivers fail in ways nobody wrote down: RAM alone is better than waiting
            log.exception("cannot open the meters of GPUs; going on with what is read already")
        first.set()
        self._scales.begin(blind)

    async def _measure_as_listed(self) -> bool:
        """Once more, under the names that the engine has for its GPUs; whether it sees any."""
        run = partial(devices.output, environ=self._environ)
        gpus = await threads.run(opening.listed, self._find_binary(), run)
        if gpus:
            self._use(await threads.run(opening.opened, self._environ, gpus))
        return bool(gpus)

    def _use(self, meters: opening.Opened) -> None:
        self._scales.use(meters.meter)
        self._measured(meters.total)
