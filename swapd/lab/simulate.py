"""The runner: the same trace before each policy, and what came of it. Pure: no clock, no files, no processes.

A ``Stage`` is all that stays the same whatever the policy: the catalog, the seconds of each load, and who asks. A
made-up trace is a closed loop (a client asks again only after its answer), played once for each seed. A recorded
one is an open loop: each request comes when it came, whatever the policy makes of those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any, assert_never

from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Rules, Spec, Terms
from swapd.lab.advice import Kind, Variation
from swapd.lab.box import Box, Brain, Record, Served
from swapd.lab.people import Cast, Scene
from swapd.lab.policies import POLICIES
from swapd.lab.tally import Answered, Loaded, Tally, summary
from swapd.lab.trace import SERVED, Request, Trace

BRAINS: Mapping[str, Callable[[], Brain]] = {"swapd": Scheduler, **POLICIES}
"""Policy -> a new brain of it; swapd's own first."""
UNSEEN_LOAD = 5.0
"""Seconds that a load is taken to last where the trace holds none of the model."""
RULES = Rules()
"""What ``scheduling`` says where nobody wrote it."""
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A trace on a machine. ``admit`` lets the clients or the requests of one seed into a box."""

    trace: str
    catalog: Catalog
    loads: Mapping[str, float]
    """Seconds that a load takes, of each model of the catalog."""
    admit: Callable[[Box, int], None]
    seconds: float
    """How long each run lasts; ``inf``: until the last request is served."""
    seeds: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy made of a stage: a tally for each seed; ``failed`` requests were turned away or cut off."""

    policy: str
    tallies: tuple[Tally, ...]
    failed: int
    cut: Mapping[str, int]
    """How many of those were cut off, by model."""


def made(scene: Scene, catalog: Catalog | None = None, seeds: int = 12, hours: float = 1.0, **cast: Any) -> Stage:
    """A built-in trace; ``cast``: ``think`` (seconds) and ``agents`` as in ``people.Cast``.

    Without a catalog of the operator's, its models take turns.
    """
    catalog = catalog or taking_turns({name: kind.slots for name, kind in scene.kinds.items()})
    loads = {name: kind.load for name, kind in scene.kinds.items()}

    def admit(box: Box, seed: int) -> None:
        box.admit(scene.people(Cast(Random(seed), scene.kinds, **cast)))

    return Stage(scene.name, catalog, _all_loads(catalog, loads), admit, hours * HOUR, seeds)


def recorded(name: str, trace: Trace, catalog: Catalog | None = None, hours: float | None = None) -> Stage:
    """A recorded trace, or its first ``hours``. Only what was served is played: of the rest no service is known.

    Without a catalog its models take turns, each with as many slots as were seen in use at once. Its names may be
    aliases of the catalog; raises KeyError for one that the catalog does not know (see ``unknown``).
    """
    requests = played(trace, hours)
    catalog = catalog or taking_turns(_slots(requests))
    names = {request.model: _name(catalog, request.model) for request in requests}

    def admit(box: Box, _: int) -> None:
        for r in requests:
            box.ask(r.arrival, Served(r.arrival, names[r.model], r.client, r.service))

    loads = {found[0].name: s for model, s in trace.loads.items() if (found := catalog.resolve(model))}
    return Stage(name, catalog, _all_loads(catalog, loads), admit, inf)


def run(
    stage: Stage,
    policy: str,
    tell: Callable[[int], None] = lambda seed: None,
    heard: Callable[[Brain], Brain] = lambda brain: brain,
) -> Outcome:
    """Play the stage before a policy of ``BRAINS``, seed by seed.

    ``tell`` hears each seed as it begins; ``heard`` may stand before the brain, to hear what it decides.
    """
    records = []
    for seed in range(stage.seeds):
        tell(seed)
        box = Box(heard(BRAINS[policy]()), stage.catalog, stage.loads)
        stage.admit(box, seed)
        records.append(box.run(stage.seconds))
    failed = [request for record in records for request in record.requests if request.failed]
    cut = Counter(request.model for request in failed if request.granted is not None)
    return Outcome(policy, tuple(map(counted, records)), len(failed), cut)


def told(stage: Stage, outcome: Outcome) -> dict[str, Any]:
    """The outcome as the one object that ``--json`` prints."""
    return summary(stage.trace, outcome.policy, outcome.tallies, most_at_once(stage.catalog))


def counted(record: Record) -> Tally:
    """What was served to its end, and every load."""
    return Tally(
        [
            Answered(r.arrival, r.model, r.client, r.granted - r.arrival, r.left - r.granted)
            for r in record.requests
            if r.granted is not None and r.left is not None
        ],
        [Loaded(load.run.model, load.at, load.seconds) for load in record.loads],
    )


def varied(stage: Stage, variation: Variation) -> Stage:
    """The same stage, after the operator's change."""
    catalog = stage.catalog
    match variation.kind:
        case Kind.PATIENCE:
            changed = replace(catalog, rules=replace(catalog.rules, patience=variation.value))
        case Kind.LINGER:
            changed = replace(catalog, rules=replace(catalog.rules, linger=variation.value))
        case Kind.PIN:
            spec = catalog.models[variation.model]
            terms = replace(spec.terms, stay=replace(spec.terms.stay, pinned=True))
            changed = replace(catalog, models={**catalog.models, spec.name: replace(spec, terms=terms)})
        case _:
            assert_never(variation.kind)
    return replace(stage, catalog=changed)


def taking_turns(slots: Mapping[str, int], rules: Rules = RULES) -> Catalog:
    """A machine on which one of these models (name -> slots) fits at a time."""
    return Catalog(
        {
            name: Spec(name, Launch((name,)), Terms(cost={"engines": 1}, concurrency=count))
            for name, count in slots.items()
        },
        budget={"engines": 1},
        rules=rules,
    )


def most_at_once(catalog: Catalog) -> int:
    """No more models than this can ever be up together: for each resource, its smallest takers first."""
    costs = [spec.terms.cost for spec in catalog.models.values()]
    most = len(costs)
    for name, budget in catalog.budget.items():
        left, count = budget, 0
        for amount in sorted(cost.get(name, 0) for cost in costs):
            left -= amount
            count += amount == 0 or left >= 0
        most = min(most, count)
    return max(1, most)


def played(trace: Trace, hours: float | None = None) -> list[Request]:
    """The requests of a recording that the lab plays again: those that were served, of the first ``hours``."""
    ends = inf if hours is None else hours * HOUR
    return [request for request in trace.requests if request.outcome == SERVED and request.arrival < ends]


def unknown(catalog: Catalog, names: Iterable[str]) -> list[str]:
    """The names that are neither models nor aliases of the catalog, each once."""
    return [name for name in dict.fromkeys(names) if catalog.resolve(name) is None]


def _name(catalog: Catalog, name: str) -> str:
    found = catalog.resolve(name)
    if found is None:
        raise KeyError(name)
    return found[0].name


def _all_loads(catalog: Catalog, known: Mapping[str, float]) -> dict[str, float]:
    return dict.fromkeys(catalog.models, UNSEEN_LOAD) | dict(known)


def _slots(requests: Sequence[Request]) -> dict[str, int]:
    """Model -> the most requests that it was seen to serve at once."""
    changes = [
        change
        for r in requests
        for change in ((r.arrival + r.waited, 1, r.model), (r.arrival + r.waited + r.service, -1, r.model))
    ]
    now: Counter[str] = Counter()
    most: dict[str, int] = {request.model: 1 for request in requests}
    for _, step, model in sorted(changes):
        now[model] += step
        most[model] = max(most[model], now[model])
    return most
