"""Text measured in cells of a terminal: made harmless, cut, padded, wrapped.

What is shown comes from elsewhere (models' names, engines' logs): every length is bounded before it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size

from swapd.cli.console import Bit
from swapd.core.text import one_line

Row = tuple[Bit, ...]
"""One line of the screen."""
MOST = 8
"""Characters looked at for each cell there is: a cell may carry some accents, but not thousands."""
SQUEEZED = 12
"""Cells from which on both ends of a name say something."""
# ECMA-48: control sequences (colours, cursor) and strings (titles, links), whole ones; the rest is spelt out.
_SEQUENCES = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)")


def clean(text: object, cells: int) -> str:
    """At least the first ``cells`` cells of it in one line, with nothing in it that drives a terminal."""
    most = max(0, cells) * MOST
    raw = str(text)[: most * 2]  # sequences take no cells
    return one_line(_SEQUENCES.sub("", raw).replace("\t", "  "))[:most]


def width(row: Iterable[Bit]) -> int:
    """Its cells."""
    return sum(cell_len(bit.text) for bit in row)


def fit(text: object, cells: int, cut: str, *, right: bool = False) -> str:
    """Exactly so many cells: cut at the end, or padded."""
    if cells <= 0:
        return ""
    shown = clean(text, cells + 1)
    if (size := cell_len(shown)) > cells:
        return set_cell_size(set_cell_size(shown, cells - 1).rstrip() + cut, cells)
    return " " * (cells - size) + shown if right else shown + " " * (cells - size)


def squeeze(text: object, cells: int, cut: str) -> str:
    """Exactly so many cells: cut in the middle, or padded. Long names often differ at their ends only."""
    shown = clean(text, cells * 4)
    if cells < SQUEEZED or cell_len(shown) <= cells:
        return fit(shown, cells, cut)
    tail = ""
    for letter in reversed(shown):
        if cell_len(letter + tail) > cells * 2 // 5:
            break
        tail = letter + tail
    head = set_cell_size(shown, cells - 1 - cell_len(tail)).rstrip()
    return set_cell_size(head + cut + tail, cells)


def cut_row(bits: Iterable[Bit], cells: int, cut: str) -> Row:
    """At most so many cells of the bits side by side."""
    found: list[Bit] = []
    for text, style in bits:
        shown = clean(text, cells + 1)
        size = cell_len(shown)
        if size > cells:
            if cells > 0:
                found.append(Bit(fit(shown, cells, cut), style))
            break
        found.append(Bit(shown, style))
        cells -= size
    return tuple(found)


def pad(row: Row, cells: int) -> Row:
    """The row, filled up with spaces."""
    left = cells - width(row)
    return (*row, Bit(" " * left)) if left > 0 else row


def ends(left: Row, right: Row, cells: int, cut: str) -> Row:
    """The one at the left end and the other at the right; where both do not fit, the left one alone."""
    gap = cells - width(left) - width(right)
    return (*left, Bit(" " * gap), *right) if gap > 0 else cut_row(left, cells, cut)


def wrap(text: str, cells: int, rows: int, *, words: bool = False) -> list[str]:
    """The text in lines of so many cells, at most ``rows``; ``words``: cut between words where it can be."""
    rest = clean(text, cells * rows)
    found: list[str] = []
    while rest and len(found) < rows:
        head = _head(rest, cells)
        if words and len(head) < len(rest) and (space := head.rfind(" ") + 1) > 0:
            head = head[:space]
        found.append(head)
        rest = rest[len(head) :]
    return found or [""]


def _head(text: str, cells: int) -> str:
    """As much of it as fits into so many cells, at least one character."""
    end = min(len(text), cells)
    while end > 1 and cell_len(text[:end]) > cells:
        end -= 1
    return text[:end]
