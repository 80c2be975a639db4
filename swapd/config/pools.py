"""Pools: names behind which several models stand, checked against the models and aliases that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapd.config import schema
from swapd.config.names import check_name
from swapd.config.problems import Problems, did_you_mean
from swapd.config.sources import items
from swapd.config.tree import Map, Scalar
from swapd.core.spec import Alias, Pool, Spec


def pools(
    top: Map,
    given: Mapping[str, schema.Pool],
    models: Mapping[str, Spec],
    aliases: Mapping[str, Alias],
    problems: Problems,
) -> dict[str, Pool]:
    """All pools by name; what is wrong with one is told at the name or the member."""
    section = top.get("pools")
    for name, keys in given.items():
        assert isinstance(section, Map)
        entry = section.entries[name]
        path = f"pools.{name}"
        check_name(name, entry.key.place, path, problems)
        if name in models or name in aliases:
            whose = f"an alias of '{aliases[name].model}'" if name in aliases else "the name of a model"
            problems.add(entry.key.place, path, f"'{name}' is already {whose}: choose another name")
        written = entry.value.get("models") if isinstance(entry.value, Map) else None
        if written is None:
            if isinstance(entry.value, Map) or (isinstance(entry.value, Scalar) and entry.value.empty):
                problems.add(entry.key.place, path, "names no models: list them under 'models'")
            continue
        places = [node.place for node in items(written)]
        if not places:
            problems.add(written.place, f"{path}.models", "is empty: list at least one model")
        for n, why in _wrong(keys.models, given, models, aliases):
            problems.add(places[n], f"{path}.models[{n}]", why)
    return {name: Pool(name, keys.models, keys.choose) for name, keys in given.items()}


def _wrong(
    members: tuple[str, ...],
    pools: Mapping[str, schema.Pool],
    models: Mapping[str, Spec],
    aliases: Mapping[str, Alias],
) -> Iterator[tuple[int, str]]:
    """Which member cannot be one, and why."""
    for n, name in enumerate(members):
        if name in members[:n]:
            yield n, f"'{name}' is in the pool already: remove it here"
        elif name in models:
            continue
        elif name in aliases:
            yield n, f"'{name}' is an alias: name its model '{aliases[name].model}'"
        elif name in pools:
            yield n, f"'{name}' is a pool: name its models, a pool in a pool is not possible"
        else:
            yield n, f"there is no model '{name}'{did_you_mean(name, models)}"
