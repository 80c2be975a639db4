"""What the last reading found, so that the next one need not work out again what did not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from swapd.config.pieces import Pieces
from swapd.config.schema import Model
from swapd.config.tree import Map, Node, Scalar, Seq
from swapd.core.spec import Spec

T = TypeVar("T")


class Answers(Generic[T]):
    """Answers by model, each with the facts that it follows from: while these are equal, so is the answer."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, T]] = {}
        self._met: dict[str, tuple[object, T]] = {}

    def end(self, good: bool) -> None:
        """A reading is over: after a good one, what it did not ask for is forgotten."""
        self._known, self._met = self._met if good else self._known, {}

    def ask(self, name: str, facts: object, answer: Callable[[], T]) -> T:
        """The answer of last time, if its facts are the same, else ``answer()``."""
        known = self._known.get(name)
        if known is None or known[0] != facts:
            known = (facts, answer())
        self._met[name] = known
        return known[1]


class Past:
    """Belongs to one config file and its includes; one reading at a time."""

    def __init__(self) -> None:
        self.pieces = Pieces()
        self.keys: Answers[Model] = Answers()
        self.specs: Answers[Spec] = Answers()

    def end(self, good: bool) -> None:
        """A reading is over. ``good``: it found no problem; what a bad one found is not kept."""
        for part in (self.pieces, self.keys, self.specs):
            part.end(good)


def content(node: Node) -> object:
    """All that a value says, and nothing of where it stands: equal contents are read alike."""
    match node:
        case Scalar():
            return node.text, node.plain, node.broken
        case Seq():
            return [content(item) for item in node.items]
        case Map():
            return tuple([(name, content(entry.value)) for name, entry in node.entries.items()])
