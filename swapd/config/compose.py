"""A YAML text as a tree.

The tree is built from the parser's events on a stack of our own, so neither deep nesting nor a bomb of
aliases can exhaust anything: levels and nodes are counted, an alias with all that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from swapd.config.problems import Place, Problems, did_you_mean
from swapd.config.tree import Entry, Map, Node, Scalar, Seq

MOST_NODES = 200_000
MOST_LEVELS = 40
EMPTY = "the file is empty: it needs at least 'models:'"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster
_STRING = "tag:yaml.org,2002:str"
_USUAL_TAGS = (None, "!", _STRING, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


_QUOTED, _ENDS = "while scanning a quoted scalar", "found unexpected end of stream"
_NOT_HERE = "mapping values are not allowed in this context"
_WHY_NOT_HERE = (
    "mostly this line is indented deeper than its neighbours, the line above has no blank after its ':', "
    "or a value with ': ' in it has no quotes"
)
"""What PyYAML and libyaml say in these cases, and what people have done then."""


class Unreadable(Exception):
    """Reading cannot go on: where, and why."""

    def __init__(self, place: Place, message: str) -> None:
        self.place = place
        super().__init__(message)


def compose(text: str, file: str, problems: Problems) -> Node:
    """The tree of the one document in ``text``; what can be stepped over is added to ``problems``.

    Raises Unreadable where reading cannot go on.
    """
    return parse(text, file, problems).root


def parse(text: str, file: str, problems: Problems) -> Composed:
    """The same, with what else is known of it. Raises Unreadable."""
    loader = _Loader(text)
    composer = _Composer(file, problems)
    try:
        return Composed(composer.run(loader), composer.nodes, bool(composer.anchors))
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text, file) from None
    finally:
        loader.dispose()


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Unreadable:
    """The parser's complaint, with a hint where its cause is a usual one."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Unreadable(Place(file), f"this is not YAML: {error.problem}")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    message = f"this is not YAML: {error.problem or 'it cannot be understood'}"
    began = error.context_mark.line + 1 if error.context and error.context_mark else None
    if began is not None and error.context == _QUOTED and error.problem == _ENDS:
        message = f"this is not YAML: the quote that opens in line {began} is never closed"
    elif began is not None:
        message += f" {error.context} that begins in line {began}"
    elif error.problem == _NOT_HERE:
        message += f"; {_WHY_NOT_HERE}"
    if line[mark.column : mark.column + 1] == "\t":
        message = "a tab cannot indent YAML: use spaces"
    elif "${" in line:
        message += '; within {...} or [...] a value that holds ${...} needs quotes: "${...}"'
    return Unreadable(Place(file, mark.line + 1, mark.column + 1), message)


@dataclass(frozen=True, slots=True)
class Composed:
    """A document: its tree, how many nodes were counted, whether any of them has an anchor."""

    root: Node
    nodes: int
    anchored: bool


@dataclass(slots=True)
class _Open:
    """A container that is being filled; the key that waits for its value; what ``<<`` brings in at the end."""

    node: Seq | Map
    key: Scalar | None = None
    merged: list[Node] = field(default_factory=list)


class _Composer:
    """Puts the events of one document together."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.file = file
        self.problems = problems
        self.anchors: dict[str, Node] = {}
        self.open: list[_Open] = []
        self.root: Node | None = None
        self.nodes = 0

    def run(self, loader: Any) -> Node:
        """Take all events."""
        while loader.check_event():
            self._take(loader.get_event())
        if self.root is None or (isinstance(self.root, Scalar) and self.root.empty):
            raise Unreadable(Place(self.file), EMPTY)
        return self.root

    def _take(self, event: Any) -> None:
        mark = event.start_mark
        place = Place(self.file, mark.line + 1, mark.column + 1)
        match type(event):  # the type itself is compared: there are tens of thousands of events
            case yaml.ScalarEvent:
                self._scalar(event, place)
            case yaml.MappingStartEvent:
                self._begin(event, Map(place))
            case yaml.SequenceStartEvent:
                self._begin(event, Seq(place))
            case yaml.MappingEndEvent | yaml.SequenceEndEvent:
                self._end()
            case yaml.AliasEvent:
                self._put(self._known(str(event.anchor), place))
            case yaml.DocumentStartEvent if self.root is not None:
                raise Unreadable(place, "a second document begins here: one file holds one, remove the '---'")

    def _scalar(self, event: Any, place: Place) -> None:
        scalar = Scalar(event.value, place, event.implicit[0] and event.tag != _STRING)
        if "\0" in scalar.text:
            scalar.broken = True
            self.problems.add(place, "", "a NUL character cannot stand in any value: remove it")
        self._new(event, scalar)
        self._put(scalar)

    def _new(self, event: Any, node: Node) -> None:
        self._count(1, node.place)
        if event.tag not in _USUAL_TAGS:
            self.problems.add(node.place, "", f"the tag '{event.tag}' has no meaning here: remove it")
        if event.anchor:
            self.anchors[event.anchor] = node

    def _count(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            raise Unreadable(place, f"the file holds more than {MOST_NODES} values: use fewer aliases or lines")

    def _begin(self, event: Any, node: Seq | Map) -> None:
        self._new(event, node)
        self.open.append(_Open(node))
        self._check_depth(node.place, 0)

    def _check_depth(self, place: Place, below: int) -> None:
        if len(self.open) + below > MOST_LEVELS:
            raise Unreadable(place, f"nested deeper than {MOST_LEVELS} levels: that cannot be meant")

    def _known(self, anchor: str, place: Place) -> Node:
        node = self.anchors.get(anchor)
        if node is None:
            raise Unreadable(place, f"'*{anchor}' names no anchor{did_you_mean(anchor, self.anchors)}")
        if any(node is container.node for container in self.open):
            raise Unreadable(place, f"'*{anchor}' stands within the very thing it names")
        self._count(node.weight, place)
        self._check_depth(place, node.depth)
        return node

    def _put(self, node: Node) -> None:
        """The node is complete: hand it to the container that waits for it."""
        if not self.open:
            self.root = node
            return
        into = self.open[-1]
        if isinstance(into.node, Seq):
            into.node.items.append(node)
        elif into.key is None:
            if not isinstance(node, Scalar):
                raise Unreadable(node.place, "a key must be a single word or number")
            into.key = node
        else:
            key, into.key = into.key, None
            self._enter(into, into.node, key, node)

    def _enter(self, into: _Open, mapping: Map, key: Scalar, value: Node) -> None:
        if key.plain and key.text == "<<":
            into.merged += value.items if isinstance(value, Seq) else [value]
            return
        first = mapping.entries.setdefault(key.text, Entry(key, value))
        if first.key is not key:
            message = f"'{key.text}' is given twice, first in line {first.key.place.line}: remove one"
            self.problems.add(key.place, key.text, message)

    def _end(self) -> None:
        done = self.open.pop()
        for source in done.merged:
            self._merge(done.node, source)
        below = done.node.items if isinstance(done.node, Seq) else [e.value for e in done.node.entries.values()]
        done.node.weight += sum(node.weight for node in below)
        done.node.depth += max((node.depth for node in below), default=0)
        self._put(done.node)

    def _merge(self, into: Node, source: Node) -> None:
        """Take over what is not there already: a mapping's own keys win, then the earlier source."""
        if not isinstance(source, Map) or not isinstance(into, Map):
            self.problems.add(source.place, "<<", "only mappings can be merged: name an anchor of one")
            return
        for name, entry in source.entries.items():
            into.entries.setdefault(name, entry)
