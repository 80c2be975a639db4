"""The hands: performs Spawn, Terminate and Kill, and posts what became of them. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from swapd import tasks
from swapd.core.commands import Kill, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, EngineSick, Event
from swapd.core.refusal import Exit
from swapd.core.spec import Launch
from swapd.engines.binaries import HOW_TO_GET_ONE
from swapd.engines.logs import LogBook
from swapd.engines.ports import NoPort, Ports
from swapd.engines.probe import Stranger, until_ready
from swapd.engines.process import CannotStart, Process
from swapd.engines.resolve import LOOPBACK, fill, resolve, threads

log = logging.getLogger("swapd")
CONTAINERS = {"docker", "podman", "nerdctl"}
"""Clients whose server listens outside of our tree."""
LAST_BOUND = 10.0
"""Seconds for everything to be gone when the daemon itself must."""
STOP_BOUND = 30.0
"""Seconds a ``stop`` command may take before SIGTERM is sent all the same."""


@dataclass(slots=True)
class Run:
    """A living process and the tasks that watch over it."""

    process: Process
    port: int
    values: Mapping[str, str]
    watch: asyncio.Task[None] | None = None
    probe: asyncio.Task[None] | None = None
    stop: asyncio.Task[None] | None = field(default=None)


class Supervisor:
    """Every engine process of the daemon. ``post`` hears what became of each order."""

    def __init__(
        self,
        post: Callable[[Event], None],
        *,
        find_binary: Callable[[], str | None],
        environ: Mapping[str, str],
        ports: Ports | None = None,
    ) -> None:
        self._post = post
        self._find_binary = find_binary
        self._environ = environ
        self._ports = ports or Ports()
        self._runs: dict[RunId, Run] = {}
        self._books: dict[str, LogBook] = {}

    def perform(self, command: Spawn | Terminate | Kill) -> None:
        """Begin to carry out the order. Never blocks, never raises: a failure comes back as an event."""
        match command:
            case Spawn(run, launch, _):
                self._spawn(run, launch)
            case Terminate(run, stop, _):
                self._terminate(run, stop)
            case Kill(run):
                if (living := self._runs.get(run)) is not None:
                    living.process.kill()

    def pid(self, run: RunId) -> int | None:
        """The process that leads the run."""
        living = self._runs.get(run)
        return living.process.pid if living is not None else None

    def memory(self, run: RunId) -> int | None:
        """Resident bytes of the run's tree. Reads /proc: a few ms."""
        living = self._runs.get(run)
        return living.process.memory() if living is not None else None

    def logs(self, model: str) -> LogBook:
        """The model's log book, empty if it never ran."""
        return self._books.setdefault(model, LogBook())

    async def aclose(self) -> None:
        """The last resort: kill what is still there, and wait until it is gone."""
        watches = [living.watch for living in self._runs.values() if living.watch is not None]
        for living in self._runs.values():
            living.process.kill()
        if watches:
            await asyncio.wait(watches, timeout=LAST_BOUND)

    # -- starting --------------------------------------------------------------------------------------

    def _spawn(self, run: RunId, launch: Launch) -> None:
        try:
            living = self._start(run, launch)
        except (CannotStart, NoPort) as error:
            # Not from within perform: the desk is still handling the event that led here.
            end = EngineExited(run, Exit(reason=str(error)))
            asyncio.get_running_loop().call_soon(self._post, end)
            return
        self._runs[run] = living
        living.watch = tasks.spawn(self._watch(run, living), name=f"watch {run}")
        living.probe = tasks.spawn(self._probe(run, launch, living), name=f"probe {run}")

    def _start(self, run: RunId, launch: Launch) -> Run:
        binary = self._find_binary() if "${binary}" in launch.argv else ""
        if binary is None:
            raise CannotStart(f"cannot find llama-server: {HOW_TO_GET_ONE}")
        port = self._ports.take()
        values = {"binary": binary, "host": LOOPBACK, "port": str(port), "threads": str(threads())}
        argv = resolve(launch, values)
        env = tuple((name, fill([value], values)[0]) for name, value in launch.env)
        book = self.logs(run.model)
        book.write(f"--- {run}: {shlex.join(argv)}")
        try:
            return Run(Process(argv, env, launch.cwd, self._environ, book), port, values)
        except CannotStart:
            self._ports.give_back(port)
            raise

    async def _probe(self, run: RunId, launch: Launch, living: Run) -> None:
        contained = PurePath(launch.argv[0]).name in CONTAINERS
        owned = None if contained else lambda: living.process.owns(living.port)
        try:
            await until_ready(LOOPBACK, living.port, fill([launch.health], living.values)[0], owned)
        except Stranger as stranger:
            self._post(EngineSick(run, str(stranger)))
        else:
            self._post(EngineReady(run, Endpoint(LOOPBACK, living.port)))

    async def _watch(self, run: RunId, living: Run) -> None:
        end = await living.process.wait()
        if living.probe is not None:
            living.probe.cancel()
        if living.stop is not None:  # a late `docker stop NAME` must not hit the next run of that name
            await asyncio.wait([living.stop])
        self._ports.give_back(living.port)
        del self._runs[run]
        self._post(EngineExited(run, end))

    # -- stopping --------------------------------------------------------------------------------------

    def _terminate(self, run: RunId, stop: tuple[str, ...]) -> None:
        living = self._runs.get(run)
        if living is None:
            return
        if living.probe is not None:
            living.probe.cancel()  # what is told to go is not ready any more
        if not stop:
            living.process.terminate()
        elif living.stop is None:
            words = fill(stop, living.values)
            living.stop = tasks.spawn(self._stop_by(words, run, living), name=f"stop {run}")

    async def _stop_by(self, words: tuple[str, ...], run: RunId, living: Run) -> None:
        """Run the model's own ``stop`` command, then SIGTERM: the command alone may not be enough."""
        book = self.logs(run.model)
        book.write(f"--- {run}: {shlex.join(words)}")
        try:
            helper = Process(words, (), None, self._environ, book)
        except CannotStart as error:
            log.error("stop of %s: %s", run, error)
        else:
            bound = asyncio.get_running_loop().call_later(STOP_BOUND, helper.kill)
            await helper.wait()
            bound.cancel()
        living.process.terminate()
