"""A config file as a small tree that remembers where each key and value stands.

No circle can be made of it, so Python's collector of circles is spared what there is most of (``gc=False``):
tens of thousands of values that it would look through again and again, while all streams wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from swapd.config.problems import Place
from swapd.config.units import natural


class Scalar(msgspec.Struct, eq=False, gc=False):
    """A single value as the operator wrote it. ``plain``: without quotes, so ``5`` is a number.

    ``broken``: its problem is told already (an unset variable, ...); nobody should look at its text.
    ``written``: the text as it was before ``expand`` filled it in, where that found something to fill in.
    """

    text: str
    place: Place
    plain: bool = True
    broken: bool = False
    written: str = ""
    weight: ClassVar[int] = 1
    depth: ClassVar[int] = 0

    @property
    def empty(self) -> bool:
        """Nothing was written, or ``null``."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True, eq=False)
class Seq:
    """A list. ``weight`` counts the nodes within, each alias in full; ``depth`` the levels below."""

    place: Place
    items: list[Node] = field(default_factory=list)
    weight: int = 1
    depth: int = 1


class Entry(msgspec.Struct, eq=False, gc=False):
    """A key and its value."""

    key: Scalar
    value: Node


@dataclass(slots=True, eq=False)
class Map:
    """A mapping, in the order of the file; keys are unique. ``weight`` and ``depth`` as for Seq."""

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    weight: int = 1
    depth: int = 1

    def get(self, name: str) -> Node | None:
        """The value of a key; None where the key is missing or its value was left empty."""
        entry = self.entries.get(name)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.empty):
            return None
        return entry.value

    def place_of(self, name: str) -> Place:
        """Where the value of ``name`` stands; the mapping's own place if it is not there."""
        entry = self.entries.get(name)
        return self.place if entry is None else entry.value.place


Node = Scalar | Seq | Map


def kind(node: Node, hidden: bool = False) -> str:
    """The node in words, for messages. ``hidden``: what it says is not shown."""
    match node:
        case Map():
            return "a mapping"
        case Seq():
            return "a list"
        case Scalar():
            return "nothing" if node.empty else "a single value" if hidden else f"'{node.text}'"


def plain_data(node: Node) -> Any:
    """The node as JSON data: dict, list, str, int, float, bool or None."""
    match node:
        case Map():
            return {name: plain_data(entry.value) for name, entry in node.entries.items()}
        case Seq():
            return [plain_data(item) for item in node.items]
        case Scalar():
            return natural(node.text) if node.plain else node.text
