"""Which models can be up at the same time: the arithmetic of a whole config, for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from swapd.core.book import Book
from swapd.core.need import Way, is_memory
from swapd.core.placement import fits, never_fits, ways
from swapd.core.spec import Cost

MOST = 40
"""Models for each of which a group is looked for: the largest ones."""
TRIES = 2000
"""Steps in which a group is placed, or given up: devices make it a puzzle."""
MOST_PUZZLED = 100
"""Models beyond which none is moved to make room for another."""
MOST_NAMED = 12
"""Models of a group that a sentence names."""


@dataclass(frozen=True, slots=True)
class Group:
    """Models that fit at once, the largest first, and the memories that they lie on."""

    models: tuple[str, ...]
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """For each model the group with most members that was found around it, none within another.

    ``never``: the arithmetic of those that can never be up. ``unknown``: what cannot be reckoned yet loads alone.
    ``broken``: those whose file no engine can load.
    ``smaller``: how many models, smaller than the MOST largest, no group was looked for around.
    """

    groups: tuple[Group, ...] = ()
    never: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    smaller: int = 0

    def lines(self) -> list[str]:
        """A sentence each."""
        found = [_group(group) for group in self.groups]
        if len(self.groups) == 1 and not self.unknown and len(self.groups[0].models) > 1:
            (group,) = self.groups
            less = " that can be up" if self.never or self.broken else ""
            found = [f"all{less} fit together{_on(group)}"]
        if self.smaller:
            found.append(f"looked for around the {MOST} largest models only, not around the {self.smaller} others")
        found += [f"{name} loads alone at first: what it takes is not known yet" for name in self.unknown]
        found += [f"{name} cannot be loaded at all: its file is cut short, or no model" for name in self.broken]
        return found + [f"{name} never fits: {why}" for name, why in self.never.items()]


def together(book: Book) -> Together:
    """Of the models that are started here."""
    placed: dict[str, Sequence[Way]] = {}
    never, unknown, broken = {}, [], []
    for name, spec in book.catalog.models.items():
        if spec.remote:
            continue
        if (why := never_fits(book, spec)) is not None:
            never[name] = why
        elif (need := book.stock.need(name, spec.launch)) is not None and need.broken:
            broken.append(name)
        elif _is_open(book, name):
            unknown.append(name)
        else:
            placed[name] = ways(book, spec) or (Way({}),)
    groups = _groups(placed, book.pins, book.catalog.budget)
    whole = bool(groups) and len(groups[-1].models) == len(placed)
    smaller = 0 if whole else max(0, len(placed) - MOST)
    return Together(groups, never, tuple(unknown), tuple(broken), smaller)


def _groups(placed: Mapping[str, Sequence[Way]], pins: Collection[str], budget: Cost) -> tuple[Group, ...]:
    """Around each of the largest; where one has all of them, it is the last."""
    ranked = sorted(placed, key=lambda name: -_size(placed[name][0], placed[name][0].cost))
    least = {name: min(_size(way, budget) for way in placed[name]) for name in ranked}
    kept = [name for name in ranked if name in pins]
    found: list[Group] = []
    for seed in ranked[:MOST]:
        group = _around(dict.fromkeys([*kept, seed]), least, placed, budget)
        if not any(set(group.models) <= set(other.models) for other in found):
            found.append(group)
        if len(group.models) == len(placed):
            break  # there is none that another group could add
    return tuple(found)


def _is_open(book: Book, name: str) -> bool:
    """Whether memory is budgeted, and what it takes of that is neither told nor estimated."""
    spec = book.catalog.models[name]
    need = book.stock.need(name, spec.launch)
    budgeted = any(is_memory(resource) for resource in book.catalog.budget)
    return budgeted and not (need is not None and need.ways) and not any(map(is_memory, spec.terms.cost))


def _size(way: Way, memories: Cost) -> int:
    """Bytes of it on these memories."""
    return sum(amount for name, amount in way.cost.items() if name in memories and is_memory(name))


def _around(seeds: Mapping[str, None], least: Cost, placed: Mapping[str, Sequence[Way]], budget: Cost) -> Group:
    """The seeds, and as many others as fit beside them: so the small ones first.

    ``least``: the fewest bytes that each takes, the largest model first. It saves most of the trying.
    """
    chosen, puzzle = dict(seeds), _Puzzle(budget)
    ranked = list(least)
    seeded = [placed[name] for name in chosen]
    if all(map(puzzle.lies_beside, seeded)) or puzzle.lies_anew(seeded):
        spare = sum(amount for name, amount in budget.items() if is_memory(name)) - sum(
            least[name] for name in chosen
        )
        for name in reversed(ranked):
            if name in chosen or least[name] > spare:
                continue
            if puzzle.lies_beside(placed[name]) or puzzle.lies_anew([placed[n] for n in (*chosen, name)]):
                chosen[name] = None
                spare -= least[name]
    where = dict.fromkeys(n for way in puzzle.ways for n, amount in way.cost.items() if is_memory(n) and amount)
    return Group(tuple(name for name in ranked if name in chosen), tuple(where))


class _Puzzle:
    """One way for each model so that all fit. Gives up after TRIES in all."""

    def __init__(self, budget: Cost) -> None:
        self.ways: list[Way] = []
        self._budget = budget
        self._room = dict(budget)
        self._left = TRIES

    def lies_beside(self, one: Sequence[Way]) -> bool:
        """Whether one more fits into what the others leave, as they lie."""
        way = next((way for way in one if fits(way.cost, self._room)), None)
        if way is not None:
            self.ways.append(way)
            self._room = _less(self._room, way)
        return way is not None

    def lies_anew(self, each: Sequence[Sequence[Way]]) -> bool:
        """Whether all fit if some of them lie elsewhere."""
        found = self._solved(each, self._budget) if len(each) <= MOST_PUZZLED else None
        if found is not None:
            self.ways, self._room = [*found], dict(self._budget)
            for way in found:
                self._room = _less(self._room, way)
        return found is not None

    def _solved(self, each: Sequence[Sequence[Way]], room: Cost) -> tuple[Way, ...] | None:
        if not each:
            return ()
        for way in each[0]:
            self._left -= 1
            if self._left > 0 and fits(way.cost, room):
                rest = self._solved(each[1:], _less(room, way))
                if rest is not None:
                    return (way, *rest)
        return None


def _less(room: Cost, way: Way) -> dict[str, int]:
    return {name: amount - way.cost.get(name, 0) for name, amount in room.items()}


def _group(group: Group) -> str:
    *most, last = group.models
    if not most:
        return f"{last} fits alone{_on(group)}"
    if len(most) > MOST_NAMED:
        most, last = most[:MOST_NAMED], f"{len(most) - MOST_NAMED + 1} others"
    return f"{', '.join(most)} and {last} fit together{_on(group)}"


def _on(group: Group) -> str:
    return f" on {' and '.join(group.where)}" if group.where else ""
