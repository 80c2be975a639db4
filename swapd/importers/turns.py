"""Who cannot run beside whom, as counters of a budget: of each a model needs one, and there is one.

A counter makes those that need it take turns. So any set of pairs can be said, if its pairs are covered by groups
of which no two run together; as few groups as a greedy look finds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

Pairs = frozenset[frozenset[str]]
MOST_COUNTERS = 12
"""More than these nobody would want to read."""


def between(members: Iterable[str]) -> Pairs:
    """All pairs among the members: one of them at a time."""
    return frozenset(frozenset(pair) for pair in combinations(dict.fromkeys(members), 2))


def counters(
    order: Collection[str], apart: Pairs, known: Mapping[str, Collection[str]]
) -> dict[str, list[str]] | None:
    """Counter -> who needs one of it; None where too many would be needed.

    ``known``: names for counters, each for those it is about; others are numbered.
    """
    missing = set(apart)
    found: dict[str, list[str]] = {}
    for name, members in known.items():
        if len(members) > 1 and between(members) <= apart:
            found[name] = _widened(list(members), order, apart)
            missing -= between(found[name])
    while missing:
        if len(found) >= MOST_COUNTERS:
            return None
        first = min(missing, key=sorted)
        group = _widened(sorted(first), order, apart)
        found[f"turns-{len(found) + 1}"] = group
        missing -= between(group)
    return found


def _widened(group: list[str], order: Collection[str], apart: Pairs) -> list[str]:
    """The group, with all who cannot run beside any of it, in the order of the models."""
    for name in order:
        if name not in group and all(frozenset((name, other)) in apart for other in group):
            group.append(name)
    rank = {name: n for n, name in enumerate(order)}
    return sorted(group, key=lambda name: rank.get(name, 0))


def budget(found: Mapping[str, Collection[str]]) -> dict[str, object]:
    """The ``budget`` for the counters; the reserve keeps memory measured besides."""
    return {"reserve": "1GiB", **dict.fromkeys(found, 1)} if found else {}


def needs(found: Mapping[str, Collection[str]], name: str) -> dict[str, object]:
    """What a model needs of them."""
    return {counter: 1 for counter, members in found.items() if name in members}
