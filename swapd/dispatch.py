"""The desk, where the core meets the loop: facts in, orders out, one timer, and leases for the web.

``post`` is synchronous and re-entrant by queue: an event posted while another is handled waits its turn, so
there is no lock. ``Hands.perform`` must not block and must not raise.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from types import TracebackType
from typing import Protocol

from swapd import tasks
from swapd.core.commands import Command, Grant, Note, Order, Refuse, Revoke, Why
from swapd.core.engine import Endpoint, RunId, State
from swapd.core.events import Asked, Event, Left, Ticked, Ticket, Usage
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Spec
from swapd.core.view import View

log = logging.getLogger("swapd")


class Hands(Protocol):
    """Whoever carries out orders on processes."""

    def perform(self, command: Order) -> None:
        """Neither blocks nor raises; what came of it is posted as an event."""


Look = Callable[[Spec], Awaitable[Exit | None]]
"""Why an engine of the model is sure not to start. Soon: a request waits for the answer."""
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
    revoked: Why | None = None
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

    def __init__(
        self, scheduler: Scheduler, hands: Hands, ears: Sequence[Ear] = (), look: Look | None = None
    ) -> None:
        """``look``: asked before a model may make others go."""
        self._look = look
        self._scheduler = scheduler
        self._hands = hands
        self._ears = tuple(ears)
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._alarm = _Alarm(self.post)
        self._callers = _Callers(self.post)

    def post(self, event: Event) -> None:
        """Tell a fact. Its orders are carried out before this returns, unless called from within."""
        if self._busy:
            self._inbox.append(event)
            return
        self._busy = True
        now = asyncio.get_running_loop().time
        try:
            self._handle(event, now())
            while self._inbox:
                self._handle(self._inbox.popleft(), now())
        finally:
            self._busy = False
            due = self._scheduler.due()
            if due < self._alarm.at:
                self._alarm.set(due)
        if self._callers.facts:
            self._callers.look(self.view())

    def view(self) -> View:
        """A frozen picture of the book, as of now."""
        return self._scheduler.view(asyncio.get_running_loop().time())

    def standing(self) -> list[tuple[RunId, State]]:
        """The engines there are, and the states they are in."""
        return self._scheduler.standing()

    def lease(self, model: str, client: str = "") -> AbstractAsyncContextManager[Lease]:
        """Wait for a ready engine of the model (name or alias) and hold it inside the block.

        Raises Refused. A caller cancelled at any moment, even that of being granted, leaks nothing.
        """
        return _Caller(self._callers, model, client, self._seek(model))

    async def missing(self, model: str) -> Refusal | None:
        """Why an engine of it is sure not to start; looked for only where others may have to go for it."""
        if (seek := self._seek(model)) is None or (missing := await seek()) is None:
            return None
        return Refusal(Reason.START_FAILED, model, missing)

    async def until(self, fact: Callable[[View], bool]) -> None:
        """Return once the book shows the fact. The caller sets the bound (``asyncio.timeout``)."""
        if not fact(self.view()):
            await self._callers.wait_for(fact)

    def close(self) -> None:
        """Stop the timer."""
        self._alarm.cancel()

    def _seek(self, model: str) -> _Seek | None:
        """A look that is due before it is asked for."""
        if self._look is None or (spec := self._scheduler.newcomer(model)) is None:
            return None
        return partial(self._look, spec)

    def _handle(self, event: Event, now: float) -> None:
        try:
            commands = self._scheduler.handle(event, now)
        except Exception:
            # A bug, by definition: say so loudly, and go on serving what still can be served.
            log.exception("cannot handle %s", event)
            return
        for ear in self._ears:
            try:
                ear(event, commands)
            except Exception:  # one deaf ear must not cost the other orders: they are in the book already
                log.exception("cannot tell %s %s", event, commands)
        for command in commands:
            if isinstance(command, Order):
                self._order(command)
            else:
                self._callers.tell(command)

    def _order(self, command: Order) -> None:
        try:
            self._hands.perform(command)
        except Exception:
            log.exception("cannot perform %s", command)


_Seek = Callable[[], Awaitable[Exit | None]]


class _Alarm:
    """The one timer. It is only ever set to an earlier moment: one that rings too soon costs a tick that finds
    nothing to do, and to set a timer anew for every event costs more.
    """

    def __init__(self, post: Callable[[Event], None]) -> None:
        self.at = inf
        self._post = post
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        self.cancel()
        self.at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.at, self._timer = inf, None

    def _ring(self) -> None:
        self.cancel()
        self._post(Ticked())


class _Caller:
    """Somebody at the desk: asks on entering the block, waits if it must, and has left when the block is over.

    ``lease`` and ``refusal`` are the answer; a future is only made for one that does not come at once.
    """

    __slots__ = ("_client", "_desk", "_model", "_seek", "_ticket", "_woken", "lease", "refusal")

    def __init__(self, desk: _Callers, model: str, client: str, seek: _Seek | None) -> None:
        self._desk = desk
        self._model = model
        self._client = client
        self._seek = seek
        self._woken: asyncio.Future[None] | None = None
        self.lease: Lease | None = None
        self.refusal: Refusal | None = None

    async def __aenter__(self) -> Lease:
        missing = await self._seek() if self._seek is not None else None
        self._ticket = self._desk.enter(self)
        try:
            self._desk.post(Asked(self._ticket, self._model, self._client, missing))
            if self.lease is None and self.refusal is None:
                self._woken = asyncio.get_running_loop().create_future()
                await self._woken
            if self.refusal is not None:
                raise Refused(self.refusal)
            assert self.lease is not None
            return self.lease
        except BaseException:  # refused, or cancelled, be it in the very instant of being granted
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.lease is not None and self.lease._keeper is not None:
            tasks.spawn(self._keep(self.lease._keeper), name=f"keep lease {self._ticket}")
        else:
            self._leave()

    def answer(self, lease: Lease | None, refusal: Refusal | None) -> None:
        """From the desk, once."""
        self.lease, self.refusal = lease, refusal
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _keep(self, done: Coroutine[None, None, None]) -> None:
        try:
            await done
        finally:
            self._leave()

    def _leave(self) -> None:
        usage = self.lease.usage if self.lease is not None else None
        self._desk.leave(self._ticket)
        self._desk.post(Left(self._ticket, usage))


class _Callers:
    """Who is at the desk: waits for a grant, holds a lease, or waits for a fact."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self.post = post
        self.facts: list[tuple[Callable[[View], bool], asyncio.Future[None]]] = []
        self._numbers = count(1)
        self._present: dict[Ticket, _Caller] = {}

    def enter(self, caller: _Caller) -> Ticket:
        ticket = Ticket(next(self._numbers))
        self._present[ticket] = caller
        return ticket

    def leave(self, ticket: Ticket) -> None:
        self._present.pop(ticket, None)

    def tell(self, command: Grant | Refuse | Revoke | Note) -> None:
        """A note is for the journal; who is gone has posted Left."""
        if isinstance(command, Note) or (caller := self._present.get(command.ticket)) is None:
            return
        match command:
            case Grant(ticket, run, endpoint, spec, queued, loaded):
                caller.answer(Lease(ticket, run, endpoint, spec, queued, loaded), None)
            case Refuse(_, refusal):
                caller.answer(None, refusal)
            case Revoke(_, _, why) if caller.lease is not None:
                caller.lease.revoked = why

    async def wait_for(self, fact: Callable[[View], bool]) -> None:
        entry = (fact, asyncio.get_running_loop().create_future())
        self.facts.append(entry)
        try:
            await entry[1]
        finally:
            self.facts.remove(entry)

    def look(self, now: View) -> None:
        for fact, future in self.facts:
            if not future.done() and fact(now):
                future.set_result(None)
