"""What an earlier life of a daemon may have left alive: engines of today's config, of an older one, or of none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from swapd.core.events import Found
from swapd.core.need import Way
from swapd.core.spec import Catalog, Spec
from tests.core.box import Box
from tests.core.play import left


def survivors(rng: Random, catalog: Catalog, box: Box | None, chance: float) -> Iterator[Found]:
    """Of each model with this chance, whatever there is room for. A remote one has no process that could live."""
    for name in [*catalog.models, "past"] if chance else ():
        spec = catalog.models.get(name)
        if rng.random() >= chance or (spec is not None and spec.remote):
            continue
        run, ready = f"{name}#{rng.randint(1, 9)}", rng.random() < 0.8
        argv = name if rng.random() < 0.7 else "another launch"
        yield replace(left(run, argv=argv, ready=ready, stop="say bye"), way=_way_of(rng, catalog, box, spec))


def _way_of(rng: Random, catalog: Catalog, box: Box | None, spec: Spec | None) -> Way:
    """Where it may have run, in a config that may have been another."""
    if box is not None and spec is not None and (ways := box.needs[spec.name].ways):
        return rng.choice(ways)
    if box is None and spec is not None and rng.random() < 0.5:
        return Way(spec.terms.cost)
    return Way({name: rng.randint(0, max(1, amount // 2)) for name, amount in catalog.budget.items()})
