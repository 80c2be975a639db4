"""Where in the text of a YAML file something may be put, so that all else stays as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from swapd.config import wording
from swapd.core.draft import ModelDraft


class CannotAdd(ValueError):
    """The file cannot take it; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of a top-level key. ``begin`` and ``end``: characters; ``column`` of its first entry."""

    kind: type[yaml.Event]
    is_flow: bool
    begin: int
    end: int
    column: int
    count: int
    """Events within."""


def with_models(text: str, models: Sequence[ModelDraft]) -> str:
    """The text with further entries below ``models``. Raises CannotAdd."""
    found = _find(text, "models")
    if found is None:
        gap = "\n" if text.strip() else ""
        return f"{_ended(text)}{gap}models:\n" + "\n".join(map(wording.model, models))
    if found.count and found.is_flow:
        more = "".join(f", {wording.flow(m.name)}: {wording.flow(m.keys)}" for m in models)
        return text[: found.end] + more + text[found.end :]
    if not found.count:
        rest = text[found.end :].lstrip(" ")
        cut = text[: found.begin].rstrip(" ")
        line, _, below = rest.partition("\n")
        told = f" {line}" if line.startswith("#") else line
        return f"{cut}{told}\n" + "\n".join(map(wording.model, models)) + ("\n" * bool(below) + below)
    at = _after(text, found)
    blocks = "".join("\n" + wording.model(m, found.column) for m in models)
    return _ended(text[:at]) + blocks + text[at:]


def with_item(text: str, key: str, item: str) -> str:
    """The text with a further entry in the list (or beside the single value) of a top-level key."""
    found = _find(text, key)
    if found is None:
        raise CannotAdd(f"cannot add to '{key}', which is not there")
    if found.kind is yaml.ScalarEvent:
        old = text[found.begin : found.end]
        return f"{text[: found.begin]}[{old}, {wording.flow(item)}]{text[found.end :]}"
    if found.is_flow:
        comma = ", " if found.count else ""
        at = found.end if found.count else found.begin + 1
        return text[:at] + comma + wording.flow(item) + text[at:]
    at = _after(text, found)
    return f"{_ended(text[:at])}{' ' * found.column}- {wording.flow(item)}\n{text[at:]}"


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _after(text: str, found: _Value) -> int:
    """The start of the line below a block, and below comments that belong to it by their indentation."""
    at = found.end
    if at and text[at - 1] != "\n":
        at = text.find("\n", at) + 1 or len(text)
    while blank := re.compile(rf"(?:[ \t]*\n)*[ ]{{{max(1, found.column)},}}#.*(?:\n|$)").match(text, at):
        at = blank.end()
    while text[:at].endswith("\n\n"):  # what a text of several lines leaves
        at -= 1
    return at


def _find(text: str, key: str) -> _Value | None:
    """The value of a top-level key."""
    events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, yaml.MappingStartEvent):
            break
    for name in events:
        if isinstance(name, yaml.MappingEndEvent):
            return None
        first = next(events)
        value = list(_whole(first, events))
        if isinstance(name, yaml.ScalarEvent) and name.value == key:
            return _told(value)
    return None


def _whole(first: Any, events: Iterator[Any]) -> Iterator[Any]:
    """All events of one value, its own start and end among them."""
    depth, event = 0, first
    while True:
        yield event
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if not depth:
            return
        event = next(events)


def _told(value: list[Any]) -> _Value:
    first, within, begin = value[0], value[1:-1], value[0].start_mark
    is_flow = isinstance(first, yaml.CollectionStartEvent) and bool(first.flow_style)
    # The end of a block is where the next token begins, far below: the end of its last word is what counts.
    ends = [event.end_mark.index for event in within if _has_own_end(event)]
    end = max(ends) if ends else value[-1].end_mark.index
    column = within[0].start_mark.column if within else 0
    if isinstance(first, yaml.SequenceStartEvent):
        column = begin.column
    return _Value(type(first), is_flow, begin.index, end, column, len(within))


def _has_own_end(event: Any) -> bool:
    closed: bool = event.start_mark.index != event.end_mark.index
    return closed or not isinstance(event, yaml.CollectionEndEvent)
