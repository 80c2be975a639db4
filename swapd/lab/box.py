"""A virtual box: the true scheduler (or another brain) under a virtual clock, with engines that only take time.

Nothing here decides. What a brain orders is carried out by putting the fact that answers it on the agenda.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Protocol

from swapd.core.commands import Command, Grant, Kill, Refuse, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Event, Left, Ticked, Ticket
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog
from swapd.lab.people import Steps, Think

STOP = 0.1
"""Seconds an engine takes to go."""
_NOWHERE = Endpoint("127.0.0.1", 1)


class Brain(Protocol):
    """What decides: the true scheduler, or a policy to compare it with."""

    def handle(self, event: Event, now: float) -> list[Command]:
        """One fact in, orders out."""

    def deadline(self) -> float | None:
        """When it wants to be told that time has passed."""


@dataclass(slots=True)
class Served:
    """One request of the lab. Seconds on the virtual clock; ``granted`` and ``left`` are None until then."""

    arrival: float
    model: str
    client: str
    service: float
    granted: float | None = None
    left: float | None = None
    run: RunId | None = None
    refused: bool = False


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


class Box:
    """One run of the lab. ``loads``: seconds that a load of each model takes."""

    def __init__(self, brain: Brain, catalog: Catalog, loads: Mapping[str, float]) -> None:
        self.record = Record()
        self.now = 0.0
        self._brain = brain
        self._loads = loads
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._asking: dict[Ticket, tuple[Served, Callable[[], None]]] = {}
        self._tell(CatalogChanged(catalog))

    def admit(self, people: Mapping[str, Steps]) -> None:
        """Let clients in, by name."""
        for name, steps in people.items():
            self._go_on(name, steps)

    def ask(self, at: float, request: Served) -> None:
        """Put a recorded request on the agenda, whatever becomes of earlier ones."""
        self._plan(at, lambda: self._ask(request, lambda: None))

    def run(self, seconds: float) -> Record:
        """Let so much virtual time pass."""
        while (due := self._next()) < seconds:
            self.now = max(self.now, due)
            if self._agenda and self._agenda[0][0] <= due:
                heappop(self._agenda)[2]()
            else:
                self._tell(Ticked())
        self.now = seconds
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

    def _ask(self, request: Served, then: Callable[[], None]) -> None:
        ticket = Ticket(next(self._numbers))
        request.arrival = self.now
        self.record.requests.append(request)
        self._asking[ticket] = (request, then)
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
            case Grant(ticket, run):
                self._serve(ticket, run)
            case Refuse(ticket):
                request, then = self._asking.pop(ticket)
                request.refused = True
                self._plan(self.now + 1.0, then)  # a client that was turned away comes back no sooner
            case _:
                pass

    def _serve(self, ticket: Ticket, run: RunId) -> None:
        request, then = self._asking.pop(ticket)
        request.granted, request.run = self.now, run

        def done() -> None:
            request.left = self.now
            self._tell(Left(ticket))
            then()

        self._plan(self.now + request.service, done)
