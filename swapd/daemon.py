"""The daemon: it opens the doors of its rooms, and then only waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from swapd import __version__, address, doors, handover, systemd, tasks, upgrade
from swapd.config import Loaded
from swapd.config.watch import watch
from swapd.core.book import HOPELESS
from swapd.core.events import Closing
from swapd.core.moves import LAST_DRAIN
from swapd.journal import wall_clock
from swapd.manager import Manager
from swapd.rooms import Rooms
from swapd.standin import Channel, relieve, stands_in
from swapd.upgrade import Program, Upgrade
from swapd.web.app import Besides, create_app
from swapd.web.ended import Ended
from swapd.web.front_door import FrontDoor

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
        self._path = path
        self._environ = environ
        self._standing = stands_in(environ)
        self._handed = self._standing.wait() if self._standing else self._taken()
        self._manager = Manager(environ, systemd.notify)
        self.rooms = Rooms(path, environ, loaded, self._handed, self._manager.ears)
        self._warnings = loaded.warnings
        self._urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._going = asyncio.Event()
        self._upgrade = Upgrade(self, Program(environ, argv))

    async def listening(self) -> list[str]:
        """The base URLs, once the doors are open."""
        return await asyncio.shield(self._urls)

    def stop(self) -> None:
        """Begin to go: drain, stop the engines. Told again, it waits for no stream any longer."""
        if self._going.is_set():
            log.warning("asked again to stop: cutting what still runs")
            self.rooms.desk.post(Closing())
        self._going.set()

    async def run(self) -> int:
        """Serve until told to stop; the exit code. 1 if an address cannot be had."""
        try:
            self._sockets, self._own = self._listen()
        except doors.CannotListen as error:
            log.error("%s", error)
            self._urls.cancel()
            self.rooms.leave()
            return 1
        rooms, upgrade = self.rooms, self._upgrade
        ears = (rooms.metrics.answered, rooms.history.count)
        besides = Besides(rooms.feed, upgrade, ears, rooms.metrics, rooms.history, Ended(rooms.state))
        app = create_app(rooms.desk, rooms.config, rooms.supervisor, rooms.upstream, wall_clock, besides)
        door = FrontDoor(app, rooms.config, doors.most_connections())
        self._catch_signals()
        watcher = tasks.spawn(watch(rooms.config.paths, rooms.config.look), name="watch config")
        try:
            await rooms.begin()
            await door.open(self._sockets, self._handed.connections if self._handed else ())
            self._announce(door)
            await self._going.wait()
            watcher.cancel()  # its thread takes a moment to end: while the engines do
            await self._wind_down(door)
        finally:
            watcher.cancel()
            await asyncio.shield(self._leave(door))
        log.info("goodbye")
        return 0

    @property
    def lasting(self) -> bool:
        """Whether the engines would outlive this process."""
        return self.rooms.lasting

    def drain(self) -> float:
        """Seconds that requests which are under way now may take."""
        models = self.rooms.desk.view().models.values()
        busy = [m for m in models if m.waiting or (m.engine and m.engine.leases)]
        drains = [model.spec.terms.bounds.drain for model in busy]
        return max((LAST_DRAIN if drain is None else drain for drain in drains), default=OTHERS)

    async def save(self) -> None:
        """What was learned."""
        await self.rooms.save()

    def leave_behind(self, connections: Sequence[int]) -> handover.Handover:
        """For the next life of this process."""
        return replace(
            self.rooms.leave_behind(),
            pid=os.getpid(),
            listening=tuple(sock.fileno() for sock in self._sockets),
            connections=tuple(connections),
            execs=self.execs + 1,
            own=self._own,
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

    def _listen(self) -> tuple[list[socket.socket], bool]:
        """The sockets, and whether their files are ours to remove. Raises CannotListen."""
        if self._handed:
            return self._handed.sockets(), self._handed.own
        given = systemd.listen_sockets(self._environ)
        return given or doors.open_sockets(self.rooms.config.settings.listen), not given

    def _announce(self, door: FrontDoor) -> None:
        for warning in self._warnings:
            log.warning("config: %s", warning)
        urls = [doors.url_of(sock) for sock in self._sockets]
        for url in urls:
            standing = " until the daemon is there again" if self._standing else ""
            log.info("swapd %s is listening on %s%s", __version__, url, standing)
        if (folder := self.rooms.state) is not None:
            address.put_up(folder, self._path, urls)
        self._urls.set_result(urls)
        self._manager.ready(self.rooms.desk, urls)
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
            await self.rooms.config.reload()

    async def _wind_down(self, door: FrontDoor) -> None:
        await self._upgrade.end()
        self._manager.stopping()
        if not self._own:  # systemd holds the address: whoever comes now is the next daemon's, and not refused
            with contextlib.suppress(OSError):
                await door.shut()
        leases = sum(m.engine.leases for m in self.rooms.desk.view().models.values() if m.engine)
        finishing = f"{leases} request{'s' if leases > 1 else ''} may finish first; told again, it waits for none"
        log.info("shutting down%s", f": {finishing}" if leases else "")
        door.end_idle()
        self.rooms.desk.post(Closing())
        # Bounded by each engine's drain and stop, and for one that outlives its kill by HOPELESS.
        await self.rooms.desk.until(lambda view: view.hopeless(HOPELESS))

    async def _leave(self, door: FrontDoor) -> None:
        """Close everything, however we came here: no engine outlives us."""
        files = doors.files_of(self._sockets) if self._own else []
        self.rooms.supervisor.end_logs()
        await door.close()
        if (folder := self.rooms.state) is not None:
            address.take_down(folder)
        doors.remove_files(files)
        await self.rooms.close()
        self._manager.close()


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
