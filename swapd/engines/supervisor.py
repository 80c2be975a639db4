"""The hands: performs Spawn, Terminate and Kill, and posts what became of them. Decides nothing.

An engine that somebody else runs has no process: its runs are ``Remote``, and so are told apart only here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from swapd import tasks
from swapd.core.commands import Kill, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, Event
from swapd.core.refusal import Exit
from swapd.engines.binaries import HOW_TO_GET_ONE
from swapd.engines.logs import LogBook
from swapd.engines.places import Places
from swapd.engines.ports import NoPort, Ports
from swapd.engines.process import CannotStart
from swapd.engines.remote import Remote
from swapd.engines.resolve import LOOPBACK, share, threads
from swapd.engines.run import Recipe, Run, heading
from swapd.engines.sockets import NoSocket, Sockets
from swapd.engines.tree import by_session

log = logging.getLogger("swapd")
LAST_BOUND = 10.0
"""Seconds for everything to be gone when the daemon itself must."""


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
        self._places = Places(ports or Ports(), Sockets(environ))
        self._runs: dict[RunId, Run | Remote] = {}
        self._watches: dict[RunId, asyncio.Task[None]] = {}
        self._books: dict[str, LogBook] = {}

    def perform(self, command: Spawn | Terminate | Kill) -> None:
        """Begin to carry out the order. Never blocks, never raises: a failure comes back as an event."""
        living = self._runs.get(command.run)
        match command:
            case Spawn() if living is None:
                self._spawn(command)
            case Terminate(_, stop, _) if living is not None:
                living.terminate(stop)
            case Kill() if living is not None:
                living.kill()

    def pid(self, run: RunId) -> int | None:
        """The process that leads the run; None of a remote one."""
        living = self._runs.get(run)
        return living.pid if living is not None else None

    def memory(self, run: RunId) -> int | None:
        """Resident bytes of the run's tree. Reads /proc: a few ms."""
        living = self._runs.get(run)
        return living.memory() if living is not None else None

    def members(self, runs: Sequence[RunId]) -> dict[RunId, list[int]]:
        """The pids of each run's tree, as far as they can be told; none once it is gone. Blocks for about a ms."""
        seen = by_session() if runs else {}
        return {run: living.members(seen) if (living := self._runs.get(run)) else [] for run in runs}

    def lines(self, run: RunId) -> list[str]:
        """What the run wrote so far, as far as it is kept."""
        return self.logs(run.model).since(heading(run))

    def logs(self, model: str) -> LogBook:
        """The model's log book, empty if it never ran."""
        return self._books.setdefault(model, LogBook())

    def end_logs(self) -> None:
        """Whoever follows one is through."""
        for book in self._books.values():
            book.end()

    async def aclose(self) -> None:
        """The last resort: kill what is still there, and wait until it is gone."""
        for living in self._runs.values():
            living.kill()
        if self._watches:
            await asyncio.wait(self._watches.values(), timeout=LAST_BOUND)
        for run, living in self._runs.items():
            log.error("cannot end %s: pid %s is still there", run, living.pid)
        self._places.close()

    def _spawn(self, order: Spawn) -> None:
        run = order.run
        try:
            living, where = self._begun(order)
        except Exception as error:
            if not isinstance(error, CannotStart | NoPort | NoSocket):
                log.exception("cannot start %s", run)
            self.logs(run.model).write(f"{heading(run)}{error}")
            # Not from within perform: the desk is still handling the event that led here.
            end = EngineExited(run, Exit(reason=str(error) or repr(error)))
            asyncio.get_running_loop().call_soon(self._post, end)
        else:
            self._runs[run] = living
            self._watches[run] = tasks.spawn(self._watch(run, living, where), name=f"watch {run}")

    def _begun(self, order: Spawn) -> tuple[Run | Remote, Endpoint | None]:
        """The run, and the place that it was given. Raises CannotStart, NoPort, NoSocket."""
        if order.launch.url:
            return Remote(order, self.logs(order.run.model), self._post), None
        recipe = self._recipe(order)
        return self._start(recipe), recipe.endpoint

    def _recipe(self, order: Spawn) -> Recipe:
        """Raises CannotStart, NoPort, NoSocket."""
        values = {
            "host": LOOPBACK,
            "threads": str(share(threads(), order.sharers)),
            "device": ",".join(order.way.devices),
        }
        if any("${binary}" in word for word in order.launch.argv):
            if (binary := self._find_binary()) is None:
                raise CannotStart(f"cannot find llama-server: {HOW_TO_GET_ONE}")
            values["binary"] = binary
        values |= self._places.take(order.launch)
        return Recipe(order, values, self._environ, self.logs(order.run.model))

    def _start(self, recipe: Recipe) -> Run:
        try:
            return Run(recipe, self._post)
        except BaseException:
            self._places.give_back(recipe.endpoint)
            raise

    async def _watch(self, run: RunId, living: Run | Remote, where: Endpoint | None) -> None:
        try:
            end = await living.end()
        except Exception:
            log.exception("cannot tell how %s ended", run)
            end = Exit(reason=f"cannot tell how {run} ended: see the log")
        if where is not None:
            self._places.give_back(where)
        del self._runs[run], self._watches[run]
        self._post(EngineExited(run, end))
