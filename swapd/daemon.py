"""The architect: builds every room, introduces them, opens the doors, and then only waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swapd import __version__, doors, handover, systemd, tasks, threads, upgrade
from swapd.config import Loaded
from swapd.config.watch import watch
from swapd.core.book import HOPELESS
from swapd.core.events import CatalogChanged, Closing, Event
from swapd.core.moves import LAST_DRAIN
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Cost
from swapd.dispatch import Dispatcher, Ear
from swapd.engines import inherited
from swapd.engines.binaries import find_binary
from swapd.engines.furnished import furnished
from swapd.engines.house import enter
from swapd.engines.leader import expect_children
from swapd.engines.supervisor import Supervisor
from swapd.engines.survivors import look
from swapd.journal import Journal, wall_clock
from swapd.machine.ledger import Ledger
from swapd.machine.scales import Scales
from swapd.manager import Manager
from swapd.metering import Metering
from swapd.reload import Current
from swapd.standin import Channel, relieve, stands_in
from swapd.upgrade import Program, Upgrade
from swapd.web.app import create_app
from swapd.web.events import Feed
from swapd.web.front_door import FrontDoor
from swapd.web.upstream import Upstream

log = logging.getLogger("swapd")
T = TypeVar("T")
OTHERS = 5.0
"""Seconds that an upgrade gives requests that hold no engine."""
SLICE = 0.0005
"""Seconds that the loop waits at most for a thread that computes (Python's own 5 ms would be seen in a stream)."""


class Daemon:
    """One swapd. ``loaded`` is a config without problems; ``argv``: how it was started, if it may be so again."""

    def __init__(
        self, path: Path, environ: MutableMapping[str, str], loaded: Loaded, argv: Sequence[str] = ()
    ) -> None:
        """Waits for the lock of the state folder while a reaper has it."""
        self._environ = environ
        self._standing = stands_in(environ)
        self._handed = self._standing.wait() if self._standing else self._taken()
        self._config = Current(path, environ, loaded, self._find_binary, self._post)
        self._warnings = loaded.warnings
        self._urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._going = asyncio.Event()
        self._upstream = Upstream()
        settings = self._config.settings
        self._house = enter(Path(settings.state_dir), self._handed.lock if self._handed else None)
        self._supervisor = self._engine_room(settings.adoption)
        self._feed = Feed(wall_clock)
        self._close_trace: Callable[[], None] = _nothing
        ledger = Ledger.open(Path(settings.state_dir), log.warning)
        self._scales = Scales(self._post, self._supervisor, ledger, self._find_binary)
        self._metering = Metering(self._scales, environ, self._find_binary, self._measured)
        self._manager = Manager(environ, systemd.notify)
        ears = [Journal().hear, self._feed.hear, self._upstream.hear, self._scales.hear, *self._manager.ears]
        self._desk = Dispatcher(Scheduler(jitter=random.random), self._supervisor, [*ears, *self._record()])
        self._upgrade = Upgrade(self, Program(path, environ, argv))

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
        try:
            self._sockets, self._own = self._listen()
        except doors.CannotListen as error:
            log.error("%s", error)
            self._urls.cancel()
            self._house.leave()
            return 1
        upgrade = self._upgrade
        app = create_app(
            self._desk, self._config, self._supervisor, self._upstream, wall_clock, self._feed, upgrade
        )
        door = FrontDoor(app, self._config, doors.most_connections())
        self._catch_signals()
        watcher = tasks.spawn(watch(self._config.paths, self._config.look), name="watch config")
        try:
            await self._begin()
            await door.open(self._sockets, self._handed.connections if self._handed else ())
            self._announce(door)
            await self._going.wait()
            watcher.cancel()  # its thread takes a moment to end: while the engines do
            await self._wind_down(door)
        finally:
            watcher.cancel()
            self._metering.cancel()
            await asyncio.shield(self._leave(door))
        log.info("goodbye")
        return 0

    def drain(self) -> float:
        """Seconds that requests which are under way now may take."""
        busy = [m for m in self._desk.view().models.values() if m.engine and m.engine.leases]
        drains = [model.spec.terms.bounds.drain for model in busy]
        return max((LAST_DRAIN if drain is None else drain for drain in drains), default=OTHERS)

    async def save(self) -> None:
        """What was learned."""
        await self._scales.save()

    def leave_behind(self, connections: Sequence[int]) -> handover.Handover:
        """For the next life of this process."""
        watchdog = self._supervisor.leave_behind()
        self._close_trace()
        return handover.Handover(
            os.getpid(),
            tuple(sock.fileno() for sock in self._sockets),
            tuple(connections),
            self._house.lock,
            watchdog,
            dict(self._config.total),
            self.execs + 1,
            self._own,
        )

    @property
    def execs(self) -> int:
        """How often the process has executed itself anew."""
        return self._handed.execs if self._handed else 0

    def _taken(self) -> handover.Handover | None:
        """What an earlier life of this process has left; by way of a stand-in, if one has served since."""
        inherited = handover.take(self._environ)
        back = relieve(self._environ, lambda: systemd.notify(self._environ, "WATCHDOG=1"))
        return handover.merged(inherited, back) if inherited and back else inherited

    def _engine_room(self, adoption: float | None) -> Supervisor:
        expect_children()
        find, house = self._find_binary, self._house
        front = self._upstream
        room = furnished(
            self._post, find_binary=find, environ=self._environ, house=house, adoption=adoption, front=front
        )
        if self._handed and self._handed.watchdog:
            room.go_on(self._handed.watchdog)
        return room

    def _listen(self) -> tuple[list[socket.socket], bool]:
        """The sockets, and whether their files are ours to remove. Raises CannotListen."""
        if self._handed:
            return self._handed.sockets(), self._handed.own
        given = systemd.listen_sockets(self._environ)
        return given or doors.open_sockets(self._config.settings.listen), not given

    async def _begin(self) -> None:
        """The desk is told what there is, before anybody is let in: the models, and engines that live already."""
        if self._handed:
            self._metering.go_on(self._handed.total)
        else:
            await self._metering.begin()
        survivors = await threads.run(look, self._house, self._environ)
        found = self._supervisor.found(survivors, self._config.catalog)
        if self._handed:
            inherited.mind({survivor.entry.identity.pid for survivor in survivors})
        self._desk.post(CatalogChanged(self._config.catalog, found))

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

    def _measured(self, total: Cost) -> None:
        """The machine has so many bytes of each memory."""
        if self._config.measured(total) and self._urls.done():
            self._desk.post(CatalogChanged(self._config.catalog))

    def _announce(self, door: FrontDoor) -> None:
        for warning in self._warnings:
            log.warning("config: %s", warning)
        urls = [doors.url_of(sock) for sock in self._sockets]
        for url in urls:
            standing = " until the daemon is there again" if self._standing else ""
            log.info("swapd %s is listening on %s%s", __version__, url, standing)
        self._urls.set_result(urls)
        self._manager.ready(self._desk, urls)
        self._upgrade.allow(door, self._manager.reloading)
        if (channel := self._standing) is not None:
            loop = asyncio.get_running_loop()
            channel.on_word(loop.add_reader, lambda: self._back(channel))

    def _back(self, channel: Channel) -> None:
        """The daemon that we stand in for is there again."""
        tasks.spawn(self._upgrade.hand_back(channel), name="hand back")

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR2, self._upgrade.wish)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.SIGNALS)

    def _reload_by_signal(self) -> None:
        tasks.spawn(self._reload(), name="reload by SIGHUP")

    async def _reload(self) -> None:
        with self._manager.reloading():
            await self._config.reload()

    async def _wind_down(self, door: FrontDoor) -> None:
        await self._upgrade.end()
        self._manager.stopping()
        if not self._own:  # systemd holds the address: whoever comes now is the next daemon's, and not refused
            with contextlib.suppress(OSError):
                await door.shut()
        leases = sum(m.engine.leases for m in self._desk.view().models.values() if m.engine)
        finishing = f"{leases} request{'s' if leases > 1 else ''} may finish first; told again, it waits for none"
        log.info("shutting down%s", f": {finishing}" if leases else "")
        door.end_idle()
        self._desk.post(Closing())
        # Bounded by each engine's drain and stop, and for one that outlives its kill by HOPELESS.
        await self._desk.until(lambda view: view.hopeless(HOPELESS))

    async def _leave(self, door: FrontDoor) -> None:
        """Close everything, however we came here: no engine outlives us."""
        files = doors.files_of(self._sockets) if self._own else []
        self._supervisor.end_logs()
        await door.close()
        doors.remove_files(files)
        self._upstream.close()
        await self._supervisor.aclose()
        await self._scales.aclose()
        self._desk.close()
        self._manager.close()
        await threads.run(self._close_trace)
        self._house.leave()


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
