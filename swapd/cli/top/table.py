"""The models: one row each, in as many columns as the screen has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len

from swapd.cli.console import Bit
from swapd.cli.status import COLOURS, memory
from swapd.cli.top.glyphs import Glyphs
from swapd.cli.top.mirror import MODEL, oldest_wait, per_second
from swapd.cli.top.text import Row, clean, cut_row, fit, squeeze
from swapd.cli.words import age, age_of
from swapd.core.need import RAM, Source, is_memory

NAME, NARROW_NAME = 48, 10
"""Cells of the widest column of names, and of the narrowest."""
LAST = 30
"""Cells from which on the last swap is worth a column."""
ROOMY = 60
"""Cells from which on columns stand two apart."""
UNKNOWN = Source.UNKNOWN.name.lower()
READY, QUIET = frozenset({"ready"}), frozenset({"cold", "failed", "backoff"})


@dataclass(frozen=True, slots=True)
class Column:
    """Its cells, and what it shows of a model at a moment of the daemon's time."""

    title: str
    cells: int
    show: Callable[[MODEL, datetime], Bit]
    right: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns there is room for."""

    name: int
    columns: tuple[Column, ...]
    gap: int
    last: int
    """Cells of the last swap; 0: there are none."""


def plan(models: Sequence[MODEL], cells: int) -> Plan:
    """Columns in the order in which they matter, while there is room; they stand in the order of ``COLUMNS``."""
    gap = 2 if cells >= ROOMY else 1
    least = min(max((cell_len(str(model["name"])[:NAME]) + 2 for model in models), default=0), NAME)
    name = max(NARROW_NAME, min(least, cells // 4))
    left = cells - 2 - name
    taken, last = set(), 0
    for column in BY_WEIGHT:
        if column is None:
            last = LAST if left >= LAST + gap + least - name else 0
            left -= last + gap if last else 0
        elif left < column.cells + gap:
            break
        else:
            left -= column.cells + gap
            taken.add(column.title)
    more = min(max(0, least - name), left)
    columns = tuple(column for column in COLUMNS if column.title in taken)
    return Plan(name + more, columns, gap, last + left - more if last else 0)


def heading(found: Plan, cells: int, glyphs: Glyphs) -> Row:
    """Over the columns."""
    titles = [fit("MODEL", found.name, glyphs.cut)]
    titles += [fit(each.title, each.cells, glyphs.cut, right=each.right) for each in found.columns]
    titles += ["LAST SWAP"] if found.last else []
    return cut_row((Bit("  " + (" " * found.gap).join(titles), "bold dim"),), cells, glyphs.cut)


def row(model: MODEL, found: Plan, now: datetime, glyphs: Glyphs, *, chosen: bool, cells: int) -> Row:
    """Of one model; all of it is lit where the cursor is."""
    gap = Bit(" " * found.gap)
    bits = [Bit(f"{glyphs.chosen if chosen else ' '} ", "bold"), _name(model, found.name, glyphs)]
    for column in found.columns:
        text, style = column.show(model, now)
        if column.title == "STATE":
            text = f"{_dot(model, glyphs)} {text}"
        bits += [gap, Bit(fit(text, column.cells, glyphs.cut, right=column.right), style)]
    if found.last:
        bits += [gap, Bit(fit(last_swap(model) or "-", found.last, glyphs.cut), "dim")]
    if chosen:
        bits = [Bit(text, "bold reverse" if "bold" in style else "reverse") for text, style in bits]
    return cut_row(bits, cells, glyphs.cut)


def last_swap(model: MODEL) -> str:
    """When it was, here, and its reason."""
    if (swap := model.get("last_swap")) is None:
        return ""
    at = datetime.fromisoformat(swap["at"]).astimezone()
    return f"{at:%H:%M:%S} {str(swap['text']).removeprefix('swap ')}"


def device(model: MODEL) -> str:
    """Where it computes: its GPUs, ``ram``, or the host of a server elsewhere."""
    if model.get("url"):
        return "remote"
    if model["need_source"] == UNKNOWN and not model["measured"]:
        return ""
    cost: dict[str, Any] = {**(model["needs"] or {}), **(model["measured"] or {})}
    memories = [name for name, amount in cost.items() if is_memory(name) and amount]
    gpus = sorted(name for name in memories if name != RAM)
    if len(gpus) > 1:
        family = gpus[0].rstrip("0123456789")
        if all(gpu.startswith(family) for gpu in gpus):
            return family + "+".join(gpu.removeprefix(family) for gpu in gpus)
    return ",".join(gpus) or (RAM if memories else "")


def _name(model: MODEL, cells: int, glyphs: Glyphs) -> Bit:
    style = "bold" if model["state"] != "cold" or model["waiting"] else ""
    if not model.get("pinned"):
        return Bit(squeeze(model["name"], cells, glyphs.cut), style)
    name = squeeze(model["name"], min(cell_len(clean(model["name"], cells)), cells - 2), glyphs.cut)
    return Bit(fit(f"{name} {glyphs.pin}", cells, glyphs.cut), style)


def _dot(model: MODEL, glyphs: Glyphs) -> str:
    up, moving, down = glyphs.dots
    return up if model["state"] in READY else down if model["state"] in QUIET else moving


def _state(model: MODEL, now: datetime) -> Bit:
    return Bit(str(model["state"]), COLOURS.get(model["state"], ""))


def _slots(model: MODEL, now: datetime) -> Bit:
    slots = model.get("slots")
    text = f"{model['leases']}/{slots}" if slots else str(model["leases"])
    return Bit(text, "" if model["leases"] else "dim")


def _queue(model: MODEL, now: datetime) -> Bit:
    """How many wait, and for how long the first of them has."""
    if not model["waiting"]:
        return Bit("-", "dim")
    return Bit(f"{model['waiting']} {oldest_wait(model, now)}".rstrip(), "bold yellow")


def _tokens(model: MODEL, now: datetime) -> Bit:
    rate = per_second(model)
    if not rate:
        return Bit("-", "dim")
    return Bit(f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}", "bold")


def _memory(model: MODEL, now: datetime) -> Bit:
    found = memory(model)
    return found if found.text else Bit("-", "dim")


def _device(model: MODEL, now: datetime) -> Bit:
    return Bit(device(model) or "-", "" if device(model) else "dim")


def _idle(model: MODEL, now: datetime) -> Bit:
    """For how long nobody has asked."""
    since = model.get("idle_since")
    if not since and model.get("idle") is not None:
        return Bit(age(model["idle"]), "dim")
    return Bit(age_of(since, now) if since else "-", "dim")


def _since(model: MODEL, now: datetime) -> Bit:
    return Bit(age_of(model["since"], now) if model["since"] else "-", "dim")


def _requests(model: MODEL, now: datetime) -> Bit:
    count = model.get("requests") or 0
    return Bit(str(count), "" if count else "dim")


COLUMNS = (
    Column("STATE", 10, _state),
    Column("SLOTS", 5, _slots, right=True),
    Column("QUEUE", 9, _queue, right=True),
    Column("TOK/S", 5, _tokens, right=True),
    Column("MEMORY", 14, _memory, right=True),
    Column("DEVICE", 8, _device),
    Column("SINCE", 7, _since, right=True),
    Column("IDLE", 7, _idle, right=True),
    Column("REQS", 6, _requests, right=True),
)
_WEIGHTS = ("STATE", "QUEUE", "SLOTS", "MEMORY", "TOK/S", "DEVICE", "", "IDLE", "SINCE", "REQS")
BY_WEIGHT = tuple(next((column for column in COLUMNS if column.title == title), None) for title in _WEIGHTS)
"""None stands for the last swap, which takes what is left."""
