"""Who waits: tickets in order of arrival, by model, and in lanes of one client and model each.

Only the head of a lane can run out of patience, so five hundred queued embeddings of one client count as
one impatient caller and not as five hundred. A lane's clock starts when its head came to the front.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from swapd.core.events import Ticket

RETURN = 10.0
"""Seconds within which a caller that gave up may ask again without losing what it has waited: SDKs time out,
pause up to 8 s and try again, and would otherwise never run out of patience on a busy box."""
REMEMBERED = 1000
"""Of so many callers that gave up it is known since when they had waited."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket that has no lease yet. ``since`` is when it asked, in monotonic seconds."""

    ticket: Ticket
    model: str
    client: str
    since: float


@dataclass(slots=True, eq=False)
class Lane:
    """One client's tickets for one model, oldest first, and since when the head has been the head."""

    model: str
    clock: float
    lead: float = 0.0
    """Seconds by which its clocks are early."""
    tickets: dict[Ticket, Waiting] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """All that wait for one model."""

    tickets: dict[Ticket, Waiting] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    since: float = 0.0
    """Sum of the tickets' ``since``, so that their waiting-seconds cost one multiplication."""


class _Clocks:
    """All lanes in the order of their clocks. A new clock is nearly always the latest, so adding is cheap."""

    def __init__(self) -> None:
        self._sorted: list[tuple[float, int, Lane]] = []
        self._keys: dict[Lane, tuple[float, int, Lane]] = {}
        self._added = 0

    def add(self, lane: Lane) -> None:
        self._added += 1  # tells lanes of one clock apart, so that lanes themselves are never compared
        entry = self._keys[lane] = (lane.clock, self._added, lane)
        insort(self._sorted, entry)

    def remove(self, lane: Lane) -> None:
        del self._sorted[bisect_left(self._sorted, self._keys.pop(lane))]

    def over(self, now: float, patience: float) -> Iterator[tuple[float, str]]:
        for clock, _, lane in self._sorted:
            if clock + patience > now:
                return
            yield clock + patience, lane.model

    def left(self, now: float, patience: float) -> Iterator[tuple[float, str]]:
        first = bisect_right(self._sorted, now, key=lambda entry: entry[0] + patience)
        for at in range(first, len(self._sorted)):
            clock, _, lane = self._sorted[at]
            yield clock + patience, lane.model


class Queue:
    """Adding and taking out cost next to nothing; walks cost what they yield."""

    def __init__(self) -> None:
        self._tickets: dict[Ticket, Waiting] = {}
        self._lines: dict[str, Line] = {}
        self._clocks = _Clocks()
        self._gave_up: dict[tuple[str, str], tuple[float, float]] = {}
        """(model, client) -> the clock of its lane, and when its last ticket was withdrawn."""

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._tickets

    def add(self, waiting: Waiting, lead: float = 0.0) -> None:
        """Put a new ticket at the end. ``lead``: seconds by which its patience is to end sooner."""
        self._tickets[waiting.ticket] = waiting
        line = self._lines.setdefault(waiting.model, Line())
        line.tickets[waiting.ticket] = waiting
        line.since += waiting.since
        lane = line.lanes.get(waiting.client)
        if lane is None:
            lane = line.lanes[waiting.client] = Lane(waiting.model, self._since(waiting, lead), lead)
            self._clocks.add(lane)
        lane.tickets[waiting.ticket] = waiting

    def pop(
        self, ticket: Ticket, granted_at: float | None = None, gave_up_at: float | None = None
    ) -> Waiting | None:
        """Take a ticket out, None if it does not wait.

        After a grant (``granted_at``) the lane's next ticket starts its patience anew; after a withdrawal it
        inherits what the lane has waited already, else a client that gives up and asks again would keep
        pushing back its own other requests.
        """
        waiting = self._tickets.pop(ticket, None)
        if waiting is None:
            return None
        line = self._lines[waiting.model]
        lane = line.lanes[waiting.client]
        if granted_at is not None:
            self.forgive(waiting.model, waiting.client)
        was_head = next(iter(lane.tickets)) == ticket
        del line.tickets[ticket], lane.tickets[ticket]
        line.since -= waiting.since
        if not lane.tickets:
            if gave_up_at is not None:
                self._remember(waiting, lane.clock, gave_up_at)
            self._clocks.remove(lane)
            del line.lanes[waiting.client]
        elif was_head:
            head = next(iter(lane.tickets.values()))
            self._clocks.remove(lane)
            lane.clock = max(lane.clock, (granted_at if granted_at is not None else head.since) - lane.lead)
            self._clocks.add(lane)
        if not line.tickets:
            del self._lines[waiting.model]
        return waiting

    def forgive(self, model: str, client: str) -> None:
        """The client is granted a lease: what it had waited when it gave up is made good."""
        if self._gave_up:
            self._gave_up.pop((model, client), None)

    def _since(self, waiting: Waiting, lead: float) -> float:
        """Since when a new lane waits: it may go on from where its client gave up a moment ago."""
        clock, left = self._gave_up.get((waiting.model, waiting.client), (0.0, -inf))
        return clock if waiting.since - left <= RETURN else waiting.since - lead

    def _remember(self, waiting: Waiting, clock: float, now: float) -> None:
        self._gave_up[waiting.model, waiting.client] = (clock, now)
        if len(self._gave_up) > REMEMBERED:
            del self._gave_up[next(iter(self._gave_up))]

    def models(self) -> list[str]:
        """The models somebody waits for."""
        return list(self._lines)

    def asked_for(self) -> Iterator[str]:
        """The same one by one, for who may stop early."""
        return iter(self._lines)

    def count(self, model: str) -> int:
        """How many wait for the model."""
        line = self._lines.get(model)
        return len(line.tickets) if line else 0

    def of(self, model: str) -> list[Waiting]:
        """The model's tickets in order of arrival."""
        line = self._lines.get(model)
        return list(line.tickets.values()) if line else []

    def firsts(self) -> Iterator[tuple[str, Waiting]]:
        """Each model that somebody waits for, with its oldest ticket."""
        return ((name, next(iter(line.tickets.values()))) for name, line in self._lines.items())

    def first(self, model: str) -> Waiting | None:
        """The model's oldest ticket."""
        line = self._lines.get(model)
        return next(iter(line.tickets.values())) if line else None

    def oldest(self) -> Waiting | None:
        """The oldest ticket of all."""
        return next(iter(self._tickets.values()), None)

    def clients(self, model: str) -> list[str]:
        """Who waits for the model."""
        line = self._lines.get(model)
        return list(line.lanes) if line else []

    def clocks(self, model: str) -> Iterator[tuple[float, Ticket]]:
        """For each lane of the model: since when its head is the head, and the head."""
        line = self._lines.get(model)
        for lane in line.lanes.values() if line else ():
            yield lane.clock, next(iter(lane.tickets))

    def impatient(self, now: float, patience: float) -> Iterator[tuple[float, str]]:
        """The lanes whose patience is over: since when, and the model; the earliest first."""
        return self._clocks.over(now, patience)

    def patient(self, now: float, patience: float) -> Iterator[tuple[float, str]]:
        """The lanes whose patience is not over yet: until when, and the model; the earliest first."""
        return self._clocks.left(now, patience)

    def waited(self, model: str, now: float) -> float:
        """Seconds waited by all of the model's tickets together."""
        line = self._lines.get(model)
        return len(line.tickets) * now - line.since if line else 0.0
