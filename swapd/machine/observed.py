"""What was seen of the runs that live: what each takes, and how its load went."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from swapd.core.commands import Adopt, Spawn
from swapd.core.engine import RunId
from swapd.core.events import Ticket
from swapd.core.need import RAM, is_memory, told
from swapd.core.spec import Cost

NEGLIGIBLE = 256 << 20
"""Bytes that a prediction may be wrong by without a warning: an estimate has as much of a margin."""
WRONG = 0.2
"""By what share it may be wrong."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a run began, at the monotonic second ``at``."""

    order: Spawn | Adopt
    at: float
    known: bool
    """Whether what is reckoned for it was weighed, and is no guess to be on the safe side."""
    first: bool
    """Whether the model had not been loaded before in this life of the daemon."""

    @property
    def adopted(self) -> bool:
        """Whether it was loaded in an earlier life of the daemon: nobody saw how long that took, nor its peak."""
        return isinstance(self.order, Adopt)

    @property
    def predicted(self) -> Cost:
        """Bytes by resource; empty where nothing was known of the model."""
        return {n: a for n, a in self.order.way.cost.items() if is_memory(n)} if self.known else {}

    def may_use(self, gpus: Collection[str]) -> set[str]:
        """Those of the machine's GPUs that it runs on, as far as that is known: else all of them."""
        used = {name for name, amount in self.predicted.items() if amount and name != RAM}
        return {*used, *self.order.way.devices} if self.known else set(gpus)


@dataclass(slots=True)
class Observed:
    """One run while it lives. ``peak`` and ``steady``: bytes by resource, the most that was seen."""

    start: Start
    peak: dict[str, int] = field(default_factory=dict)
    steady: dict[str, int] = field(default_factory=dict)
    load: float | None = None
    """Seconds until it was ready."""
    key: str | None = None
    """Its name in the ledger, once it was looked at after its load; empty for one that is not to be in there."""
    entered: bool = False
    """Whether all that it takes could be measured, and is in the ledger."""
    served: bool = False

    @property
    def fresh(self) -> bool:
        """Ready, and not looked at since."""
        return self.load is not None and self.key is None

    def took(self, amounts: Cost) -> None:
        """Seen while it loads, or right after."""
        self.peak |= {name: max(amount, self.peak.get(name, 0)) for name, amount in amounts.items()}

    def takes(self, amounts: Cost) -> bool:
        """Seen after it has served somebody; whether it is more than before."""
        grown = {n: amount for n, amount in amounts.items() if amount > self.steady.get(n, -1)}
        self.steady |= grown
        return bool(grown)


class Runs:
    """The runs that live, and the leases on them."""

    def __init__(self) -> None:
        self.living: dict[RunId, Observed] = {}
        self._models: set[str] = set()
        self._leases: dict[Ticket, RunId] = {}

    @property
    def loading(self) -> list[RunId]:
        """Those not ready yet."""
        return [run for run, seen in self.living.items() if seen.load is None]

    def spawned(self, order: Spawn, known: bool, at: float) -> None:
        """A run begins; see Start."""
        first = order.run.model not in self._models
        self._models.add(order.run.model)
        self.living[order.run] = Observed(Start(order, at, known, first))

    def adopted(self, order: Adopt, known: bool, at: float, wanted: bool) -> None:
        """A run of an earlier life goes on. ``wanted``: the config's own; of any other nothing is learned."""
        self._models.add(order.run.model)
        start = Start(order, at, known, first=False)
        self.living[order.run] = Observed(start, key=None if wanted else "", served=True)

    def ready(self, run: RunId, at: float) -> None:
        """It answers."""
        if (seen := self.living.get(run)) is not None and seen.load is None:
            seen.load = at - seen.start.at

    def granted(self, ticket: Ticket, run: RunId) -> None:
        """Somebody holds it. It matters until it has served one."""
        if (seen := self.living.get(run)) is not None and not seen.served:
            self._leases[ticket] = run

    def left(self, ticket: Ticket) -> bool:
        """A ticket is over; whether that was the first one that a run has served."""
        run = self._leases.pop(ticket, None) if self._leases else None
        seen = self.living.get(run) if run is not None else None
        if seen is None or seen.served:
            return False
        seen.served = True
        return True

    def gone(self, run: RunId) -> Observed | None:
        """It has ended: what was seen of it."""
        return self.living.pop(run, None)


def words(took: Cost, predicted: Mapping[str, int]) -> tuple[str, bool]:
    """``9.1 GiB of CUDA0 (2 % less than the predicted 9.3 GiB)``, and whether a prediction was badly wrong."""
    parts, bad = [], False
    for name, amount in took.items():
        text = f"{told(name, amount)} of {name}"
        if name in predicted:
            bad |= abs(amount - predicted[name]) > max(NEGLIGIBLE, WRONG * amount)
            text += f" ({_beside(name, amount, predicted[name])})"
        if amount or predicted.get(name):
            parts.append(text)
    return ", ".join(parts), bad


def _beside(name: str, amount: int, predicted: int) -> str:
    """As ``swapd_model_prediction_error_ratio`` has it: above 0 it took more."""
    share = round(100 * (amount - predicted) / (predicted or amount or 1))
    if not share:
        return "as predicted"
    return f"{abs(share)} % {'more' if share > 0 else 'less'} than the predicted {told(name, predicted)}"
