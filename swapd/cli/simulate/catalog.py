"""The operator's catalog as the lab can play it: with a budget of this machine, and each model's memory told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from swapd.cli.weighed import Verdict
from swapd.cli.words import quantity
from swapd.config import completed
from swapd.core.need import RAM, is_memory
from swapd.core.spec import Catalog, Cost, Spec

Weigh = Callable[[Catalog], Mapping[str, Verdict]]
"""``cli.weighed.weigh``, with the ledger of the config."""


def weighed(catalog: Catalog, total: Callable[[], Mapping[str, int]], weigh: Weigh) -> tuple[Catalog, list[str]]:
    """The catalog with all memory in its budget and its costs, and what the operator should know of that.

    ``total`` reads what the machine has (bytes), if the config leaves the budget to it. A need that only a run
    would tell counts as nothing.
    """
    notes = []
    if catalog.measured:
        catalog = replace(completed(catalog, total()), measured=False)
        notes.append(
            f"budget: {', '.join(f'{name} {quantity(amount)}' for name, amount in catalog.budget.items())}"
        )
    memory = [name for name in catalog.budget if is_memory(name)]
    if not memory:
        return catalog, notes
    costs = {name: verdict.cost if verdict.need.ways else None for name, verdict in weigh(catalog).items()}
    if free := [name for name, cost in costs.items() if cost is None]:
        notes.append(f"memory not budgeted for {', '.join(free)}: only a run would tell; give their `needs`")
    nothing = {RAM if RAM in memory else memory[0]: 0}
    models = {name: _with(spec, costs[name] or nothing) for name, spec in catalog.models.items()}
    return replace(catalog, models=models), notes


def _with(spec: Spec, cost: Cost) -> Spec:
    return replace(spec, terms=replace(spec.terms, cost={**cost, **spec.terms.cost}))
