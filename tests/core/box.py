"""The memory of one machine, as it truly is: who holds how much, and what the meters tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core.engine import RunId
from swapd.core.need import RAM, Gauge, Need, Reading, Source, Way
from swapd.core.spec import Cost

LEARNED = Need((Way({"CUDA0": 7, RAM: 3}),), Source.LEARNED)
"""What the models of unknown need turn out to take."""


@dataclass
class Box:
    """``held``: what each living run has; ``gone``: what a driver still keeps of the dead, and until when."""

    totals: dict[str, int]
    needs: dict[str, Need]
    tells: bool
    """Whether the driver says who holds how much of its device; of RAM the kernel always does."""
    stranger: int = 0
    """What a game has of CUDA0."""
    held: dict[RunId, Cost] = field(default_factory=dict)
    gone: dict[RunId, tuple[Cost, float]] = field(default_factory=dict)

    def look(self, now: float) -> Reading:
        self.gone = {run: kept for run, kept in self.gone.items() if kept[1] > now}
        taken = {run: self._told(cost) for run, cost in self.held.items()}
        gauges = {name: Gauge(total, max(0, total - self._used(name))) for name, total in self.totals.items()}
        return Reading(now, gauges, taken)

    def _told(self, cost: Cost) -> Cost:
        return {
            name: amount for name, amount in cost.items() if name in self.totals and (self.tells or name == RAM)
        }

    def _used(self, name: str) -> int:
        """RAM comes back with the process, device memory when the driver is done."""
        late = 0 if name == RAM else sum(cost.get(name, 0) for cost, _ in self.gone.values())
        ours = sum(cost.get(name, 0) for cost in self.held.values())
        return ours + late + (self.stranger if name == "CUDA0" else 0)
