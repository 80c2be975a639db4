"""What the machine may give and what each model takes of it: plain counters, so far."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from swapd.config import schema
from swapd.config.drafts import Draft
from swapd.config.problems import Problems, did_you_mean
from swapd.config.tree import Map
from swapd.core.spec import Cost, Spec

_MEMORY = re.compile(r"ram|reserve|metal\d*|(cuda|vulkan|rocm|sycl|hip|musa|cann|opencl|rpc)\d+", re.IGNORECASE)
_NOT_YET = "is memory, which is not supported yet: use a plain counter such as engines: 1"


class Budget:
    """The ``budget`` section. Without one, one engine at a time is the only safe guess."""

    def __init__(self, top: Map, config: schema.Config, problems: Problems) -> None:
        section = top.get("budget")
        self._problems = problems
        self.amounts: Cost = {"engines": 1} if section is None else config.budget
        self._known = section.entries.keys() if isinstance(section, Map) else self.amounts.keys()
        for name in config.budget:
            if _MEMORY.fullmatch(name) and isinstance(section, Map):
                problems.add(section.entries[name].key.place, f"budget.{name}", _NOT_YET)

    def cost(self, draft: Draft) -> Cost:
        """What the model takes: its ``needs``, and one of ``engines`` where these are counted."""
        section = draft.tree.get("needs")
        for name in draft.keys.needs:
            assert isinstance(section, Map)
            place = section.entries[name].key.place
            if _MEMORY.fullmatch(name):
                self._problems.add(place, draft.path(f"needs.{name}"), _NOT_YET)
            elif name not in self._known:
                message = f"the budget has no '{name}'{did_you_mean(name, self._known)}: add it under 'budget'"
                self._problems.add(place, draft.path(f"needs.{name}"), message)
        taken = {"engines": 1} if "engines" in self._known else {}
        return {name: amount for name, amount in (taken | draft.keys.needs).items() if amount}

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
        for draft in models if not self._problems else ():
            if not draft.keys.pinned:
                self._warn(draft, specs[draft.name].terms.cost, held, beside, warnings)

    def _warn(self, draft: Draft, cost: Cost, held: Cost, beside: str, warnings: Problems) -> None:
        alone = list(self._lacks(cost))
        together = list(self._lacks(Counter(cost) + Counter(held)))
        if alone or together:
            lack = ", ".join(alone or together)
            message = f"can never be loaded{'' if alone else beside}: {lack}; raise the budget or lower its needs"
            warnings.add(draft.place("needs"), draft.path("needs"), message)

    def _lacks(self, cost: Cost) -> Iterator[str]:
        """``3 of 'big' are needed and the budget has 2``, for each name where that is so."""
        for name, amount in cost.items():
            if amount > self.amounts.get(name, amount):
                yield f"{amount} of '{name}' are needed and the budget has {self.amounts[name]}"
