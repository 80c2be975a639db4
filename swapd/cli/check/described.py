"""The models of a sound config as ``check`` tells them: their command lines, and what they take here."""

from __future__ import annotations

import functools
import os
from typing import Any

from swapd.cli.weighed import Verdict, reckon
from swapd.core.spec import Catalog, Spec
from swapd.core.together import Together
from swapd.engines.binaries import find_binary
from swapd.engines.resolve import resolve, threads


def describe(catalog: Catalog, state_dir: str, port: str) -> tuple[list[dict[str, Any]], Together]:
    """Each model as data, and which fit together. ``command``: the argv resolved, with ``port`` for the port.

    One that somebody else runs has a ``url`` instead, and no command.
    """
    verdicts, groups = reckon(catalog, state_dir)
    aliases: dict[str, list[str]] = {name: [] for name in catalog.models}
    for alias in catalog.aliases.values():
        aliases[alias.model].append(alias.name)
    binary = find_binary(os.environ) or "llama-server"
    values = {"binary": binary, "host": "127.0.0.1", "port": port}
    cores = functools.cache(threads)
    found = []
    for name, spec in catalog.models.items():
        known = values | {"threads": str(cores(spec.launch.standing.cpus))}
        found.append(_model(spec, aliases[name], known, verdicts[name]))
    return found, groups


def _model(spec: Spec, aliases: list[str], values: dict[str, str], verdict: Verdict) -> dict[str, Any]:
    stay = spec.terms.stay
    return {
        "name": spec.name,
        "aliases": aliases,
        "command": list(resolve(spec.launch, values)),
        "url": spec.launch.url or None,
        "engine": spec.terms.service.kind,
        "needs": dict(spec.terms.cost),
        "memory": str(verdict),
        "cost": dict(verdict.cost),
        "source": verdict.need.source.name.lower(),
        "never_fits": verdict.never,
        "broken": verdict.need.broken,
        "ttl": None if stay.pinned else stay.ttl,
        "concurrency": spec.terms.concurrency,
        "pinned": stay.pinned,
        "preload": stay.preload or stay.pinned,
    }
