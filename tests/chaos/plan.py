"""What is to happen, drawn from the seed before anything runs: the same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.table import CHORES, FAULTS, Choices

CALM = (0.1, 0.6)
"""Seconds of plain load before a fault."""
SPACING = 1.3
"""Seconds that a fault takes at least, with the look at the invariants: so many are drawn."""
CHORE_EVERY = (0.4, 2.5)
"""Seconds between two of the operator's chores."""


@dataclass(frozen=True, slots=True)
class Step:
    """A fault or a chore: its name, its particulars (targets by role), and seconds of calm before it."""

    name: str
    particulars: Mapping[str, Any]
    calm: float

    def __str__(self) -> str:
        said = " ".join(f"{key}={value}" for key, value in self.particulars.items())
        return f"{self.name} {said}".rstrip()


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults come one after another, chores beside them. ``left_out``: fault -> why."""

    seed: int
    seconds: float
    faults: Sequence[Step]
    chores: Sequence[Step]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As ``replayed`` reads it."""
        return asdict(self)


def drawn(
    seed: int, seconds: float, absent: Mapping[str, str], wanted: Sequence[str] = (), roles: Choices | None = None
) -> Plan:
    """``absent``: feature -> why it is not there. ``wanted``: only these faults. ``roles``: more models by role.

    Each round has every fault once in an order of its own, the slow ones last: a short run has seen most of them.
    """
    rng = random.Random(seed)
    left_out = {
        fault.name: "; ".join(absent[need] for need in fault.needs if need in absent)
        for fault in FAULTS.values()
        if set(fault.needs) & set(absent)
    }
    able = [fault for fault in FAULTS.values() if fault.name not in left_out]
    chosen = [fault for fault in able if not wanted or fault.name in wanted]
    faults: list[Step] = []
    while chosen and len(faults) * SPACING < seconds:
        for fault in sorted(rng.sample(chosen, len(chosen)), key=lambda fault: fault.slow):
            faults.append(Step(fault.name, fault.draw(rng, roles or {}), round(rng.uniform(*CALM), 2)))
    chores: list[Step] = []
    while sum(step.calm for step in chores) < seconds:
        chore = rng.choice(list(CHORES.values()))
        chores.append(Step(chore.name, chore.draw(rng, roles or {}), round(rng.uniform(*CHORE_EVERY), 2)))
    return Plan(seed, seconds, faults, chores, left_out)


def replayed(told: Mapping[str, Any]) -> Plan:
    """The plan of a report, or one by itself."""
    plan = told.get("plan", told)
    steps = {lane: [Step(**step) for step in plan[lane]] for lane in ("faults", "chores")}
    return Plan(plan["seed"], plan["seconds"], steps["faults"], steps["chores"], plan["left_out"])
