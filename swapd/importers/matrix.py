"""llama-swap's matrix: sets of models that may run together, in a language of ``&``, ``|``, ``()``, ``+set``.

Every part of an allowed set is allowed; a model in no set runs alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

from swapd.importers.sheet import mapping, text
from swapd.importers.turns import Pairs

MOST_SETS = 512
MOST_LEVELS = 40
_TOKEN = re.compile(r"\s*(?:(\+?[A-Za-z0-9._:/-]+)|([&|()]))")

Sets = list[frozenset[str]]


class Inexpressible(Exception):
    """The reason why it cannot be said with counters."""


def apart(matrix: Mapping[str, Any], models: Collection[str]) -> Pairs:
    """The pairs that never run together. Raises Inexpressible where that is not the whole of it."""
    variables = {name: text(value) for name, value in mapping(matrix.get("vars")).items()}
    expressions = {name: text(value) for name, value in mapping(matrix.get("sets")).items()}
    sets: Sets = []
    known: dict[str, Sets] = {}
    for name in expressions:
        sets += _Set(expressions, variables, known).of(name)
        if len(sets) > MOST_SETS:
            raise Inexpressible(f"its sets come to more than {MOST_SETS} combinations")
    unknown = sorted({name for each in sets for name in each if name not in models})
    if unknown:
        raise Inexpressible(f"its sets name '{unknown[0]}', which is no model")
    together = {frozenset(pair) for each in sets for pair in combinations(each, 2)}
    _check_whole(sets, together, models)
    every = {frozenset(pair) for pair in combinations(models, 2)}
    return frozenset(every - together)


def _check_whole(sets: Sets, together: set[frozenset[str]], models: Collection[str]) -> None:
    """Three that may run two by two, but never all at once, no counter of one each can tell from others.

    So the largest groups of which all pairs run together must be allowed (Bron and Kerbosch find them).
    """
    near: dict[str, set[str]] = {name: set() for name in models}
    for pair in together:
        for name in pair:
            near[name] |= pair - {name}
    left = MOST_SETS * 8

    def grow(group: frozenset[str], may: set[str], been: set[str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Inexpressible("it allows too many combinations to look through")
        if not may and not been and len(group) > 2 and not any(group <= each for each in sets):
            raise Inexpressible(f"{', '.join(sorted(group))} may run two by two, but not together")
        pivot = max(may | been, key=lambda name: len(near[name] & may), default="")
        for name in sorted(may - near.get(pivot, set())):
            grow(group | {name}, may & near[name], been & near[name])
            may, been = may - {name}, been | {name}

    grow(frozenset(), {name for name in models if near[name]}, set())


class _Set:
    """Reads one expression; those that it names with ``+`` are read in turn."""

    def __init__(
        self,
        expressions: Mapping[str, str],
        variables: Mapping[str, str],
        known: dict[str, Sets],
        busy: tuple[str, ...] = (),
    ) -> None:
        self._expressions = expressions
        self._variables = variables
        self._known = known
        self._busy = busy
        self._tokens: list[str] = []

    def of(self, name: str) -> Sets:
        """The combinations of the set of that name. Raises Inexpressible."""
        if name in self._known:
            return self._known[name]
        if name in self._busy or len(self._busy) > MOST_LEVELS:
            raise Inexpressible(f"its set '{name}' needs itself")
        if name not in self._expressions:
            raise Inexpressible(f"there is no set '{name}'")
        self._busy = (*self._busy, name)
        written, at = self._expressions[name].strip(), 0
        while at < len(written):
            token = _TOKEN.match(written, at)
            if token is None:
                raise Inexpressible(f"its set '{name}' cannot be understood")
            self._tokens.append(token[1] or token[2])
            at = token.end()
        found = self._either(0)
        if self._tokens:
            raise Inexpressible(f"its set '{name}' cannot be understood")
        self._known[name] = found
        return found

    def _either(self, level: int) -> Sets:
        found = self._both(level)
        while self._tokens[:1] == ["|"]:
            self._tokens.pop(0)
            found = found + self._both(level)
        return self._bounded(found)

    def _both(self, level: int) -> Sets:
        found = self._one(level)
        while self._tokens[:1] == ["&"]:
            self._tokens.pop(0)
            others = self._one(level)
            if len(found) * len(others) > MOST_SETS:
                raise Inexpressible(f"its sets come to more than {MOST_SETS} combinations")
            found = [mine | theirs for mine in found for theirs in others]
        return found

    def _one(self, level: int) -> Sets:
        if level > MOST_LEVELS or not self._tokens:
            raise Inexpressible("a set in it cannot be understood")
        token = self._tokens.pop(0)
        if token == "(":
            found = self._either(level + 1)
            if self._tokens[:1] != [")"]:
                raise Inexpressible("a '(' in its sets is never closed")
            self._tokens.pop(0)
            return found
        if token.startswith("+"):
            return _Set(self._expressions, self._variables, self._known, self._busy).of(token[1:])
        if token in ("&", "|", ")"):
            raise Inexpressible("a set in it cannot be understood")
        return [frozenset({self._variables.get(token, token)})]

    def _bounded(self, found: Sets) -> Sets:
        if len(found) > MOST_SETS:
            raise Inexpressible(f"its sets come to more than {MOST_SETS} combinations")
        return list(dict.fromkeys(found))
