"""What the models of a config take on this machine, and whether they can ever fit: for ``check``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from swapd.config import completed
from swapd.core import placement
from swapd.core.events import CatalogChanged, Weighed
from swapd.core.need import RAM, Need, Source, Way, is_memory, told
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Cost, Spec
from swapd.core.together import Together, together
from swapd.engines.binaries import find_binary
from swapd.machine.ledger import Ledger
from swapd.machine.opening import opened
from swapd.machine.weighing import Weighing

NOTHING = Need((Way({}),), Source.OPERATOR)
"""What an engine takes that somebody else runs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model: its need, what is reckoned with on the best way, and the arithmetic if it can never fit."""

    need: Need
    cost: Cost
    never: str | None
    budgeted: bool
    """Whether memory decides what runs together."""

    def __str__(self) -> str:
        if self.need is NOTHING:
            return ""
        if self.need.broken:
            return f"no engine can load it: {self.need.detail}"
        if self.need.source is Source.UNKNOWN:
            so = ", so it loads alone at first" if self.budgeted else ""
            return f"{self.need.source.value}{so}: {self.need.detail}"
        amounts = ", ".join(f"{told(n, a)} of {n}" for n, a in self.cost.items() if is_memory(n) and a)
        how = f" ({self.need.detail})" if self.need.detail and self.need.source is not Source.OPERATOR else ""
        return f"{amounts}, {self.need.source.value}{how}"


def weigh(catalog: Catalog, state_dir: str) -> dict[str, Verdict]:
    """By model: see ``reckon``."""
    return reckon(catalog, state_dir)[0]


def reckon(catalog: Catalog, state_dir: str) -> tuple[dict[str, Verdict], Together]:
    """By model, and which fit together. Reads the meters, the ledger and the models' headers; changes nothing."""
    meters = opened(os.environ)
    meters.meter.close()
    catalog = completed(catalog, meters.total)
    devices = [(name, amount) for name, amount in catalog.budget.items() if is_memory(name) and name != RAM]
    weighing = Weighing(Ledger.peek(Path(state_dir)), lambda: find_binary(os.environ))
    needs = {n: NOTHING if spec.remote else weighing.weigh(spec, devices) for n, spec in catalog.models.items()}
    scheduler = Scheduler()
    scheduler.handle(CatalogChanged(catalog), 0.0)
    for name, need in needs.items():
        scheduler.handle(Weighed(name, catalog.models[name].launch, need), 0.0)
    verdicts = {name: _verdict(scheduler, spec, needs[name]) for name, spec in catalog.models.items()}
    return verdicts, together(scheduler.book)


def _verdict(scheduler: Scheduler, spec: Spec, need: Need) -> Verdict:
    budgeted = any(is_memory(name) for name in scheduler.book.catalog.budget)
    ways = (
        placement.ways(scheduler.book, spec) if budgeted else need.ways
    )  # what does not count is good to know too
    return Verdict(need, ways[0].cost if ways else {}, placement.never_fits(scheduler.book, spec), budgeted)
