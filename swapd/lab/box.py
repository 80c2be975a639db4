"""A virtual box: the true scheduler (or another brain) under a virtual clock, with engines that only take time.

Nothing here decides. What a brain orders is carried out by putting the fact that answers it on the agenda.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Protocol, assert_never

from swapd.core.commands import Adopt, Command, Grant, Kill, Note, Refuse, Revoke, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Event, Left, Ticked, Ticket
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog
from swapd.lab.people import Steps, Think

STOP = 0.1
"""Seconds an engine takes to go."""
AGAIN = 1.0
"""Seconds until a client that was turned away goes on."""
_NOWHERE = Endpoint("127.0.0.1", 1)


class Brain(Protocol):
    """What decides: the true scheduler, or a policy to compare it with."""

    def handle(self, event: Event, now: float) -> list[Command]:
        """One fact in, orders out."""

    def deadline(self) -> float | None:
        """When it wants to be told that time has passed."""


@dataclass(slots=True)
class Served:
    """One request of the lab. Seconds on the virtual clock; ``granted`` and ``left`` are None until then.

    ``left`` stays None for one that failed: turned away, or cut off under its lease.
    """

    arrival: float
    model: str
    client: str
    service: float
    granted: float | None = None
    left: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """A load of the lab: begun at, and seconds."""

    run: RunId
    at: float
    seconds: float


@dataclass(slots=True)
class Record:
    """All that happened."""

    requests: list[Served] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who waits or holds: the request, and how its client goes on."""

    request: Served
    go_on: Callable[[], None]


class Box:
    """One run of the lab. ``loads``: seconds that a load of each model of the catalog takes."""

    def __init__(self, brain: Brain, catalog: Catalog, loads: Mapping[str, float]) -> None:
        self.record = Record()
        self.now = 0.0
        self._brain = brain
        self._loads = loads
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._callers: dict[Ticket, _Caller] = {}
        self._tell(CatalogChanged(catalog))

    def admit(self, people: Mapping[str, Steps]) -> None:
        """Let clients in, by name."""
        for name, steps in people.items():
            self._go_on(name, steps)

    def ask(self, at: float, request: Served) -> None:
        """Put a recorded request on the agenda, whatever becomes of earlier ones."""
        self._plan(at, lambda: self._ask(request, lambda: None))

    def run(self, seconds: float) -> Record:
        """Let so much virtual time pass; ``inf`` ends when nothing more can happen."""
        while (due := self._next()) < seconds:
            self.now = max(self.now, due)
            if self._agenda and self._agenda[0][0] <= due:
                heappop(self._agenda)[2]()
            else:
                self._tell(Ticked())
        self.now = max(self.now, seconds) if seconds < inf else self.now
        return self.record

    def _next(self) -> float:
        """When something happens next, or the brain wants to be woken."""
        wake = self._brain.deadline()
        return min(self._agenda[0][0] if self._agenda else inf, inf if wake is None else wake)

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heappush(self._agenda, (at, next(self._numbers), act))

    def _go_on(self, name: str, steps: Steps) -> None:
        step = next(steps, None)
        if step is None:
            return
        if isinstance(step, Think):
            self._plan(self.now + step.seconds, lambda: self._go_on(name, steps))
        else:
            request = Served(self.now, step.model, name, step.seconds)
            self._ask(request, lambda: self._go_on(name, steps))

    def _ask(self, request: Served, go_on: Callable[[], None]) -> None:
        ticket = Ticket(next(self._numbers))
        request.arrival = self.now
        self.record.requests.append(request)
        self._callers[ticket] = _Caller(request, go_on)
        self._tell(Asked(ticket, request.model, request.client))

    def _tell(self, event: Event) -> None:
        for command in self._brain.handle(event, self.now):
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case Spawn(run):
                seconds = self._loads[run.model]
                self.record.loads.append(Load(run, self.now, seconds))
                self._plan(self.now + seconds, lambda: self._tell(EngineReady(run, _NOWHERE)))
            case Terminate(run):
                self._plan(self.now + STOP, lambda: self._tell(EngineExited(run, Exit(code=0))))
            case Kill(run):
                self._plan(self.now, lambda: self._tell(EngineExited(run, Exit(signal="SIGKILL"))))
            case Grant(ticket):
                request = self._callers[ticket].request
                request.granted = self.now
                self._plan(self.now + request.service, lambda: self._end(ticket))
            case Revoke(ticket):
                self._plan(self.now, lambda: self._end(ticket, cut=True))
            case Refuse(ticket):
                caller = self._callers.pop(ticket)
                caller.request.failed = True
                self._plan(self.now + AGAIN, caller.go_on)
            case Note() | Adopt():  # nothing lives before the lab begins
                pass
            case _:
                assert_never(command)

    def _end(self, ticket: Ticket, cut: bool = False) -> None:
        """A service is over, or its engine was taken away under it."""
        caller = self._callers.pop(ticket, None)
        if caller is None:
            return  # it was cut before
        caller.request.failed = cut
        caller.request.left = None if cut else self.now
        self._tell(Left(ticket))
        if cut:
            self._plan(self.now + AGAIN, caller.go_on)
        else:
            caller.go_on()
