"""The operator's catalog as the lab can play it: with a budget of this machine, and each model's memory told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from swapd.cli.words import quantity
from swapd.core.need import RAM, Need, is_memory
from swapd.core.spec import Catalog, Cost, Spec
from swapd.core.stock import without_reserve
from swapd.machine.needs import Devices, with_operator

Weigh = Callable[[Sequence[str], Devices, bool], Need]
"""``machine.needs.weigh``."""


def weighed(catalog: Catalog, total: Callable[[], Mapping[str, int]], weigh: Weigh) -> tuple[Catalog, list[str]]:
    """The catalog with all memory in its budget and its costs, and what the operator should know of that.

    ``total`` reads what the machine has (bytes), if the config leaves the budget to it. A need that only a run
    would tell counts as nothing.
    """
    budget = dict(catalog.budget)
    notes = []
    if catalog.measured:
        budget = without_reserve(total(), catalog.reserve) | budget
        notes.append(f"budget: {', '.join(f'{name} {quantity(amount)}' for name, amount in budget.items())}")
    memory = [name for name in budget if is_memory(name)]
    if not memory:
        return catalog, notes
    devices = [(name, budget[name]) for name in memory if name != RAM]
    costs = {name: _cost(spec, devices, weigh) for name, spec in catalog.models.items()}
    if free := [name for name, cost in costs.items() if cost is None]:
        notes.append(f"memory not budgeted for {', '.join(free)}: only a run would tell; give their `needs`")
    models = {name: _with(spec, costs[name] or {memory[0]: 0}) for name, spec in catalog.models.items()}
    return replace(catalog, models=models, budget=budget, measured=False), notes


def _cost(spec: Spec, devices: Devices, weigh: Weigh) -> Cost | None:
    """What the model takes where it would go first; None if that cannot be told."""
    argv = spec.launch.argv
    need = with_operator(weigh(argv, devices, "${device}" in argv), spec.terms.cost)
    return need.ways[0].cost if need.ways else None


def _with(spec: Spec, cost: Cost) -> Spec:
    return replace(spec, terms=replace(spec.terms, cost={**cost, **spec.terms.cost}))
