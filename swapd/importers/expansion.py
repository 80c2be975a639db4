"""Pieces of a shell's words: ``${…}`` taken apart into a name, what is done with its value, and with what.

Forms as POSIX ("Parameter Expansion") and bash have them; nested ones are found by their braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from swapd.importers.sheet import CannotImport

_HEAD = re.compile(r"\$\{([A-Za-z_]\w*|[0-9])(\[[@*]\])?(:?[-=?+]|##?|%%?)?")


@dataclass(frozen=True, slots=True)
class Braced:
    """One of them. ``how``: its operator, empty for the plain value; ``end``: the character behind it."""

    name: str
    is_array: bool
    how: str
    operand: str
    end: int


def braced(text: str, at: int) -> Braced | None:
    """What stands at ``at``; None where it is of a form that only a shell could work out."""
    head = _HEAD.match(text, at)
    if head is None:
        return None
    end = closed(text, at + 1)
    operand = text[head.end() : end - 1]
    if operand and not head[3]:
        return None
    return Braced(head[1], bool(head[2]), head[3] or "", operand, end)


def closed(text: str, at: int) -> int:
    """The character behind the brace that closes the one at ``at``. Raises CannotImport where none does."""
    return _behind(text, at, "{}", "a '${' is never closed")


def trimmed(value: str, how: str, pattern: str) -> str:
    """Without what the pattern matches: ``#`` at its begin, ``%`` at its end, twice for as much as can be."""
    cuts = range(len(value) + 1)
    if how[0] == "#":
        fits = [n for n in cuts if fnmatchcase(value[:n], pattern)]
        return value[fits[-1 if how == "##" else 0] :] if fits else value
    fits = [n for n in cuts if fnmatchcase(value[n:], pattern)]
    return value[: fits[0 if how == "%%" else -1]] if fits else value


def substituted(text: str, at: int) -> int:
    """The character behind the substitution of a command that begins at ``at``. Raises CannotImport."""
    if text[at] == "`":
        end = text.find("`", at + 1)
        if end < 0:
            raise CannotImport("a ` is never closed")
        return end + 1
    return _behind(text, at, "()", "a '$(' is never closed")


def _behind(text: str, at: int, pair: str, otherwise: str) -> int:
    """The character behind the partner of the first of the pair from ``at`` on. Raises CannotImport."""
    depth = 0
    for found in re.compile(f"[{pair}]").finditer(text, at):
        depth += 1 if found[0] == pair[0] else -1
        if not depth:
            return found.end()
    raise CannotImport(otherwise)


class Word:
    """A word while it is read. ``open``: something was quoted or written, so that it is a word, though empty."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.text = ""
        self.open = False

    def add(self, text: str) -> None:
        """More of it."""
        self.text += text
        self.open = True

    def cut(self) -> None:
        """Here it ends."""
        if self.open:
            self.done.append(self.text)
        self.text, self.open = "", False
