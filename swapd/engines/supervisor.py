"""The hands: performs Spawn, Adopt, Terminate and Kill, and posts what became of them. Decides nothing.

An engine that somebody else runs has no process: its runs are ``Remote``, and so are told apart only here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from swapd import tasks
from swapd.core.commands import Adopt, Kill, Order, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, Event, Found
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog
from swapd.core.text import printable
from swapd.engines.logs import LogBook
from swapd.engines.ports import NoPort
from swapd.engines.process import CannotStart
from swapd.engines.recipe import heading
from swapd.engines.remote import Remote
from swapd.engines.run import Run
from swapd.engines.sockets import NoSocket
from swapd.engines.survivors import Survivor
from swapd.engines.tree import by_session
from swapd.engines.workshop import Workshop

log = logging.getLogger("swapd")
LAST_BOUND = 10.0
"""Seconds for everything to be gone when the daemon itself must."""


class Supervisor:
    """Every engine process of the daemon. ``post`` hears what became of each order."""

    def __init__(self, post: Callable[[Event], None], workshop: Workshop) -> None:
        self._post = post
        self._workshop = workshop
        self._runs: dict[RunId, Run | Remote] = {}
        self._watches: dict[RunId, asyncio.Task[None]] = {}
        self._books: dict[str, LogBook] = {}

    def perform(self, command: Order) -> None:
        """Begin to carry out the order. Never blocks, never raises: a failure comes back as an event."""
        living = self._runs.get(command.run)
        match command:
            case Spawn() | Adopt() if living is None:
                self._begin(command)
            case Terminate(_, stop, why) if living is not None:
                self._workshop.leaving(command.run)
                living.terminate(stop, why)
            case Kill() if living is not None:
                living.kill()

    def found(self, survivors: Sequence[Survivor], catalog: Catalog) -> tuple[Found, ...]:
        """What the desk is to be told of engines that live already. Before any order."""
        return self._workshop.found(survivors, catalog)

    def leave_behind(self) -> tuple[int, int] | None:
        """Have the record complete, for whoever comes after us; the watchdog's pid and our end of its pipe."""
        return self._workshop.leave_behind()

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
        await self._workshop.aclose()

    def _begin(self, order: Spawn | Adopt) -> None:
        run = order.run
        try:
            living, where = self._begun(order)
        except Exception as error:
            if not isinstance(error, CannotStart | NoPort | NoSocket | OSError):
                log.exception("cannot start %s", run)
            reason = printable(str(error)) or repr(error)  # a path may hold bytes that are no text
            self.logs(run.model).write(f"{heading(run)}{reason}")
            # Not from within perform: the desk is still handling the event that led here.
            end = EngineExited(run, Exit(reason=reason))
            asyncio.get_running_loop().call_soon(self._post, end)
        else:
            self._runs[run] = living
            self._watches[run] = tasks.spawn(self._watch(run, living, where), name=f"watch {run}")

    def _begun(self, order: Spawn | Adopt) -> tuple[Run | Remote, Endpoint | None]:
        """The run, and the place that it was given. Raises CannotStart, NoPort, NoSocket."""
        book = self.logs(order.run.model)
        if isinstance(order, Adopt):
            return self._workshop.adopt(order, book)
        if order.launch.url:
            return Remote(order, book, self._post), None
        return self._workshop.begin(order, book)

    async def _watch(self, run: RunId, living: Run | Remote, where: Endpoint | None) -> None:
        try:
            end = await living.end()
        except Exception:
            log.exception("cannot tell how %s ended", run)
            end = Exit(reason=f"cannot tell how {run} ended: see the log")
        if where is not None:
            self._workshop.ended(run, where)
        del self._runs[run], self._watches[run]
        self._post(EngineExited(run, end))
