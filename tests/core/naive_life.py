"""One run, and one caller that waits, as the naive book keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Found
from swapd.core.need import Way
from swapd.core.spec import Spec


@dataclass
class Life:
    """One run from its Spawn, or from when it was found alive, to its exit."""

    run: RunId
    spec: Spec
    spawned: float
    way: Way
    quantum: set[int]
    """Who surely belongs to it, and (with those who tie with them) who may."""
    perhaps: set[int]
    served: dict[int, float] = field(default_factory=dict)
    """Ticket -> when it was granted."""
    killed: float | None = None
    endpoint: Endpoint | None = None
    ready: float = 0.0
    drained: float | None = None
    terminated: float | None = None
    idle: float = 0.0
    """Since when nobody holds it, if nobody does."""
    excused: bool = False
    """Sick, to be unloaded now, or the second Closing: may be ended whatever its leases."""
    found: Found | None = None
    """How an earlier life of the daemon left it."""
    adopted: bool = False

    @property
    def leaving(self) -> bool:
        return self.drained is not None or self.terminated is not None

    @property
    def serving(self) -> bool:
        return self.endpoint is not None and not self.leaving


@dataclass
class Place:
    """A waiting ticket."""

    ticket: int
    model: str
    client: str
    since: float
    clock: float
    """Since when it counts: a caller that gave up within ten seconds before goes on from there; else it counts
    as if it had come a little sooner, if the model is known to load for long."""
