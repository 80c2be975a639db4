"""One run while it lives: its process, the probe that waits for it, the eye on its socket, the stop."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from swapd import tasks
from swapd.core.commands import Spawn
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineReady, EngineSick, Event
from swapd.core.need import RAM, Way, is_memory
from swapd.core.refusal import Exit
from swapd.core.spec import Launch
from swapd.engines import stall
from swapd.engines.environment import TALKATIVE
from swapd.engines.listener import stranger_on
from swapd.engines.logs import LogBook
from swapd.engines.look import Broken, Question
from swapd.engines.probe import Stranger, until_ready
from swapd.engines.process import CannotStart, Process
from swapd.engines.resolve import LOOPBACK, fill, resolve
from swapd.engines.tree import by_session
from swapd.engines.vanishing import until_gone

log = logging.getLogger("swapd")
CONTAINERS = {"docker", "podman", "nerdctl"}
"""Clients whose server listens outside of our tree."""
STOP_BOUND = 30.0
"""Seconds a ``stop`` command may take before SIGTERM is sent all the same."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a run's processes are made: what was ordered, and the values of what that leaves open."""

    order: Spawn
    values: Mapping[str, str]
    environ: Mapping[str, str]
    book: LogBook

    @property
    def run(self) -> RunId:
        """Which."""
        return self.order.run

    @property
    def launch(self) -> Launch:
        """What is started."""
        return self.order.launch

    @property
    def endpoint(self) -> Endpoint:
        """Where the engine is to listen."""
        if path := self.values.get("socket"):
            return Endpoint("localhost", 0, path, key=self.launch.key)
        return Endpoint(LOOPBACK, int(self.values["port"]), key=self.launch.key)

    @property
    def contained(self) -> bool:
        """Whether the server itself will be outside of our process tree."""
        return PurePath(self.launch.argv[0]).name in CONTAINERS

    def start(self, words: Sequence[str] | None = None) -> Process:
        """The engine, or another command in its environment. Raises CannotStart."""
        argv = resolve(self.launch, self.values) if words is None else fill(words, self.values)
        env = tuple((name, fill([value], self.values)[0]) for name, value in self.launch.env)
        talk = TALKATIVE if _on_gpu(self.order.way) else ()
        self.book.write(f"{heading(self.run)}{shlex.join(self._shown(argv))}")
        return Process(argv, (*talk, *env), self.launch.cwd, self.environ, self.book)

    def _shown(self, argv: Sequence[str]) -> Sequence[str]:
        """Without the engine's key, which most engines are told there."""
        key = self.launch.key.rpartition(" ")[2]
        return [word.replace(key, "HIDDEN") for word in argv] if key else argv


def heading(run: RunId) -> str:
    """How the log book's lines about the run itself begin; the first one stands above what it wrote."""
    return f"--- {run}: "


def _on_gpu(way: Way) -> bool:
    gpus = [name for name, amount in way.cost.items() if amount and is_memory(name) and name != RAM]
    return bool(way.devices or gpus)


class Run:
    """Created started. ``post`` hears when it is ready, or never will be; not once it was told to go."""

    def __init__(self, recipe: Recipe, post: Callable[[Event], None]) -> None:
        """Raises CannotStart."""
        self._recipe = recipe
        self._post = post
        self.process = recipe.start()
        self._probing = tasks.spawn(self._probe(), name=f"probe {recipe.run}")
        self._following = tasks.spawn(self._follow(), name=f"follow {recipe.run}")
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
            end = await self.process.wait()
        finally:
            self._hush()
        if self._stopping is not None:  # a late `docker stop NAME` must not hit the next run of that name
            await asyncio.wait([self._stopping])
        self._recipe.book.write(f"{heading(self._recipe.run)}{end}")
        return end

    def terminate(self, stop: tuple[str, ...]) -> None:
        """Begin the ``stop`` command and the SIGTERM. Only once: llama-server takes a second one for a crash."""
        self._hush()
        if self._stopping is None:
            self._stopping = tasks.spawn(self._stop(stop), name=f"stop {self._recipe.run}")

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

    async def _follow(self) -> None:
        """A port cannot be taken away from it, but a socket's file can."""
        if path := self._recipe.endpoint.path:
            await until_gone(path, self._probing.done)
            self._post(EngineSick(self._recipe.run, f"its socket {path} is gone: somebody removed the file"))

    async def _probe(self) -> None:
        run, where, launch = self._recipe.run, self._recipe.endpoint, self._recipe.launch
        path = fill([launch.health], self._recipe.values)[0]
        watching = tasks.spawn(self._watch_load(), name=f"watch the load of {run}")
        try:
            await until_ready(Question(where, path, launch.loading), self.process.news, self._stranger())
        except (Stranger, Broken) as wrong:
            self._post(EngineSick(run, str(wrong)))
        else:
            self._post(EngineReady(run, where))
        finally:
            watching.cancel()

    async def _watch_load(self) -> None:
        """A container's server is not ours to look at."""
        if not self._recipe.contained:
            tree, news = self.process.tree, self.process.news
            await stall.until_stalled(lambda: tree.known(by_session()), lambda: news.signs, stall.STALL)
            why = f"its load got stuck: for {stall.STALL:g} s it wrote, computed and read nothing"
            self._post(EngineSick(self._recipe.run, why))

    def _stranger(self) -> Callable[[], str | None] | None:
        """Not of a container, whose server is outside of our tree; nor in our own folder of sockets."""
        if self._recipe.contained or self._recipe.endpoint.path:
            return None
        return lambda: stranger_on(self._recipe.endpoint.port, self.process.tree.members())

    async def _stop(self, words: tuple[str, ...]) -> None:
        """The model's own ``stop`` command, then SIGTERM: the command alone may not be enough."""
        if words:
            try:
                await _bounded(self._recipe.start(words))
            except CannotStart as error:
                log.error("cannot stop %s as it wants: %s", self._recipe.run, error)
        await self.process.terminate()


async def _bounded(command: Process) -> None:
    """Wait for a command to end by itself; kill it after STOP_BOUND, or when there is no time for it."""
    waiting = tasks.spawn(command.wait(), name=f"stop command {command.pid}")
    try:
        await asyncio.wait([waiting], timeout=STOP_BOUND)
    finally:
        if not waiting.done():
            await command.kill()
        await waiting
