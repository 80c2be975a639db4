"""The architect: builds every room, introduces them, opens the doors, and then only waits."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from swapd import __version__, doors, systemd, tasks
from swapd.config import Loaded
from swapd.config.watch import watch
from swapd.core.book import HOPELESS
from swapd.core.events import CatalogChanged, Closing, Event
from swapd.core.scheduler import Scheduler
from swapd.core.settings import Address
from swapd.dispatch import Dispatcher, Ear
from swapd.engines import devices
from swapd.engines.binaries import find_binary
from swapd.engines.supervisor import Supervisor
from swapd.journal import Journal, wall_clock
from swapd.machine import opening, threads
from swapd.machine.ledger import Ledger
from swapd.machine.scales import Scales
from swapd.reload import Current
from swapd.web.app import FrontDoor, create_app
from swapd.web.events import Feed
from swapd.web.upstream import Upstream

log = logging.getLogger("swapd")
T = TypeVar("T")
METERS = 2.0
"""Seconds that the doors stay closed for the meters of GPUs at most: a driver may take long, or hang."""
LISTING = 20.0
"""Seconds for an engine to say which GPUs it sees, and for their meters to be opened once more."""
SLICE = 0.0005
"""Seconds that the loop waits at most for a thread that computes (Python's own 5 ms would be seen in a stream)."""


class Daemon:
    """One swapd. ``loaded`` is a config without problems."""

    def __init__(self, path: Path, environ: Mapping[str, str], loaded: Loaded) -> None:
        self._environ = environ
        self._config = Current(path, environ, loaded, self._find_binary, self._post)
        self._warnings = loaded.warnings
        self._urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._going = asyncio.Event()
        self._upstream = Upstream()
        self._supervisor = Supervisor(self._post, find_binary=self._find_binary, environ=environ)
        self._feed = Feed(wall_clock)
        self._close_trace: Callable[[], None] = _nothing
        ledger = Ledger.open(Path(self._config.settings.state_dir), log.warning)
        self._scales = Scales(self._post, self._supervisor, ledger, self._find_binary)
        self._desk = Dispatcher(
            Scheduler(jitter=random.random),
            self._supervisor,
            [Journal().hear, self._feed.hear, self._upstream.hear, self._scales.hear, *self._record()],
        )

    async def listening(self) -> list[str]:
        """The base URLs, once the doors are open."""
        return await asyncio.shield(self._urls)

    def stop(self) -> None:
        """Begin to go: drain, stop the engines. Told again, it waits for no stream any longer."""
        if self._going.is_set():
            log.warning("asked again to stop: cutting what still runs")
            self._desk.post(Closing())
        self._going.set()

    async def run(self) -> int:
        """Serve until told to stop; the exit code. 1 if an address cannot be had."""
        sockets = systemd.listen_sockets(self._environ)
        addresses = () if sockets else self._config.settings.listen
        try:
            sockets = sockets or doors.open_sockets(addresses)
        except doors.CannotListen as error:
            log.error("%s", error)
            self._urls.cancel()
            return 1
        app = create_app(self._desk, self._config, self._supervisor, self._upstream, wall_clock, self._feed)
        door = FrontDoor(app, self._config, doors.most_connections())
        self._catch_signals()
        measuring = await self._begin_to_measure()
        watcher = tasks.spawn(watch(self._config.paths, self._config.look), name="watch config")
        try:
            await door.open(sockets)
            self._desk.post(CatalogChanged(self._config.catalog))
            self._announce([doors.url_of(sock) for sock in sockets])
            await self._going.wait()
            watcher.cancel()  # its thread takes a moment to end: while the engines do
            await self._wind_down()
        finally:
            watcher.cancel()
            measuring.cancel()
            await asyncio.shield(self._leave(door, addresses))
        log.info("goodbye")
        return 0

    def _post(self, event: Event) -> None:
        """The desk, the hands and the config need each other: whoever posts finds the desk when it does."""
        self._desk.post(event)

    def _record(self) -> list[Ear]:
        """The trace, where the config wants one."""
        if (path := self._config.settings.trace) is None:
            return []
        from swapd.lab.recorder import Recorder  # noqa: PLC0415  (the lab is spared where nobody asks for it)

        recorder = Recorder(path, asyncio.get_running_loop().time)
        self._close_trace = recorder.close
        return [recorder.hear]

    def _find_binary(self) -> str | None:
        """Looked for anew each time: one may be installed while we run."""
        return find_binary(self._environ)

    async def _begin_to_measure(self) -> asyncio.Task[None]:
        """Begin with RAM alone. Return once the meters of GPUs are open too, or METERS are over."""
        self._use(await threads.run(opening.ram_alone))
        first = asyncio.Event()
        measuring = tasks.spawn(self._measure(first), name="open meters")
        try:
            async with asyncio.timeout(METERS):
                await first.wait()
        except TimeoutError:
            log.warning("cannot read the GPUs yet: a driver does not answer; going on with RAM alone")
            self._scales.begin(blind=False)
        return measuring

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
        if self._config.measured(meters.total) and self._urls.done():
            self._desk.post(CatalogChanged(self._config.catalog))

    def _announce(self, urls: list[str]) -> None:
        for warning in self._warnings:
            log.warning("config: %s", warning)
        for url in urls:
            log.info("swapd %s is listening on %s", __version__, url)
        self._urls.set_result(urls)
        systemd.notify(self._environ, "READY=1", f"STATUS=listening on {', '.join(urls)}")

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)

    def _reload_by_signal(self) -> None:
        tasks.spawn(self._config.reload(), name="reload by SIGHUP")

    async def _wind_down(self) -> None:
        systemd.notify(self._environ, "STOPPING=1")
        leases = sum(m.engine.leases for m in self._desk.view().models.values() if m.engine)
        finishing = f"{leases} request{'s' if leases > 1 else ''} may finish first; told again, it waits for none"
        log.info("shutting down%s", f": {finishing}" if leases else "")
        self._desk.post(Closing())
        # Bounded by each engine's drain and stop, and for one that outlives its kill by HOPELESS.
        await self._desk.until(lambda view: view.hopeless(HOPELESS))

    async def _leave(self, door: FrontDoor, addresses: Sequence[Address]) -> None:
        """Close everything, however we came here: no engine outlives us."""
        self._supervisor.end_logs()
        await door.close()
        doors.remove_files(addresses)
        self._upstream.close()
        await self._supervisor.aclose()
        await self._scales.aclose()
        self._desk.close()
        await threads.run(self._close_trace)


def _nothing() -> None:
    """No trace is kept."""


def run_loop(coro: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop where there is one, else on asyncio's own loop."""
    sys.setswitchinterval(SLICE)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(coro)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  (optional, and 50 ms that other verbs spare)
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
