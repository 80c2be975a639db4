"""What the last reading found, so that the next one need not work out again what did not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from swapd.config.alike import alike
from swapd.config.pieces import Pieces
from swapd.config.tree import Map, Node, Scalar, Seq

if TYPE_CHECKING:
    from swapd.config.build import Made
    from swapd.config.drafts import Draft

T = TypeVar("T")


class Answers(Generic[T]):
    """Answers by model, each with the facts that it follows from: while these are alike, so is the answer."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, T]] = {}
        self._met: dict[str, tuple[object, T]] = {}

    def end(self, good: bool) -> None:
        """A reading is over: after a good one, what it did not ask for is forgotten."""
        self._known, self._met = self._met if good else self._known, {}

    def ask(self, name: str, facts: object, answer: Callable[[], T]) -> T:
        """The answer of last time, if its facts are the same, else ``answer()``."""
        known = self._known.get(name)
        if known is None or not alike(known[0], facts):
            known = (facts, answer())
        self._met[name] = known
        return known[1]


class Past:
    """Belongs to one config file and its includes; one reading at a time."""

    def __init__(self) -> None:
        self.pieces = Pieces()
        self.made: Answers[Made] = Answers()
        self._around: object = None
        self._drafts: dict[str, Draft] = {}
        self._met: Sequence[Draft] = ()

    def within(self, around: object) -> None:
        """A reading begins. ``around``: all that a draft follows from, beside the model's own text."""
        if around != self._around:
            self._around, self._drafts = around, {}

    def draft(self, name: str) -> Draft | None:
        """As the last good reading found the model, if what is around it is the same."""
        return self._drafts.get(name)

    def has(self, name: str, given: Node) -> bool:
        """Whether that was read from the very same tree: its text did not change."""
        draft = self._drafts.get(name)
        return draft is not None and draft.given is given

    def meet(self, drafts: Sequence[Draft]) -> None:
        """All of this reading."""
        self._met = drafts

    def end(self, good: bool) -> None:
        """A reading is over. ``good``: it found no problem; what a bad one found is not kept."""
        self.pieces.end(good)
        self.made.end(good)
        if good:
            self._drafts = {draft.name: draft for draft in self._met}
        self._met = ()


def content(node: Node) -> object:
    """All that a value says, and nothing of where it stands: equal contents are read alike."""
    match node:
        case Scalar():
            return node.text, node.plain, node.broken
        case Seq():
            return [content(item) for item in node.items]
        case Map():
            return tuple([(name, content(entry.value)) for name, entry in node.entries.items()])
