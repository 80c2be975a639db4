"""A YAML text cut where its keys begin, so that after an edit only what changed is parsed again.

A piece is one top-level key with all that stands below it; of ``models`` written in block style, one model. A text
is cut only where that cannot change its meaning: each piece must parse alone, to just the key it begins with,
and leave nothing open. Then nothing of it reaches into the next one: a quote or a bracket would still be open,
and whatever ends by its indentation ends where the next key stands. Anchors, merges, second documents and
everything that is wrong are left to a parse of the whole text, which also finds the words for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from swapd.config.compose import MOST_LEVELS, MOST_NODES, Unreadable, parse
from swapd.config.pace import paced
from swapd.config.problems import Place, Problems
from swapd.config.tree import Entry, Map, Node, Scalar, Seq

_OTHER_BREAKS = "\r\x85\u2028\u2029"
"""YAML ends a line here too; then lines would have to be counted differently."""
_TOP_KEY = re.compile(r"\n(?=[A-Za-z_][\w-]*:(?:\s|$))", re.ASCII)
"""Begins with a plain character, as do the others that look through all of a text: these are the fast ones."""
_BLANK = r"[ ]*+(?:#.*+)?+\n"
"""Takes all it can and gives nothing back, so that a million such lines need no second look."""
_NOTHING = re.compile(rf"(?:{_BLANK})*+(?:---[ ]*+\n(?:{_BLANK})*+)?+")
"""Blank lines and comments, and perhaps a document's first line."""
_MODELS = re.compile(rf"models:{_BLANK}(?:{_BLANK})*+(?P<indent>[ ]++)(?=[^\s#])")


@dataclass(slots=True)
class Piece:
    """What one key and its value were read as, and in which line the key stands."""

    line: int
    entry: Entry
    nodes: int

    def at(self, line: int) -> Piece:
        """The same in this line."""
        if line != self.line:
            down = line - self.line
            for node in _nodes(self.entry):
                old = node.place
                node.place = Place(old.file, old.line + down, old.column)
            self.line = line
        return self


class Pieces:
    """The pieces of all files, as they were read last. One reading at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Piece] = {}
        self._met: dict[tuple[str, str], Piece] = {}

    def end(self, good: bool) -> None:
        """A reading is over: after a good one, what it did not meet is forgotten."""
        self._known, self._met = self._met if good else self._known, {}

    def compose(self, text: str, file: str) -> Map | None:
        """The tree of the document in ``text``; None: it has to be parsed as a whole."""
        try:
            return self._compose(text, file)
        except _Whole:
            return None

    def _compose(self, text: str, file: str) -> Map:
        lines = "\n" + text
        starts = [match.start() for match in _TOP_KEY.finditer(lines)]
        preamble = _NOTHING.match(text)
        if not starts or any(mark in text for mark in _OTHER_BREAKS) or "\n..." in lines:
            raise _Whole
        if preamble is None or preamble.end() != starts[0]:
            raise _Whole
        root, nodes, line = Map(Place(file)), 0, 1 + text.count("\n", 0, starts[0])
        root.place = Place(file, line)
        for start, end in paced(zip(starts, [*starts[1:], len(text)], strict=True)):
            part = text[start:end]
            models = _MODELS.match(part)
            taken = self._models(part, len(models["indent"]), file, line) if models else None
            piece = taken or self._piece(part, 0, file, line)
            _enter(root, piece)
            nodes += piece.nodes
            line += part.count("\n")
        if nodes > MOST_NODES or root.depth > MOST_LEVELS:
            raise _Whole
        return root

    def _models(self, text: str, indent: int, file: str, line: int) -> Piece:
        """The key ``models``, a piece a model."""
        starts = [match.start() + 1 for match in re.finditer(rf"\n {{{indent}}}(?=[^\s#])", text)]
        first = line + text.count("\n", 0, starts[0])
        models, nodes, here = Map(Place(file, first, indent + 1)), 0, first
        for start, end in paced(zip(starts, [*starts[1:], len(text)], strict=True)):
            part = text[start:end]
            piece = self._piece(part, indent, file, here)
            _enter(models, piece)
            nodes += piece.nodes
            here += part.count("\n")
        return Piece(line, Entry(Scalar("models", Place(file, line)), models), nodes)

    def _piece(self, text: str, indent: int, file: str, line: int) -> Piece:
        piece = self._known.get((file, text)) or _read(text, indent, file)
        self._met[file, text] = piece
        return piece.at(line)


class _Whole(Exception):
    """The text cannot be cut."""


def _read(text: str, indent: int, file: str) -> Piece:
    """One piece, as if it began in line 1."""
    problems = Problems()
    try:
        composed = parse(text, file, problems)
    except Unreadable:
        raise _Whole from None
    root = composed.root
    if problems or composed.anchored or not isinstance(root, Map) or len(root.entries) != 1:
        raise _Whole
    entry = next(iter(root.entries.values()))
    if entry.key.place != Place(file, 1, indent + 1):
        raise _Whole
    return Piece(1, entry, composed.nodes)


def _enter(into: Map, piece: Piece) -> None:
    entry = piece.entry
    if entry.key.text in into.entries:  # even by the very same piece: its text may stand there twice
        raise _Whole
    into.entries[entry.key.text] = entry
    into.weight += entry.value.weight
    into.depth = max(into.depth, entry.value.depth + 1)


def _nodes(entry: Entry) -> Iterator[Node]:
    """The key, and all values and keys below it."""
    yield entry.key
    waiting: list[Node] = [entry.value]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Seq):
            waiting += node.items
        elif isinstance(node, Map):
            for below in node.entries.values():
                yield below.key
                waiting.append(below.value)
