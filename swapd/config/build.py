"""Drafts become Specs, and with the top-level keys a Catalog. Pure: no file is looked at.

What is wrong is added to ``problems``; a Spec is made all the same, from the defaults, so that everything
else can still be checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from swapd.config import llamacpp, schema
from swapd.config.budget import Budget
from swapd.config.drafts import Draft
from swapd.config.names import aliases, check_default, edits
from swapd.config.pace import paced
from swapd.config.past import Answers
from swapd.config.problems import Problems
from swapd.config.rules import check
from swapd.config.tree import Map
from swapd.core.spec import (
    Alias,
    Bounds,
    Catalog,
    Cost,
    Launch,
    Listing,
    Retry,
    Rules,
    Service,
    Spec,
    Stay,
    Terms,
    Timeouts,
)

_RAW_CONCURRENCY = 4


def build(
    top: Map,
    config: schema.Config,
    models: Sequence[Draft],
    problems: Problems,
    warnings: Problems,
    past: Answers[Made],
) -> Catalog:
    """The catalog. It may be used only if ``problems`` stayed empty."""
    budget = Budget(top, config, problems)
    specs: dict[str, Spec] = {}
    renamed: dict[str, Mapping[str, Alias]] = {}
    for draft in paced(models):
        check(draft, problems, warnings)
        cost = budget.cost(draft)
        made = past.ask(draft.name, (draft.keys, draft.raw, cost), partial(_made, draft, cost))
        specs[draft.name], renamed[draft.name] = made.spec, made.aliases
    budget.check_fit(models, specs, warnings)
    known = aliases(models, renamed, problems)
    check_default(top, config.default_model, [*specs, *known], problems)
    rules = config.scheduling
    return Catalog(
        models=specs,
        aliases=known,
        budget=budget.amounts,
        rules=Rules(patience=rules.patience, linger=rules.linger, queue=rules.queue, wait=rules.wait),
        default_model=config.default_model,
        measured=budget.measured,
        reserve=budget.reserve,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What one model comes to."""

    spec: Spec
    aliases: Mapping[str, Alias]


def _made(draft: Draft, cost: Cost) -> Made:
    return Made(spec(draft, cost), {n: Alias(n, draft.name, edits(e)) for n, e in draft.keys.aliases.items()})


def spec(draft: Draft, cost: Cost) -> Spec:
    """One model: how it is launched, and on which terms."""
    made = launch(draft)
    return Spec(draft.name, made, _terms(draft.keys, made.argv, cost))


def launch(draft: Draft) -> Launch:
    """All that makes the process."""
    keys = draft.keys
    argv = keys.command if draft.raw else llamacpp.argv(draft.name, keys.path or "", keys)
    return Launch(argv=argv, env=tuple(sorted(keys.env.items())), cwd=keys.cwd, health=keys.health)


def _terms(keys: schema.Model, argv: Sequence[str], cost: Cost) -> Terms:
    slots = llamacpp.number_after(argv, llamacpp.PARALLEL)
    ttl = None if keys.pinned else keys.ttl
    return Terms(
        cost=cost,
        concurrency=keys.concurrency or slots or _RAW_CONCURRENCY,
        priority=keys.priority,
        stay=Stay(ttl=ttl, pinned=keys.pinned, preload=keys.preload or keys.pinned),
        bounds=Bounds(start=keys.start_timeout, stop=keys.stop_grace, drain=keys.drain),
        stop=keys.stop,
        service=_service(keys, llamacpp.number_after(argv, llamacpp.CONTEXT)),
    )


def _service(keys: schema.Model, context: int | None) -> Service:
    limits, retry = keys.timeouts, keys.retry
    return Service(
        upstream_model=keys.upstream_model,
        edits=edits(keys.request),
        timeouts=Timeouts(limits.connect, limits.first_byte, limits.idle, limits.total),
        retry=Retry(retry.attempts, retry.backoff),
        listing=Listing(keys.unlisted, keys.description, context, keys.metadata),
        strict_json=keys.strict_json,
    )
