"""Plain tables."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float | None, places: int = 0) -> str:
    """The number; a dash for what is not known."""
    return "–" if value is None else f"{value:,.{places}f}".replace(",", " ")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns as wide as their longest cell: the first to the left, the others to the right."""
    count = max(len(row) for row in rows)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(len(row[n]) for row in full) for n in range(count)]
    lines = ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in full)
    return "\n".join(line.rstrip() for line in lines)
