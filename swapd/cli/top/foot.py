"""The two lines below: what was done, or is the matter with the model under the cursor; and the keys."""

from __future__ import annotations

from datetime import datetime

from rich.cells import cell_len

from swapd.cli.console import Bit
from swapd.cli.top.glyphs import Glyphs
from swapd.cli.top.mirror import MODEL
from swapd.cli.top.screen import Mode, Page, Screen
from swapd.cli.top.table import last_swap
from swapd.cli.top.text import Row, cut_row
from swapd.cli.words import age_of, several

KEYS = {
    Page.MODELS: (
        ("q", "quit"),
        ("?", "help"),
        ("l", "load"),
        ("u", "unload"),
        ("i", "why"),
        ("f", "log"),
        ("/", "filter"),
        ("p", "pin"),
        ("e", "events"),
    ),
    Page.DETAILS: (("q", "back"), ("j", "down"), ("k", "up")),
    Page.HELP: (("q", "back"), ("j", "down"), ("k", "up")),
    Page.LOG: (("q", "back"), ("Space", "pause"), ("k", "up"), ("j", "down"), ("G", "newest")),
    Page.EVENTS: (("q", "back"), ("Space", "pause"), ("k", "up"), ("j", "down"), ("G", "newest")),
}


def foot(screen: Screen, model: MODEL | None, notice: Bit | None, now: datetime, glyphs: Glyphs) -> list[Row]:
    """Two rows. What is asked for comes first, then the notice, then the model."""
    return [
        cut_row((Bit(" "), *_line(screen, model, notice, now)), screen.size.width, glyphs.cut),
        _keys(screen),
    ]


def _line(screen: Screen, model: MODEL | None, notice: Bit | None, now: datetime) -> Row:
    if screen.mode is Mode.ASKING and model is not None:
        busy = several(model["leases"], "request")
        return Bit(f"unload {model['name']}, which serves {busy}? ", "bold yellow"), Bit("y", "bold"), Bit("/n")
    if screen.mode is Mode.TYPING:
        return Bit("/", "bold"), Bit(screen.filter), Bit(" ", "reverse")
    if notice is not None:
        return (notice,)
    return remark(model, now) if model is not None and screen.page is Page.MODELS else ()


def remark(model: MODEL, now: datetime) -> Row:
    """What is the matter with it: why it is not up, or not as it should be; else since when, and how it came."""
    name = Bit(f"{model['name']} ", "bold")
    if model["never_fits"]:
        return name, Bit(f"can never be loaded: {model['never_fits']}", "red")
    if model["waiting_for"]:
        return name, Bit(str(model["waiting_for"]["text"]), "yellow")
    if model["last_failure"] and model["state"] in ("backoff", "failed", "cold"):
        failure = model["last_failure"]
        hint = f" ({failure['hint']})" if failure.get("hint") else ""
        reason = str(failure["reason"]).partition("\n")[0]
        return name, Bit(f"failed: {reason}{hint}", "red")
    if model["short"]:
        return name, Bit(f"loaded less than was asked for: {model['short']}", "yellow")
    up = f"{model['state']} for {age_of(model['since'], now)}" if model["since"] else ""
    swap = last_swap(model)
    told = "; ".join(filter(None, (up, f"last swap {swap}" if swap else "")))
    return (name, Bit(told, "dim")) if told else ()


def _keys(screen: Screen) -> Row:
    """As many as there is room for."""
    found: list[Bit] = []
    left = screen.size.width
    for key, what in KEYS[screen.page]:
        left -= cell_len(key) + len(what) + 3
        if left < 0:
            break
        found += [Bit(" "), Bit(key, "bold cyan"), Bit(f" {what} ", "dim")]
    return tuple(found)
