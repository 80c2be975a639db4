"""What the operator could change, tried out: which variations of the config would have served better, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from swapd.core.placement import fits
from swapd.core.spec import Catalog, Rules

Summary = Mapping[str, Any]
"""As ``tally.summary`` makes it."""

WORTH = 0.05
"""A saving below this part of the loads or of the mean wait may be chance, and is not worth a word."""
HARM = 0.03
"""No figure may get worse by more than this part."""


class Kind(Enum):
    """What can be changed."""

    PIN = "pin"
    PATIENCE = "patience"
    LINGER = "linger"


@dataclass(frozen=True, slots=True)
class Variation:
    """One change: the model to pin, or the value (seconds) of a rule."""

    kind: Kind
    model: str = ""
    value: float = 0.0

    def __str__(self) -> str:
        return f"pin {self.model}" if self.kind is Kind.PIN else f"set {self.kind.value} to {self.value:g}s"


@dataclass(frozen=True, slots=True)
class Advice:
    """A variation that served better. Parts of the figures before: -0.38 is 38 % less."""

    variation: Variation
    loads: float
    wait: float
    text: str
    """``pin qmd-embed: −38 % loads, mean wait 9.1 → 6.2 s``."""


def variations(catalog: Catalog) -> list[Variation]:
    """All that is worth a try: each model that can be pinned, and half and double of patience and linger."""
    pins = [Variation(Kind.PIN, model) for model in pinnable(catalog)]
    return [*pins, *_turns(Kind.PATIENCE, catalog.rules), *_turns(Kind.LINGER, catalog.rules)]


def pinnable(catalog: Catalog) -> list[str]:
    """The models that could be pinned so that beside all pins each of the others still fits, one at a time."""
    loose = {name: spec.terms.cost for name, spec in catalog.models.items() if not spec.terms.stay.pinned}
    left = dict(catalog.budget)
    for spec in catalog.models.values():
        if spec.terms.stay.pinned:
            left = _less(left, spec.terms.cost)
    return [
        name
        for name, cost in loose.items()
        if fits(cost, left)
        and all(fits(other, _less(left, cost)) for each, other in loose.items() if each != name)
    ]


def advise(
    base: Summary, run: Callable[[Variation], Summary], tries: Iterable[Variation], most: int = 3
) -> list[Advice]:
    """Run the lab once for each try; the best of those that help and harm nothing, the best first.

    A try helps if loads or mean wait fall by WORTH; it harms if one of them or the 95th percentile rises, or the
    number served falls, by more than HARM.
    """
    found = [_judged(base, run(variation), variation) for variation in tries]
    good = sorted((advice for advice in found if advice is not None), key=lambda a: a.loads + a.wait)
    return good[:most]


def _turns(kind: Kind, rules: Rules) -> list[Variation]:
    present: float = getattr(rules, kind.value)
    return [Variation(kind, value=present * factor) for factor in (0.5, 2.0) if present]


def _less(budget: Mapping[str, int], cost: Mapping[str, int]) -> dict[str, int]:
    return {name: amount - cost.get(name, 0) for name, amount in budget.items()}


def _judged(base: Summary, varied: Summary, variation: Variation) -> Advice | None:
    loads = _change(base["loads"], varied["loads"])
    wait = _change(base["wait"]["mean"], varied["wait"]["mean"])
    tail = _change(base["wait"]["p95"], varied["wait"]["p95"])
    served = _change(base["served"], varied["served"])
    if min(loads, wait) > -WORTH or max(loads, wait, tail, -served) > HARM:
        return None
    text = f"{variation}: {_percent(loads)} loads, {_seconds(base['wait']['mean'], varied['wait']['mean'])}"
    return Advice(variation, loads, wait, text)


def _change(before: float, after: float) -> float:
    """How much more, as a part of before."""
    if before:
        return (after - before) / before
    return math.inf if after else 0.0


def _percent(change: float) -> str:
    whole = round(100 * change)
    return f"{'−' if whole < 0 else '+' if whole else '±'}{abs(whole)} %"


def _seconds(before: float, after: float) -> str:
    return f"mean wait {before:.1f} → {after:.1f} s"
