"""What the machine may give and what each model takes of it: sizes of memory, and plain counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from swapd.config import schema
from swapd.config.drafts import Draft
from swapd.config.memory import RESERVE, is_memory, spelling
from swapd.config.pace import paced
from swapd.config.problems import Place, Problems, did_you_mean
from swapd.config.tree import Map
from swapd.config.units import sized
from swapd.core.spec import Catalog, Cost, Spec
from swapd.core.stock import without_reserve


def completed(catalog: Catalog, total: Cost) -> Catalog:
    """With the budget of the machine, where it is to be measured; what the operator gave wins."""
    if not catalog.measured:
        return catalog
    budget = {**without_reserve(total, catalog.reserve), **catalog.budget}
    return replace(catalog, budget=budget, given=frozenset(catalog.budget))


class Budget:
    """The ``budget`` section: what the operator wrote. ``measured``: the meters are to tell the rest."""

    def __init__(self, top: Map, config: schema.Config, problems: Problems) -> None:
        section = top.get("budget")
        self._problems = problems
        given = list(section.entries) if isinstance(section, Map) else []
        self._known = [name for name in given if name != RESERVE]
        self.amounts: Cost = {name: amount for name, amount in config.budget.items() if name != RESERVE}
        self.reserve = config.budget.get(RESERVE)
        self.measured = not given or any(name == RESERVE or is_memory(name) for name in given)
        for name in config.budget:
            assert isinstance(section, Map)
            self._check_spelling(name, section.entries[name].key.place, f"budget.{name}")

    def _check_spelling(self, name: str, place: Place, key: str) -> bool:
        if (right := spelling(name)) != name:
            self._problems.add(place, key, f"is spelt '{right}': upper and lower case count")
        return right == name

    def cost(self, draft: Draft) -> Cost:
        """What the model takes: its ``needs``, and one of ``engines`` where these are counted; nothing if remote.

        A counter of which it takes none is left out; memory of which it takes none is a word of the operator's.
        """
        section = draft.tree.get("needs")
        for name in draft.keys.needs:
            assert isinstance(section, Map)
            self._check_need(name, section.entries[name].key.place, draft.path(f"needs.{name}"))
        if draft.remote:
            return {}  # it runs on somebody else's machine
        taken = {"engines": 1} if "engines" in self._known else {}
        return {name: amount for name, amount in (taken | draft.keys.needs).items() if amount or is_memory(name)}

    def _check_need(self, name: str, place: Place, key: str) -> None:
        if not self._check_spelling(name, place, key):
            return
        if name == RESERVE:
            message = "is what stays free, no model takes it: name memory such as ram or CUDA0"
            self._problems.add(place, key, message)
        elif name not in self._known and not (self.measured and is_memory(name)):
            message = f"the budget has no '{name}'{did_you_mean(name, self._known)}: add it under 'budget'"
            self._problems.add(place, key, message)

    def check_fit(self, models: Sequence[Draft], specs: Mapping[str, Spec], warnings: Problems) -> None:
        """What is pinned must fit together, else that is a problem; what never fits beside it is a warning."""
        held: Counter[str] = Counter()
        pinned = [draft for draft in models if draft.keys.pinned]
        for draft in pinned:
            held.update(specs[draft.name].terms.cost)
            for lack in self._lacks(held):
                message = f"more is pinned than fits: {lack}; unpin a model or raise the budget"
                self._problems.add(draft.place("pinned"), draft.path("pinned"), message)
        beside = f" beside the pinned {', '.join(draft.name for draft in pinned)}" if pinned else ""
        for draft in paced(models) if not self._problems else ():
            if not draft.keys.pinned:
                self._warn(draft, specs[draft.name].terms.cost, held, beside, warnings)

    def _warn(self, draft: Draft, cost: Cost, held: Cost, beside: str, warnings: Problems) -> None:
        alone = list(self._lacks(cost))
        together = list(self._lacks(Counter(cost) + Counter(held))) if held else alone
        if alone or together:
            lack = ", ".join(alone or together)
            message = f"can never be loaded{'' if alone else beside}: {lack}; raise the budget or lower its needs"
            warnings.add(draft.place("needs"), draft.path("needs"), message)

    def _lacks(self, cost: Cost) -> Iterator[str]:
        """``3 of 'big' are needed and the budget has 2``, for each name where that is so."""
        for name, amount in cost.items():
            has = self.amounts.get(name, amount)
            if amount > has:
                told = sized if is_memory(name) else str
                yield f"{told(amount)} of '{name}' are needed and the budget has {told(has)}"
