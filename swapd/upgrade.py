"""The daemon executes its program anew, in place: same pid, same sockets, same engines, perhaps newer code.

While the new program reads its modules a stand-in serves, so the sockets change hands twice, in ms each.

Whatever can go wrong is tried before anything is given up, and until the very last call all can go on as it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from swapd import handover, tasks, threads
from swapd.engines.ask import ask
from swapd.engines.process import OPEN_FILES
from swapd.standin import Channel, StandIn

log = logging.getLogger("swapd")
VERB = "serve"
PREFLIGHT = 60.0
"""Seconds that the new program may take to say that it can read the config."""
QUIET = 0.35
"""Seconds for which requests are held until those that are under way have ended."""
AGAIN = 1.0
"""Seconds between two tries to find such a moment."""
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2}
"""Those that the daemon listens to; by default the process would end."""


class CannotUpgrade(Exception):
    """All goes on as it was; the message says why."""


class Under(Protocol):
    """Those who were served at one moment."""

    async def over(self) -> None:
        """Return when none of them is any more."""


class Door(Protocol):
    """The front door."""

    def end_idle(self, why: str) -> None:
        """Take leave of those who are served for ever, and of whom nothing is heard."""

    def mark(self) -> Under:
        """Those who are served now."""

    def hold(self) -> None:
        """Begin with no further request. Raises OSError."""

    def release(self) -> None:
        """Go on with those that were held."""

    async def quiet(self, bound: float) -> bool:
        """Wait until nobody is served, for so many seconds at most; whether that is so."""

    async def cut(self) -> None:
        """End what is under way with words that say why. Returns when it has ended."""

    def handover(self) -> list[int]:
        """Close what cannot be handed on. Returns the descriptors of idle connections."""


class House(Protocol):
    """The daemon, as far as an upgrade asks it."""

    @property
    def execs(self) -> int:
        """How often the process has executed itself anew."""

    @property
    def lasting(self) -> bool:
        """Whether its engines would outlive it."""

    def drain(self) -> float:
        """Seconds that those who are served now may take."""

    async def save(self) -> None:
        """Write down what should not be lost."""

    def leave_behind(self, connections: Sequence[int]) -> handover.Handover:
        """What the next life of the daemon needs. Blocks for a ms or so."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is executed anew. ``argv``: how the process was started; empty where that leads nowhere."""

    environ: MutableMapping[str, str]
    argv: Sequence[str]

    async def check(self) -> None:
        """Whether the program that is installed now runs, and can read the config. Raises CannotUpgrade."""
        if VERB not in self.argv:
            raise CannotUpgrade("cannot upgrade: how this daemon was started is not known")
        check = list(self.argv)  # as it will be executed, so that the same program and config are found
        check[check.index(VERB)] = "check"
        try:
            said = await threads.run(ask, check, dict(self.environ), PREFLIGHT)
        except OSError as error:
            raise CannotUpgrade(f"cannot upgrade: cannot run the new swapd: {error}") from error
        if said.code:
            text = said.err or said.out
            raise CannotUpgrade(f"cannot upgrade: the new swapd finds the config wrong, or fails:\n{text}")

    async def stand_in(self) -> StandIn:
        """Somebody who serves meanwhile. That it comes up is the proof that we would. Raises CannotUpgrade."""
        try:
            return await StandIn.called(self.argv, self.environ)
        except OSError as error:
            raise CannotUpgrade(f"cannot upgrade: {error}; going on as before") from error

    def execute(self, left: handover.Handover, stand_in: StandIn) -> None:
        """Become it. Never returns, but raises OSError."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the new program can hear them
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            stand_in.give(replace(left, execs=left.execs - 1), self.environ)
            left = replace(left, connections=())
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, files[1]), files[1]))  # engines inherit it
            handover.give(left, self.environ)
            os.execve(sys.executable, list(self.argv), dict(self.environ))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, files)
            handover.take_back(left, self.environ)
            stand_in.take_back(self.environ)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Upgrade:
    """At most one at a time."""

    def __init__(self, house: House, program: Program) -> None:
        self._house = house
        self._program = program
        self._door: Door | None = None
        self._reloading: Callable[[], AbstractContextManager[None]] = nullcontext
        self._busy = False
        self._over = False
        self._allowed = asyncio.Event()
        self._going: asyncio.Task[None] | None = None

    def allow(self, door: Door, reloading: Callable[[], AbstractContextManager[None]]) -> None:
        """The door is open. ``reloading``: a context in which the service manager is told so."""
        self._door, self._reloading = door, reloading
        self._allowed.set()

    async def end(self) -> None:
        """The daemon goes: give up what is under way, and begin none any more."""
        self._over = True
        if self._going is not None and not self._going.done():
            self._going.cancel()
            await asyncio.wait([self._going])

    @property
    def execs(self) -> int:
        """How often the process has executed itself anew."""
        return self._house.execs

    def wish(self) -> None:
        """By a signal: whether it can be is only said in the log."""
        beginning = tasks.spawn(self._told(self._begin()), name="upgrade by a signal")
        if not self._busy:
            self._going = beginning

    async def ask(self) -> str:
        """Empty once nothing speaks against it and it goes on by itself; else why it cannot be."""
        try:
            await self._begin()
        except CannotUpgrade as error:
            return str(error)
        return ""

    async def _begin(self) -> None:
        """Raises CannotUpgrade."""
        if self._busy or self._over:
            why = "swapd is shutting down" if self._over else "an upgrade is under way already"
            raise CannotUpgrade(f"cannot upgrade: {why}")
        if not self._house.lasting:
            why = "state_dir cannot be held by this daemon, see its log, so its engines would be lost"
            raise CannotUpgrade(f"cannot upgrade: {why}; restart it instead")
        self._busy = True
        try:
            await self._program.check()
            await self._allowed.wait()
            stand_in = await self._program.stand_in()
        except BaseException:
            self._busy = False
            raise
        assert self._door is not None
        self._going = tasks.spawn(self._told(self._go(self._door, stand_in)), name="upgrade")

    async def _told(self, work: Awaitable[None]) -> None:
        try:
            await work
        except CannotUpgrade as error:
            log.error("%s", error)

    async def hand_back(self, channel: Channel) -> None:
        """We only stand in: as soon as it is a good moment, all is the daemon's again. Never returns."""
        await self._allowed.wait()
        assert self._door is not None
        try:
            await self._prepare(self._door)
            channel.hand_back(self._house.leave_behind(self._door.handover()))
        except Exception:  # out of descriptors, say: the daemon must not wait for us in vain
            log.exception("cannot hand back to the daemon; it goes on without")
            channel.give_up()

    async def _go(self, door: Door, stand_in: StandIn) -> None:
        try:
            if self._over:
                raise CannotUpgrade("cannot upgrade: swapd is shutting down")
            log.info("upgrade: executing swapd anew; requests under way may take %g s more", self._house.drain())
            with self._reloading():
                await self._prepare(door)
                # Nothing is read from any client in between.
                self._program.execute(self._house.leave_behind(door.handover()), stand_in)
        except OSError as error:
            raise CannotUpgrade(f"cannot upgrade: {error}; going on as before") from error
        finally:  # had it come to something, we were not here
            stand_in.dismiss()
            door.release()
            self._busy = False

    async def _prepare(self, door: Door) -> None:
        """Return with the door held and nobody served."""
        await self._house.save()
        door.end_idle("swapd is being upgraded")
        await self._find_a_moment(door)

    async def _find_a_moment(self, door: Door) -> None:
        """Return with the door held and nobody served: after those of now have ended, or their time is over."""
        clock = asyncio.get_running_loop().time
        until, under = clock() + self._house.drain(), door.mark()
        try:
            async with asyncio.timeout_at(until):
                await under.over()
                while not await self._is_quiet(door):  # noqa: ASYNC110  (nobody would tell us of younger ones)
                    await asyncio.sleep(AGAIN)
        except TimeoutError:
            door.hold()
            if not await door.quiet(QUIET):
                log.warning("upgrade: cutting what is still under way")
                await door.cut()

    async def _is_quiet(self, door: Door) -> bool:
        """Whether requests need be held for a moment only; then they are."""
        door.hold()
        if await door.quiet(QUIET):
            return True
        door.release()
        return False
