"""When the meters are read next: seldom while nothing happens, often where somebody waits for what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swapd.core.commands import Command, Grant, Refuse
from swapd.core.engine import RunId
from swapd.core.events import Asked, Event, Left, Ticket
from swapd.core.need import RAM, Reading
from swapd.core.spec import Cost
from swapd.core.stock import MOST_OF_IT, SETTLE

AFTER_AN_EXIT, LOADING, WAITED_FOR, RUNNING, IDLE = 0.05, 0.25, 1.0, 10.0, 30.0
"""Seconds between two readings."""


@dataclass(frozen=True, slots=True)
class _Settling:
    """A run is gone: until when its memory is awaited, and how much must be free to believe that it is back."""

    until: float
    goals: Cost


class Pulse:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self.begun = 0.0
        """When the last reading began."""
        self._last = Reading(0.0)
        self._waiting: set[Ticket] = set()
        self._settling: dict[RunId, _Settling] = {}

    def hear(self, event: Event, commands: Sequence[Command]) -> bool:
        """Who waits: was not granted or refused yet, and has not left. Returns whether somebody begins to."""
        if isinstance(event, Asked):
            self._waiting.add(event.ticket)
        elif isinstance(event, Left):
            self._waiting.discard(event.ticket)
        for command in commands:
            if isinstance(command, Grant | Refuse):
                self._waiting.discard(command.ticket)
        return isinstance(event, Asked) and event.ticket in self._waiting

    def gone(self, run: RunId, planned: Cost, now: float) -> None:
        """A run has ended. ``planned``: what was reckoned for it."""
        gauges, taken = self._last.gauges, self._last.taken.get(run, {})
        held = {name: max(planned.get(name, 0), taken.get(name, 0)) for name in gauges if name != RAM}
        goals = {name: gauges[name].free + int(MOST_OF_IT * amount) for name, amount in held.items() if amount}
        if goals:
            self._settling[run] = _Settling(now + SETTLE, goals)

    def read(self, reading: Reading) -> None:
        """The meters were read."""
        self._last = reading
        for run, settling in list(self._settling.items()):
            free = {name: gauge.free for name, gauge in reading.gauges.items()}
            if all(free.get(name, 0) >= goal for name, goal in settling.goals.items()):
                del self._settling[run]

    def pause(self, now: float, living: bool, loading: bool) -> float:
        """Seconds until the next reading, while nothing else happens."""
        self._settling = {run: s for run, s in self._settling.items() if s.until > now}
        if self._settling:
            return AFTER_AN_EXIT
        if loading:
            return LOADING
        return WAITED_FOR if self._waiting else RUNNING if living else IDLE
