"""Drafts become Specs, and with the top-level keys a Catalog. Pure: no file is looked at.

What is wrong is added to ``problems``; a Spec is made all the same, from the defaults, so that everything
else can still be checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from swapd.config import llamacpp, schema, waits
from swapd.config.abilities import abilities, check_said
from swapd.config.budget import Budget
from swapd.config.drafts import Draft
from swapd.config.names import aliases, check_default, edits
from swapd.config.pace import paced
from swapd.config.past import Answers
from swapd.config.pools import pools
from swapd.config.problems import Problems
from swapd.config.rules import check
from swapd.config.tree import Map
from swapd.core.kinds import KINDS, LLAMA_CPP
from swapd.core.spec import (
    Alias,
    Bounds,
    Catalog,
    Cost,
    Launch,
    Listing,
    Restart,
    Retry,
    Rules,
    Service,
    Spec,
    Standing,
    Stay,
    Terms,
)

_RAW_CONCURRENCY, _REMOTE_CONCURRENCY = 4, 16
_START, _REMOTE_START = 600.0, 30.0
"""Seconds. A remote one is up, or soon: nobody loads it for us."""


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
        made = past.ask(draft.name, (draft.keys, draft.raw, draft.says_kind, cost), partial(_made, draft, cost))
        specs[draft.name], renamed[draft.name] = made.spec, made.aliases
        check_said(draft, made.spec.launch.argv, warnings)
    budget.check_fit(models, specs, warnings)
    known = aliases(models, renamed, problems)
    groups = pools(top, config.pools, specs, known, problems)
    check_default(top, config.default_model, [*specs, *known, *groups], problems)
    rules = config.scheduling
    return Catalog(
        models=specs,
        aliases=known,
        budget=budget.amounts,
        rules=Rules(patience=rules.patience, linger=rules.linger, queue=rules.queue, wait=rules.wait),
        default_model=config.default_model,
        measured=budget.measured,
        reserve=budget.reserve,
        pools=groups,
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
    return Spec(draft.name, made, _terms(draft, made.argv, cost))


def launch(draft: Draft) -> Launch:
    """All that makes the process, or leads to the one that somebody else made."""
    keys, kind = draft.keys, KINDS[draft.keys.engine]
    described = () if draft.remote else llamacpp.argv(draft.name, keys.path or "", keys)
    return Launch(
        argv=keys.command if draft.raw else described,
        env=tuple(sorted(keys.env.items())),
        cwd=keys.cwd,
        health=keys.health or kind.health,
        loading=kind.loading,
        url=keys.url or "",
        key="" if keys.api_key is None else kind.key + keys.api_key,
        standing=_standing(keys),
    )


def _standing(keys: schema.Process) -> Standing:
    cpus = {cpu for named in keys.cpus for cpu in named}
    return Standing(keys.nice, tuple(sorted(cpus)), keys.oom_score_adj, keys.umask)


def _terms(draft: Draft, argv: Sequence[str], cost: Cost) -> Terms:
    keys = draft.keys
    slots = llamacpp.number_after(argv, llamacpp.PARALLEL)
    stays = draft.remote  # to let go of one would free nothing
    return Terms(
        cost=cost,
        concurrency=keys.concurrency or slots or (_REMOTE_CONCURRENCY if draft.remote else _RAW_CONCURRENCY),
        priority=keys.priority,
        stay=Stay(ttl=None if stays else keys.ttl, pinned=keys.pinned, preload=keys.preload or keys.pinned),
        bounds=_bounds(draft),
        stop=keys.stop,
        service=_service(draft, argv),
        restart=Restart(keys.restart),
    )


def _bounds(draft: Draft) -> Bounds:
    keys, start, stop = draft.keys, draft.keys.start_timeout, draft.keys.stop_grace
    usual = _REMOTE_START if draft.remote else _START
    return Bounds(
        start=usual if start is None else start,
        stop=KINDS[keys.engine].grace if stop is None else stop,
        drain=keys.drain,
    )


def _service(draft: Draft, argv: Sequence[str]) -> Service:
    keys, retry = draft.keys, draft.keys.retry
    context = llamacpp.number_after(argv, llamacpp.CONTEXT)
    # Others than llama-server choose by the name in the body, and know no alias of ours.
    chooses = draft.remote or keys.engine != LLAMA_CPP
    return Service(
        upstream_model=keys.upstream_model or (draft.name if chooses else None),
        edits=edits(keys.request),
        timeouts=waits.timeouts(keys.timeouts),
        routes=waits.routes(keys.timeouts),
        retry=Retry(retry.attempts, retry.backoff),
        listing=Listing(keys.unlisted, keys.description, context, keys.metadata),
        strict_json=keys.strict_json,
        kind=keys.engine,
        abilities=abilities(draft, argv),
    )
