"""When requests waited for a model: how many, and for how long at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from swapd.core.events import Ticket

MOST = 5000
"""Waits are kept at most."""
JOINED = 2.0
"""Seconds between two waits that are told as one."""


class Wait(msgspec.Struct):
    """``until``: None while somebody waits. ``longest`` is seconds."""

    model: str
    since: str = msgspec.field(name="from")
    until: str | None
    requests: int
    longest: float


@dataclass(slots=True)
class _Line:
    """Who waits now: since when (monotonic). The first has waited longest."""

    wait: Wait
    since: dict[Ticket, float] = field(default_factory=dict)
    ended: float = 0.0


class Waits:
    """Costs nothing for a request that need not wait. Times are monotonic seconds."""

    def __init__(self, stamp: Callable[[float], str]) -> None:
        self._stamp = stamp
        self._lines: dict[str, _Line] = {}
        """Of the models that were waited for, the last each."""
        self._where: dict[Ticket, _Line] = {}
        self._kept: deque[Wait] = deque(maxlen=MOST)
        """In the order they began."""

    def begin(self, ticket: Ticket, model: str, now: float) -> None:
        """It waits from now on."""
        line = self._lines.get(model)
        if line is None or (not line.since and now - line.ended > JOINED):
            line = self._lines[model] = _Line(Wait(model, self._stamp(now), None, 0, 0.0))
            self._kept.append(line.wait)
        line.wait.until = None
        line.wait.requests += 1
        line.since[ticket] = now
        self._where[ticket] = line

    def end(self, ticket: Ticket, now: float) -> None:
        """It does not, be it for good; harmless if it did not."""
        line = self._where.pop(ticket, None)
        if line is None:
            return
        line.wait.longest = max(line.wait.longest, round(now - line.since.pop(ticket), 3))
        if not line.since:
            line.ended, line.wait.until = now, self._stamp(now)

    def recall(self, waits: Iterable[Wait]) -> None:
        """These are over, in the order they began."""
        self._kept.extend(waits)

    def prune(self, oldest: str, known: Container[str]) -> None:
        """Forget what ended before, and who was waited for that is not ``known`` any more."""
        while self._kept and (self._kept[0].until or oldest) < oldest:
            self._kept.popleft()
        self._lines = {name: line for name, line in self._lines.items() if line.since or name in known}

    def since(self, oldest: str, now: float) -> Sequence[Wait]:
        """Those that ended later or have not, with what they are by now. One of the last may still go on."""
        lines = [line for line in self._lines.values() if line.since]
        lasting = {id(line.wait): round(now - next(iter(line.since.values())), 3) for line in lines}
        return [
            wait if id(wait) not in lasting else _lasting(wait, lasting[id(wait)])
            for wait in self._kept
            if (wait.until or oldest) >= oldest
        ]


def _lasting(wait: Wait, seconds: float) -> Wait:
    return msgspec.structs.replace(wait, longest=max(wait.longest, seconds))
