"""What is known of the machine's memory: needs that were weighed, meters that were read, what strangers hold, and
what an engine that is gone has not been seen to give back yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from swapd.core.engine import RunId
from swapd.core.need import RAM, Need, Reading, is_memory
from swapd.core.spec import Cost, Launch

SETTLE = 5.0
"""Seconds within which freed memory of a device is to be seen free; drivers take up to a second or two."""
MOST_OF_IT = 0.9
"""What share of it must be back: a driver keeps a little, a stranger may take a little."""
READINGS = 3
"""What strangers hold is the least of so many readings in a row: a moment's peak is no reason to swap."""


class Holder(Protocol):
    """An engine, as far as its memory goes."""

    @property
    def run(self) -> RunId:
        """Which."""

    @property
    def cost(self) -> Cost:
        """What is reckoned for it."""

    @property
    def loaded(self) -> float:
        """When it was; infinity while it is not."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Device memory of a run that is gone, not seen free yet, and since when."""

    cost: Cost
    since: float


@dataclass(slots=True)
class Stock:
    """The whole of it. ``needs``: by model, with the launch that was weighed."""

    needs: dict[str, tuple[Launch, Need]] = field(default_factory=dict)
    reading: Reading = field(default_factory=lambda: Reading(-inf))
    unseen: dict[RunId, Unseen] = field(default_factory=dict)
    _strangers: dict[str, deque[int]] = field(default_factory=dict)

    def need(self, model: str, launch: Launch) -> Need | None:
        """What was weighed for this very launch."""
        weighed = self.needs.get(model)
        if weighed is None or not (weighed[0] is launch or weighed[0] == launch):
            return None
        return weighed[1]

    def strangers(self, name: str) -> int:
        """Bytes of a resource that processes which are not ours hold, as far as was seen."""
        return min(self._strangers.get(name, ()), default=0)

    def limits(self, budget: Cost) -> dict[str, int]:
        """The budget, and of memory no more than strangers leave and the machine still has."""
        gauges, lost = self.reading.gauges, self.reading.lost
        left = dict(budget)
        for name in budget:
            if name in lost:
                left[name] = 0
            elif name in gauges:
                left[name] = min(budget[name], gauges[name].total - self.strangers(name))
        return left

    def gone(self, run: RunId, cost: Cost, now: float) -> None:
        """A run has ended: what it held of devices is to be seen free. RAM comes back with the process."""
        held = {name: amount for name, amount in cost.items() if name != RAM and is_memory(name) and amount}
        if any(name in self.reading.gauges for name in held):
            self.unseen[run] = Unseen(held, now)

    def read(self, reading: Reading, engines: Iterable[Holder]) -> None:
        """Take in a look at the meters."""
        stale = {n: g for n, g in self.reading.gauges.items() if n not in reading.gauges and n not in reading.lost}
        self.reading = replace(reading, gauges={**stale, **reading.gauges})
        living = list(engines)
        for name, gauge in reading.gauges.items():
            awaited = sum(unseen.cost.get(name, 0) for unseen in self.unseen.values())
            ours = self._ours(name, reading, living)
            others = max(0, gauge.total - gauge.free - (ours or 0))
            if awaited and others > self.strangers(name) + awaited - MOST_OF_IT * awaited:
                continue  # still held by what is gone, for all we know
            if awaited:
                self._seen(name, reading.at)
            if ours is not None:
                self._strangers.setdefault(name, deque(maxlen=READINGS)).append(others)

    def overdue(self, now: float) -> list[RunId]:
        """The runs whose memory was not seen free in time."""
        return [run for run, unseen in self.unseen.items() if unseen.since + SETTLE <= now]

    def _ours(self, name: str, reading: Reading, living: Iterable[Holder]) -> int | None:
        """Bytes that our engines hold; None while one is loading and the driver does not tell how much."""
        total = 0
        for engine in living:
            told = reading.taken.get(engine.run, {}).get(name)
            if told is None and engine.cost.get(name) and engine.loaded > reading.at:
                return None
            total += engine.cost.get(name, 0) if told is None else told
        return total

    def _seen(self, name: str, at: float) -> None:
        """The resource is free again: who waited for it, and for nothing else, waits no more."""
        for run, unseen in list(self.unseen.items()):
            if unseen.since > at:
                continue
            rest = {other: amount for other, amount in unseen.cost.items() if other != name}
            if any(other in self.reading.gauges for other in rest):
                self.unseen[run] = Unseen(rest, unseen.since)
            else:
                del self.unseen[run]


def without_reserve(total: Mapping[str, int], reserve: int | None) -> dict[str, int]:
    """The budget of a machine: of each memory what is there, less what is left to others."""
    kept = {name: usual_reserve(name, amount) if reserve is None else reserve for name, amount in total.items()}
    return {name: max(0, amount - kept[name]) for name, amount in total.items()}


def usual_reserve(name: str, total: int) -> int:
    """Bytes left to others where nobody says how many: a tenth of RAM (at least 1 GiB), a 32nd of a device."""
    return max(1 << 30, total // 10) if name == RAM else max(256 << 20, total // 32)
