"""One run while it lives: its process, the probe that waits for it, the eye on its socket, the stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from swapd import tasks
from swapd.core.commands import FAULTS, Why
from swapd.core.events import EngineReady, EngineSick, Event
from swapd.core.refusal import Exit
from swapd.engines import stall
from swapd.engines.listener import stranger_on
from swapd.engines.look import Broken, Question
from swapd.engines.output import Output
from swapd.engines.probe import Stranger, until_ready
from swapd.engines.process import CannotStart, Process
from swapd.engines.pulse import Pulse, is_elsewhere
from swapd.engines.recipe import Recipe, heading
from swapd.engines.resolve import fill
from swapd.engines.tree import by_session
from swapd.engines.vanishing import until_gone

log = logging.getLogger("swapd")
STOP_BOUND = 30.0
"""Seconds a ``stop`` command may take before SIGTERM is sent all the same."""


class Run:
    """A process that lives. ``post`` hears when it is ready, or never will be; not once it was told to go."""

    def __init__(
        self,
        recipe: Recipe,
        process: Process,
        output: Output,
        post: Callable[[Event], None],
        *,
        known: bool = False,
    ) -> None:
        """``process`` and ``output`` are its own from now on. ``known``: that it listens, from an earlier life."""
        self._recipe = recipe
        self._known = known
        self._post = post
        self._output = output
        self.process = process
        self._probing = tasks.spawn(self._probe(), name=f"probe {recipe.run}")
        self._following = tasks.spawn(self._follow(), name=f"follow {recipe.run}")
        self._feeling: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that leads it."""
        return self.process.pid

    def memory(self) -> int | None:
        """Resident bytes of its tree. Reads /proc: a few ms."""
        return self.process.tree.memory()

    def members(self, sessions: Mapping[int, Sequence[int]]) -> list[int]:
        """The pids of its tree, as far as they are known; none of a container, whose server is elsewhere."""
        return [] if self._recipe.contained else self.process.tree.known(sessions)

    async def end(self) -> Exit:
        """Return when nothing of the run is left, its ``stop`` command included."""
        try:
            await self.process.gone()
        finally:
            self._hush()  # before its tree is ended: what is left of it may answer that it is ready
        self._recipe.ground.front.forget(self._recipe.run)
        end = await self.process.wait()
        if self._stopping is None and self._recipe.contained and self._recipe.stop:
            await self._stop_command(self._recipe.stop)  # its client is gone; the container may live on
        if self._stopping is not None:  # a late `docker stop NAME` must not hit the next run of that name
            await asyncio.wait([self._stopping])
        self._output.write(f"{heading(self._recipe.run)}{end}")
        self._output.close()
        return end

    def terminate(self, stop: tuple[str, ...], why: Why) -> None:
        """Begin the ``stop`` command and the SIGTERM. Only once: llama-server takes a second one for a crash."""
        self._hush()
        if self._stopping is None:
            stopping = self._stop(stop, faultless=why.cause not in FAULTS)
            self._stopping = tasks.spawn(stopping, name=f"stop {self._recipe.run}")

    def kill(self) -> None:
        """Begin to kill the tree, and the ``stop`` command if that is where we hang."""
        self._hush()
        if self._stopping is not None and not self._stopping.cancelling():
            self._stopping.cancel()
        tasks.spawn(self.process.kill(), name=f"kill {self._recipe.run}")

    def _hush(self) -> None:
        """Nothing about it is news any more."""
        self._probing.cancel()
        self._following.cancel()
        if self._feeling is not None:
            self._feeling.cancel()

    async def _follow(self) -> None:
        """A port cannot be taken away from it, but a socket's file can."""
        if path := self._recipe.endpoint.path:
            await until_gone(path, self._probing.done)
            self._post(EngineSick(self._recipe.run, f"its socket {path} is gone: somebody removed the file"))

    async def _probe(self) -> None:
        run, where, launch = self._recipe.run, self._recipe.endpoint, self._recipe.launch
        question = Question(where, fill([launch.health], self._recipe.values)[0], launch.loading)
        watching = tasks.spawn(self._watch_load(), name=f"watch the load of {run}")
        try:
            listened = await until_ready(question, self.process.news, self._stranger())
        except (Stranger, Broken) as wrong:
            self._post(EngineSick(run, str(wrong)))
        else:
            self._feeling = tasks.spawn(self._feel_pulse(question), name=f"feel the pulse of {run}")
            self._post(EngineReady(run, where, listened))
        finally:
            watching.cancel()

    async def _feel_pulse(self, question: Question) -> None:
        recipe, news = self._recipe, self.process.news
        far = recipe.contained or is_elsewhere(recipe.launch.argv[0])
        pulse = Pulse(question, news, None if far else self._pids, lambda: recipe.ground.front.waited(recipe.run))
        self._post(EngineSick(recipe.run, await pulse.until_sick()))

    def _pids(self) -> list[int]:
        """All of its tree, wherever they went. Reads /proc: a few ms."""
        return [process.pid for process in self.process.tree.members()]

    async def _watch_load(self) -> None:
        """A container's server is not ours to look at."""
        if not self._recipe.contained:
            tree, news = self.process.tree, self.process.news
            await stall.until_stalled(lambda: tree.known(by_session()), lambda: news.signs, stall.STALL)
            why = f"its load got stuck: for {stall.STALL:g} s it wrote, computed and read nothing"
            self._post(EngineSick(self._recipe.run, why))

    def _stranger(self) -> Callable[[], str | None] | None:
        """Not of a container, whose server is outside of our tree; nor in our own folder of sockets.

        Nor of one that has its port since long: nobody can take that from a process that lives.
        """
        if self._known or self._recipe.contained or self._recipe.endpoint.path:
            return None
        return lambda: stranger_on(self._recipe.endpoint.port, self.process.tree.members())

    async def _stop(self, words: tuple[str, ...], *, faultless: bool) -> None:
        """The model's own ``stop`` command, then SIGTERM: the command alone may not be enough."""
        if words:
            await self._stop_command(words)
        await self.process.terminate(faultless=faultless)

    async def _stop_command(self, words: tuple[str, ...]) -> None:
        try:
            await _bounded(self._recipe.start(words, self._output))
        except CannotStart as error:
            log.error("cannot stop %s as it wants: %s", self._recipe.run, error)


async def _bounded(command: Process) -> None:
    """Wait for a command to end by itself; kill it after STOP_BOUND, or when there is no time for it."""
    waiting = tasks.spawn(command.wait(), name=f"stop command {command.pid}")
    try:
        await asyncio.wait([waiting], timeout=STOP_BOUND)
    finally:
        if not waiting.done():
            await command.kill()
        await waiting
