"""Groups and matrix of llama-swap: which models took turns, as counters that swapd's budget keeps.

Two models took turns if the load of each stopped the other. Where only one did, both could be up at once, and here
the memory decides. All models that no group names took turns too, which nobody chose: for them memory decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from swapd.importers import matrix, turns
from swapd.importers.sheet import held, left, listed, mapping, text

MOST_MODELS = 600
_TOO_MANY = "it would take too many counters to say who takes turns; what fits the memory runs together"


@dataclass(frozen=True, slots=True)
class Group:
    """As llama-swap reads it, with its defaults."""

    name: str
    members: tuple[str, ...]
    swap: bool = True
    exclusive: bool = True
    persistent: bool = False

    def stops(self, other: Group) -> bool:
        """Whether to load one of its members stops a running one of ``other``."""
        return self.swap if other is self else self.exclusive and not other.persistent


@dataclass(frozen=True, slots=True)
class Turns:
    """``counters``: who needs one of it. ``pinned``: who is never stopped for others. ``lost``: lines."""

    counters: Mapping[str, Sequence[str]]
    pinned: frozenset[str]
    lost: tuple[str, ...]


def of(file: Mapping[str, Any], models: Sequence[str]) -> Turns:
    """What the file says of it, at the place of today or of yesterday."""
    settings = mapping(mapping(mapping(file.get("routing")).get("router")).get("settings"))
    grid = mapping(file.get("matrix")) or mapping(settings.get("matrix"))
    given = mapping(file.get("groups")) or mapping(settings.get("groups"))
    use = text(mapping(mapping(file.get("routing")).get("router")).get("use"))
    if len(models) > MOST_MODELS:
        return Turns({}, frozenset(), (left("groups and matrix", _TOO_MANY),) if grid or given else ())
    if grid and use != "group":
        return _of_matrix(grid, models)
    return _of_groups(given, models)


def _of_matrix(grid: Mapping[str, Any], models: Sequence[str]) -> Turns:
    lost = []
    if grid.get("evict_costs"):
        lost.append(
            left("matrix: evict_costs", "swapd measures what each load takes, and evicts what costs least")
        )
    try:
        apart = matrix.apart(grid, models)
    except matrix.Inexpressible as why:
        return Turns({}, frozenset(), (*lost, left("matrix", f"{why}; here what fits the memory runs together")))
    found = turns.counters(models, apart, {})
    if found is None:
        return Turns({}, frozenset(), (*lost, left("matrix", _TOO_MANY)))
    return Turns(found, frozenset(), tuple(lost))


def _of_groups(given: Mapping[str, Any], models: Sequence[str]) -> Turns:
    groups, lost = _groups(given, models)
    apart = {
        frozenset((one, other))
        for mine, theirs in [*combinations(groups, 2), *((group, group) for group in groups)]
        if mine.stops(theirs) and theirs.stops(mine)
        for one in mine.members
        for other in theirs.members
        if one != other
    }
    known = {f"group-{group.name}": group.members for group in groups if group.swap}
    found = turns.counters(models, frozenset(apart), _spelt(known))
    if found is None:
        return Turns({}, frozenset(), (*lost, left("groups", _TOO_MANY)))
    kept = [group for group in groups if group.persistent]
    pinned = {name for group in kept if not group.swap or len(group.members) == 1 for name in group.members}
    for group in kept:
        if not pinned.issuperset(group.members):
            why = "its members take turns, so none of them can stay for ever"
            lost.append(left(f"group '{group.name}': persistent", why))
    return Turns(found, frozenset(pinned), tuple(lost))


def _spelt(known: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """With names that a counter may have: one word."""
    return {"-".join(name.replace("${", "-").split()): members for name, members in known.items()}


def _groups(given: Mapping[str, Any], models: Sequence[str]) -> tuple[list[Group], list[str]]:
    groups, lost = [], []
    for name, each in given.items():
        said = mapping(each)
        members = [text(member) for member in listed(said.get("members"))]
        if unknown := [member for member in members if member not in models]:
            lost.append(left(f"group '{name}': {held(unknown)}", "there is no such model"))
        if odd := [key for key in said if key not in ("swap", "exclusive", "persistent", "members")]:
            lost.append(left(f"group '{name}': {held(odd)}", "llama-swap knows no such key, and passes over it"))
        flags = {key: said[key] for key in ("swap", "exclusive", "persistent") if isinstance(said.get(key), bool)}
        groups.append(Group(str(name), tuple(member for member in members if member in models), **flags))
    return groups, lost
