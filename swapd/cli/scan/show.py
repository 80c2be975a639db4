"""What a scan has found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapd.cli.console import Bit, Console, Table
from swapd.cli.scan.fit import Fit
from swapd.cli.words import several, size
from swapd.core.text import one_line
from swapd.core.together import Together
from swapd.scan import Model, Scan

MOST_SHOWN = 20
"""Files left out of which each has its line."""


def show(console: Console, scan: Scan, fits: Mapping[str, Fit], together: Together, thing: str = "model") -> None:
    """A table of the models; what was left out and why; what fits together. ``thing``: what is counted."""
    if scan.models:
        rows = [_row(model, fits[model.name]) for model in scan.models]
        console.table(Table(("NAME", "KIND", "SIZE", "CONTEXT", "MEMORY"), rows, frozenset({"SIZE", "CONTEXT"})))
    for model in scan.models:
        if model.caveat:
            console.bits(Bit("take care: ", "yellow"), Bit(f"{model.name} has {model.caveat}"))
    for line in together.lines():
        console.line(one_line(line), style="dim")
    for left in scan.left[:MOST_SHOWN]:
        console.bits(Bit("left out ", "yellow"), Bit(f"{one_line(str(left.path))}: {one_line(left.why)}"))
    more = len(scan.left) + scan.more_left - MOST_SHOWN
    if more > 0:
        console.line(f"left out {more} more; --json tells of {len(scan.left)}", style="yellow")
    if scan.cut:
        console.line(f"not all was searched: {scan.cut}", style="bold yellow")
    looked = "1 file or folder" if scan.entries == 1 else f"{scan.entries} files and folders"
    console.line(f"{several(len(scan.models), thing)} found among {looked}", style="dim")


def _row(model: Model, fit: Fit) -> tuple[Bit, ...]:
    told = str(fit).partition(": ")[2] if not fit.never and ": " in str(fit) else str(fit)
    seen = " + mmproj" if model.mmproj else ""
    memory = Bit(told, "red" if fit.never else "")
    return Bit(model.name, "bold"), Bit(model.kind + seen), Bit(size(model.size)), Bit(str(fit.context)), memory


def as_data(scan: Scan, fits: Mapping[str, Fit]) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "models": [_model(model, fits[model.name]) for model in scan.models],
        "left_out": [{"path": str(left.path), "why": left.why} for left in scan.left],
        "more_left_out": scan.more_left,
        "entries": scan.entries,
        "complete": not scan.cut,
    }


def _model(model: Model, fit: Fit) -> dict[str, Any]:
    return {
        "name": model.name,
        "aliases": list(model.aliases),
        "kind": model.kind,
        "title": model.title,
        "path": str(model.path.absolute()),
        "mmproj": None if model.mmproj is None else str(model.mmproj.absolute()),
        "size": model.size,
        "context": fit.context,
        "trained_context": model.trained or None,
        "chat_template": model.template,
        "caveat": model.caveat or None,
        "needs": dict(fit.verdict.cost),
        "fits": not fit.never,
        "memory": str(fit),
    }
