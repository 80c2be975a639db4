"""Who waits: tickets in order of arrival, by model, and in lanes of one client and model each.

Only the head of a lane can run out of patience, so five hundred queued embeddings of one client count as
one impatient caller and not as five hundred. A lane's clock starts when its head came to the front.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from swapd.core.events import Ticket


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket that has no lease yet. ``since`` is when it asked, in monotonic seconds."""

    ticket: Ticket
    model: str
    client: str
    since: float


@dataclass(slots=True)
class Lane:
    """One client's tickets for one model, oldest first, and since when the head has been the head."""

    clock: float
    tickets: dict[Ticket, Waiting] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """All that wait for one model."""

    tickets: dict[Ticket, Waiting] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    since: float = 0.0
    """Sum of the tickets' ``since``, so that their waiting-seconds cost one multiplication."""


class Queue:
    """Every operation is O(1) but for the walks over heads and lines."""

    def __init__(self) -> None:
        self._tickets: dict[Ticket, Waiting] = {}
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._tickets

    def add(self, waiting: Waiting) -> None:
        """Put a new ticket at the end."""
        self._tickets[waiting.ticket] = waiting
        line = self._lines.setdefault(waiting.model, Line())
        line.tickets[waiting.ticket] = waiting
        line.since += waiting.since
        lane = line.lanes.setdefault(waiting.client, Lane(waiting.since))
        lane.tickets[waiting.ticket] = waiting

    def pop(self, ticket: Ticket, granted_at: float | None = None) -> Waiting | None:
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
        was_head = next(iter(lane.tickets)) == ticket
        del line.tickets[ticket], lane.tickets[ticket]
        line.since -= waiting.since
        if not line.tickets:
            del self._lines[waiting.model]
        elif not lane.tickets:
            del line.lanes[waiting.client]
        elif was_head:
            head = next(iter(lane.tickets.values()))
            lane.clock = granted_at if granted_at is not None else max(lane.clock, head.since)
        return waiting

    def models(self) -> list[str]:
        """The models somebody waits for."""
        return list(self._lines)

    def count(self, model: str) -> int:
        """How many wait for the model."""
        line = self._lines.get(model)
        return len(line.tickets) if line else 0

    def of(self, model: str) -> list[Waiting]:
        """The model's tickets in order of arrival."""
        line = self._lines.get(model)
        return list(line.tickets.values()) if line else []

    def first(self, model: str) -> Waiting | None:
        """The model's oldest ticket."""
        line = self._lines.get(model)
        return next(iter(line.tickets.values())) if line else None

    def oldest(self) -> Waiting | None:
        """The oldest ticket of all."""
        return next(iter(self._tickets.values()), None)

    def clocks(self, model: str) -> Iterator[tuple[float, Ticket]]:
        """For each lane of the model: since when its head is the head, and the head."""
        line = self._lines.get(model)
        for lane in line.lanes.values() if line else ():
            yield lane.clock, next(iter(lane.tickets))

    def waited(self, model: str, now: float) -> float:
        """Seconds waited by all of the model's tickets together."""
        line = self._lines.get(model)
        return len(line.tickets) * now - line.since if line else 0.0
