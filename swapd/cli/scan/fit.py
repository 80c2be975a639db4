"""How large a context each model that was found gets on this machine, and which of them fit together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swapd.cli.failure import BadConfig
from swapd.cli.weighed import Verdict, reckon
from swapd.cli.words import size
from swapd.config import Loaded, load
from swapd.config.author import written
from swapd.core.draft import Draft
from swapd.core.need import RAM, Source, is_memory
from swapd.core.spec import Catalog
from swapd.core.together import Together
from swapd.scan import Model
from swapd.scan.drafting import contexts, drafted

SPILLED = 1 << 30
"""RAM that a model takes beside a GPU where some of its layers are left there."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A model with this context."""

    context: int
    verdict: Verdict

    @property
    def never(self) -> bool:
        """Whether it cannot be up, whatever goes."""
        return self.verdict.never is not None or self.verdict.need.broken

    @property
    def gpus(self) -> list[str]:
        """Where it runs."""
        return [name for name, amount in self.verdict.cost.items() if is_memory(name) and name != RAM and amount]

    @property
    def spills(self) -> bool:
        """Whether a smaller context may bring more of it onto the GPU."""
        return self.never or bool(self.gpus and self.verdict.cost.get(RAM, 0) > SPILLED)

    def __str__(self) -> str:
        if self.verdict.need.broken:
            return f"no engine can load it: {self.verdict.need.detail}"
        if self.verdict.never is not None:
            return f"never fits: {self.verdict.never}"
        if self.verdict.need.source is Source.UNKNOWN:
            return f"what it needs is not known yet, so it loads alone at first: {self.verdict.need.detail}"
        total = sum(amount for name, amount in self.verdict.cost.items() if is_memory(name))
        return f"needs {size(total)} at context {self.context}: {self._where()}"

    def _where(self) -> str:
        if not self.gpus:
            return "fits in main memory"
        together = "alone" if len(self.gpus) == 1 else "together"
        beside = f"with {size(self.verdict.cost[RAM])} in main memory" if self.spills else together
        return f"fits on {' and '.join(self.gpus)} {beside}"


def fitted(
    models: Sequence[Model], known: Loaded | None, common: Mapping[str, Any]
) -> tuple[dict[str, Fit], Together]:
    """By name: the largest context that fits, on GPUs alone if any does.

    ``known``: the config beside which; ``common``: what it says for all models.
    """
    ladders = {model.name: contexts(model) for model in models}
    tried: dict[str, list[Fit]] = {name: [] for name in ladders}
    open_ones = list(models)
    while open_ones:
        step = {model.name: ladders[model.name][len(tried[model.name])] for model in open_ones}
        for name, fit in _weighed(open_ones, step, known, common)[0].items():
            tried[name].append(fit)
        open_ones = [
            m for m in open_ones if tried[m.name][-1].spills and len(tried[m.name]) < len(ladders[m.name])
        ]
    chosen = {name: _best(fits) for name, fits in tried.items()}
    return _weighed(models, {name: fit.context for name, fit in chosen.items()}, known, common)


def _best(fits: list[Fit]) -> Fit:
    """Wholly on the GPUs before partly, a large context before a small one, anything before never."""
    whole = [fit for fit in fits if not fit.spills]
    return next(iter(whole or [fit for fit in fits if not fit.never] or fits[-1:]))


def _weighed(
    models: Sequence[Model], at: Mapping[str, int], known: Loaded | None, common: Mapping[str, Any]
) -> tuple[dict[str, Fit], Together]:
    catalog, state_dir = _catalog(models, at, known, common)
    verdicts, together = reckon(catalog, state_dir)
    return {model.name: Fit(at[model.name], verdicts[model.name]) for model in models}, together


def _catalog(
    models: Sequence[Model], at: Mapping[str, int], known: Loaded | None, common: Mapping[str, Any]
) -> tuple[Catalog, str]:
    """The models alone, with the budget of the config that they come beside, and what it says for all."""
    drafts = tuple(drafted(model, at[model.name], (), common) for model in models)
    with tempfile.TemporaryDirectory(prefix="swapd-scan-") as folder:
        path = Path(folder) / "swapd.yaml"
        path.write_text(written(Draft(drafts, top=common)))
        loaded = load(path, os.environ)
    if loaded.catalog is None or loaded.settings is None:
        problem = loaded.problems[0]
        raise BadConfig(f"cannot add what was found: {problem.key}: {problem.message}")
    if known is None or known.catalog is None or known.settings is None:
        return loaded.catalog, loaded.settings.state_dir
    beside = replace(known.catalog, models=loaded.catalog.models, aliases={}, pools={}, default_model=None)
    return beside, known.settings.state_dir
