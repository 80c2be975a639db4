"""Where in a YAML text secrets stand, as its parser sees it: in whatever style, and over however many lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml

Place = tuple[int, int]
"""From which character of the text to which; the second is the first behind."""
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 100
"""Levels; libyaml would take many more, and the text may be anybody's."""


@dataclass(slots=True)
class _Level:
    """A mapping or a list that is open."""

    mapping: bool
    secret: bool
    """All that stands in it is."""
    key: str | None = None
    """Of a mapping, whose value comes next; of a list, what came last."""


@dataclass(slots=True)
class _Found:
    """``named`` tells by the key, ``flagged`` by the word before it in a list, whether a value is secret."""

    named: Callable[[str], bool]
    flagged: Callable[[str], bool]
    places: list[Place] = field(default_factory=list)
    anchors: dict[str, Place] = field(default_factory=dict)
    levels: list[_Level] = field(default_factory=list)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        """A word, or many of them in one value."""
        assert event.start_mark is not None
        assert event.end_mark is not None
        place = event.start_mark.index, event.end_mark.index
        if event.anchor:
            self.anchors[event.anchor] = place
        if self._is_secret():
            self.places.append(place)
        self._over(event.value)

    def alias(self, name: str) -> None:
        """What was said before. It must not be seen there either."""
        if self._is_secret() and name in self.anchors:
            self.places.append(self.anchors[name])
        self._over("")

    def open(self, *, mapping: bool) -> None:
        """A mapping below a name is not secret by it: there may be a model called monkey."""
        inherits = bool(self.levels) and self.levels[-1].secret
        self.levels.append(_Level(mapping, inherits or (not mapping and self._is_secret())))

    def close(self) -> None:
        """It is over."""
        self.levels.pop()
        self._over("")

    def _is_secret(self) -> bool:
        if not self.levels:
            return False
        level = self.levels[-1]
        if level.secret or level.key is None:
            return level.secret and (level.key is not None or not level.mapping)
        return self.named(level.key) if level.mapping else self.flagged(level.key)

    def _over(self, said: str) -> None:
        """The next thing is a key after a value, and a value after a key."""
        if self.levels:
            level = self.levels[-1]
            level.key = None if level.mapping and level.key is not None else said


def secret_values(text: str, named: Callable[[str], bool], flagged: Callable[[str], bool]) -> list[Place]:
    """In order, apart from each other; of a text that is no YAML those before the place where it ceases to be."""
    found = _Found(named, flagged)
    try:
        for event in _events(text):
            if isinstance(event, yaml.ScalarEvent):
                found.scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                found.alias(event.anchor or "")
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(found.levels) == DEEPEST:
                    break
                found.open(mapping=isinstance(event, yaml.MappingStartEvent))
            elif isinstance(event, yaml.CollectionEndEvent):
                found.close()
    except yaml.YAMLError:
        pass  # the lines are looked at besides
    return sorted({(start, end) for start, end in found.places if start < end})


def _events(text: str) -> Iterator[yaml.Event]:
    loader = _LOADER(re.sub("[\ud800-\udfff]", "?", text))
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()
