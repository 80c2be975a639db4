"""The desk, where the core meets the loop: facts in, orders out, one timer, and leases for the web.

``post`` is synchronous and re-entrant by queue: an event posted while another is handled waits its turn, so
there is no lock. ``Hands.perform`` must not block and must not raise.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from swapd import tasks
from swapd.core.commands import Command, Grant, Kill, Refuse, Revoke, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, Event, Left, Ticked, Ticket, Usage
from swapd.core.refusal import Refused
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Spec
from swapd.core.view import View

log = logging.getLogger("swapd")


class Hands(Protocol):
    """Whoever carries out orders on processes."""

    def perform(self, command: Spawn | Terminate | Kill) -> None:
        """Neither blocks nor raises; what came of it is posted as an event."""


Ear = Callable[[Event, Sequence[Command]], None]
"""Hears every event with the orders it caused, before they are carried out."""


@dataclass(slots=True)
class Lease:
    """A ticket that holds a ready engine. ``queued`` and ``loaded`` are seconds."""

    ticket: Ticket
    run: RunId
    endpoint: Endpoint
    spec: Spec
    queued: float
    loaded: float
    revoked: bool = False
    """Set when the engine is taken away under its holder: drain overdue, or the engine is unusable."""
    usage: Usage | None = None
    """Set by the holder before it leaves."""
    _keeper: Coroutine[None, None, None] | None = field(default=None, repr=False)

    def keep_until(self, done: Coroutine[None, None, None]) -> None:
        """Give the lease back only when ``done`` has ended, though its holder leaves now.

        For an engine that goes on computing for a client that is gone.
        """
        self._keeper = done


class Dispatcher:
    """Owns the scheduler; everybody else posts and looks."""

    def __init__(self, scheduler: Scheduler, hands: Hands, ears: Sequence[Ear] = ()) -> None:
        self._scheduler = scheduler
        self._hands = hands
        self._ears = ears
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._callers = _Callers()

    def post(self, event: Event) -> None:
        """Tell a fact. Its orders are carried out before this returns, unless called from within."""
        self._inbox.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                self._handle(self._inbox.popleft())
        finally:
            self._busy = False
            self._arm()
        self._callers.look(self.view)

    def view(self) -> View:
        """A frozen picture of the book, as of now."""
        return self._scheduler.view(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def lease(self, model: str, client: str = "") -> AsyncIterator[Lease]:
        """Wait for a ready engine of the model (name or alias) and hold it inside the block.

        Raises Refused. A caller cancelled at any moment, even that of being granted, leaks nothing.
        """
        ticket, granted = self._callers.enter()
        lease: Lease | None = None
        try:
            self.post(Asked(ticket, model, client))
            lease = await granted
            yield lease
        finally:
            self._callers.leave(ticket)
            if lease is not None and lease._keeper is not None:
                tasks.spawn(self._keep(ticket, lease._keeper), name=f"keep lease {ticket}")
            else:
                self.post(Left(ticket, lease.usage if lease is not None else None))

    async def until(self, fact: Callable[[View], bool]) -> None:
        """Return once the book shows the fact. The caller sets the bound (``asyncio.timeout``)."""
        if not fact(self.view()):
            await self._callers.wait_for(fact)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def _keep(self, ticket: Ticket, done: Coroutine[None, None, None]) -> None:
        try:
            await done
        finally:
            self.post(Left(ticket))

    def _handle(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        try:
            commands = self._scheduler.handle(event, now)
        except Exception:
            # A bug, by definition: say so loudly, and go on serving what still can be served.
            log.exception("cannot handle %s", event)
            return
        for ear in self._ears:
            _safely(ear, event, commands)
        for command in commands:
            if isinstance(command, Spawn | Terminate | Kill):
                _safely(self._hands.perform, command)
            else:
                self._callers.tell(command)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._scheduler.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self.post, Ticked())


def _safely(act: Callable[..., None], *facts: object) -> None:
    """One deaf ear must not cost the other orders: they are in the book already."""
    try:
        act(*facts)
    except Exception:
        log.exception("cannot tell %s", facts)


class _Callers:
    """Who waits at the desk: for a grant, or for a fact."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._asking: dict[Ticket, asyncio.Future[Lease]] = {}
        self._holding: dict[Ticket, Lease] = {}
        self._facts: list[tuple[Callable[[View], bool], asyncio.Future[None]]] = []

    def enter(self) -> tuple[Ticket, asyncio.Future[Lease]]:
        ticket = Ticket(next(self._numbers))
        future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._asking[ticket] = future
        return ticket, future

    def leave(self, ticket: Ticket) -> None:
        self._asking.pop(ticket, None)
        self._holding.pop(ticket, None)

    def tell(self, command: Command) -> None:
        match command:
            case Grant(ticket, run, endpoint, spec, queued, loaded):
                self._holding[ticket] = Lease(ticket, run, endpoint, spec, queued, loaded)
                self._answer(ticket, self._holding[ticket])
            case Refuse(ticket, refusal):
                self._answer(ticket, Refused(refusal))
            case Revoke(ticket):
                if (lease := self._holding.get(ticket)) is not None:
                    lease.revoked = True
            case _:
                pass  # a note is for the journal

    def _answer(self, ticket: Ticket, answer: Lease | Refused) -> None:
        future = self._asking.pop(ticket, None)
        if future is None or future.done():  # cancelled in this very instant: its finally posts Left
            return
        if isinstance(answer, Lease):
            future.set_result(answer)
        else:
            future.set_exception(answer)

    async def wait_for(self, fact: Callable[[View], bool]) -> None:
        entry = (fact, asyncio.get_running_loop().create_future())
        self._facts.append(entry)
        try:
            await entry[1]
        finally:
            self._facts.remove(entry)

    def look(self, view: Callable[[], View]) -> None:
        if not self._facts:
            return
        now = view()
        for fact, future in self._facts:
            if not future.done() and fact(now):
                future.set_result(None)
