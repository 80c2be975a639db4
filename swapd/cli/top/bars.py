"""The machine: a bar for each memory, and the counters of the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from swapd.cli.console import Bit
from swapd.cli.top.glyphs import Glyphs
from swapd.cli.top.text import Row, cut_row, fit, pad, width
from swapd.core.need import RAM, told

WIDE = 150
"""From so many cells on, two bars stand side by side."""
NARROWEST, MEANT, WIDEST = 6, 14, 60
"""Cells of a bar; facts are left out until it has as many as are meant."""
GAP = 3
GIB = 1 << 30
OURS, OTHERS = "green", "magenta"


def bars(status: dict[str, Any], cells: int, rows: int, glyphs: Glyphs) -> list[Row]:
    """As many as there are rows for: GPUs, then RAM, then the counters."""
    memories = sorted(status["machine"].items(), key=lambda item: item[0] == RAM)
    side = 2 if cells >= WIDE and len(memories) > 1 else 1
    each = (cells - GAP * (side - 1)) // side
    names = min(max((len(name) for name, _ in memories), default=0), 12)
    drawn = [_bar(name, found, each, names, glyphs) for name, found in memories]
    found = [_side_by_side(drawn[n : n + side], each) for n in range(0, len(drawn), side)]
    if counters := tuple(_counters(status)):
        found.append(cut_row((Bit(" "), *counters), cells, glyphs.cut))
    return found[:rows]


def _side_by_side(drawn: list[Row], each: int) -> Row:
    row: Row = ()
    for n, bar in enumerate(drawn):
        row = (*row, Bit(" " * GAP), *bar) if n else pad(bar, each)
    return row


def _bar(name: str, memory: dict[str, Any], cells: int, names: int, glyphs: Glyphs) -> Row:
    head = Bit(f" {fit(name, names, glyphs.cut)} ", "bold")
    if memory["lost"]:
        return cut_row((head, Bit("is gone: its device does not answer", "bold red")), cells, glyphs.cut)
    size = memory["total"] or memory["budget"] or memory["used"] + (memory["free"] or 0)
    facts, left = list(_facts(memory)), cells - names - 3
    while len(facts) > 1 and left - width(facts) < MEANT:
        facts.pop()
    room = max(NARROWEST, min(WIDEST, left - width(facts)))
    return cut_row((head, *_cells(memory, size, room, glyphs), Bit(" "), *facts), cells, glyphs.cut)


def _cells(memory: dict[str, Any], size: int, cells: int, glyphs: Glyphs) -> Iterator[Bit]:
    """What is reckoned for our engines, what others hold, what is free; and where the budget ends."""
    held, others, free = list(glyphs.bar)
    ours = _share(memory["used"], size, cells)
    theirs = min(_share(memory["strangers"], size, cells), cells - ours)
    yield Bit(held * ours, _colour(memory))
    yield Bit(others * theirs, OTHERS)
    left, budget = cells - ours - theirs, memory["budget"]
    if budget is None or budget >= size or not left:
        yield Bit(free * left, "dim")
        return
    end = max(0, min(_share(budget, size, cells) - ours - theirs, left - 1))
    yield Bit(free * end, "dim")
    yield Bit(glyphs.limit, "yellow")
    yield Bit(free * (left - end - 1), "dim")


def _share(part: int, size: int, cells: int) -> int:
    """Its cells; something is never none of them."""
    if part <= 0 or size <= 0:
        return 0
    return max(1, min(cells, round(part / size * cells)))


def _colour(memory: dict[str, Any]) -> str:
    limit = memory["budget"] or memory["total"]
    if not limit:
        return OURS
    full = memory["used"] / limit
    return "red" if full > 1 else "yellow" if full >= 0.9 else OURS


def _facts(memory: dict[str, Any]) -> Iterator[Bit]:
    """In GiB, one below the other: of how much what is used, what is free, what others hold; as there is room."""
    limit = memory["budget"] if memory["budget"] is not None else memory["total"]
    of = f"/{limit / GIB:.1f}" if limit else ""
    yield Bit(f"{memory['used'] / GIB:>5.1f}{of} GiB".ljust(15), _colour(memory) if limit else "")
    yield Bit(f"{memory['free'] / GIB:>7.1f} free" if memory["free"] is not None else "    not read", "")
    others = f"{memory['strangers'] / GIB:>7.1f} others"
    yield Bit(others if memory["strangers"] else " " * len(others), OTHERS)


def _counters(status: dict[str, Any]) -> Iterator[Bit]:
    for name, amount in status["budget"].items():
        if name not in status["machine"]:
            full = amount["used"] >= amount["total"]
            yield Bit(f"{name} ", "bold")
            yield Bit(f"{told(name, amount['used'])}/{told(name, amount['total'])}   ", "yellow" if full else "")
