"""A key is pressed: the next screen, and what is wished for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from swapd.cli.top.mirror import MODEL
from swapd.cli.top.screen import Mode, Page, Pane, Screen, Verb, Wish

Outcome = tuple[Screen, Wish | None]
LONGEST = 60
"""Characters of a filter."""
BACK = frozenset({"q", "esc"})
STEPS = {"up": -1, "k": -1, "down": 1, "j": 1}
QUIT = Wish(Verb.QUIT)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the screen while the key is pressed."""

    models: Sequence[MODEL]
    """As the table has them, also those that it has no room for."""
    lines: int = 0
    """The number of the last line of the pane that there is."""
    first: int = 0
    """The number of the first one that is kept."""


def press(screen: Screen, key: str, shown: Shown) -> Outcome:
    """The model under the cursor is that of the table, if the one before is there no more."""
    if key == "ctrl-c":
        return screen, QUIT
    if key == "ctrl-l":
        return screen, Wish(Verb.REDRAW)
    screen = settled(screen, shown.models)
    if screen.mode is Mode.ASKING:
        asked = Wish(Verb.UNLOAD, screen.chosen or "") if key in ("y", "Y") else None
        return replace(screen, mode=Mode.PLAIN), asked
    if screen.page is not Page.MODELS:
        return _in_pane(screen, key, shown)
    if screen.mode is Mode.TYPING:
        return _typed(screen, key, shown.models)
    return _in_table(screen, key, shown.models)


def settled(screen: Screen, models: Sequence[MODEL]) -> Screen:
    """With the cursor on a model that is there, if any is: it goes with its model when the order changes."""
    if screen.page is not Page.MODELS:
        return screen
    names = [model["name"] for model in models]
    if screen.chosen in names:
        return screen
    gone = replace(screen, mode=Mode.PLAIN) if screen.mode is Mode.ASKING else screen
    return replace(gone, chosen=names[0] if names else None)


def _in_table(screen: Screen, key: str, models: Sequence[MODEL]) -> Outcome:
    if (moved := _moved(screen, key, models)) is not None:
        return moved, None
    if key == "q":
        return screen, QUIT
    if key == "/":
        return replace(screen, mode=Mode.TYPING), None
    if key == "esc":
        return replace(screen, filter=""), None
    if key in ("e", "?"):
        return replace(screen, page=Page.EVENTS if key == "e" else Page.HELP, pane=Pane()), None
    chosen = next((model for model in models if model["name"] == screen.chosen), None)
    if chosen is None or (act := ACTS.get(key)) is None:
        return screen, None
    return act(screen, chosen)


def _moved(screen: Screen, key: str, models: Sequence[MODEL]) -> Screen | None:
    """With the cursor elsewhere; None if the key is not for that."""
    page = max(1, screen.size.height // 2)
    steps = {**STEPS, "pageup": -page, "pagedown": page, "home": -len(models), "g": -len(models)}
    steps |= {"end": len(models), "G": len(models)}
    if key not in steps:
        return None
    names = [model["name"] for model in models]
    if screen.chosen not in names:
        return screen
    at = names.index(screen.chosen) + steps[key]
    return replace(screen, chosen=names[max(0, min(at, len(names) - 1))])


def _typed(screen: Screen, key: str, models: Sequence[MODEL]) -> Outcome:
    if key == "esc":
        return replace(screen, mode=Mode.PLAIN, filter=""), None
    if key == "enter":
        return replace(screen, mode=Mode.PLAIN), None
    if key == "backspace":
        return replace(screen, filter=screen.filter[:-1]), None
    if len(key) == 1:
        return replace(screen, filter=(screen.filter + key)[:LONGEST]), None
    return _moved(screen, key, models) or screen, None


def _in_pane(screen: Screen, key: str, shown: Shown) -> Outcome:
    if key in BACK or (key == "f" and screen.page is Page.LOG) or (key == "?" and screen.page is Page.HELP):
        return replace(screen, page=Page.MODELS, pane=Pane()), Wish(Verb.LEAVE)
    if screen.page in (Page.LOG, Page.EVENTS):
        return replace(screen, pane=_from_below(screen, key, shown)), None
    at, page = screen.pane.at or 0, max(1, screen.size.height - 4)
    steps = {**STEPS, "pageup": -page, "pagedown": page, " ": page, "home": -at, "g": -at}
    steps |= {"end": shown.lines, "G": shown.lines}
    last = shown.lines - page - 1  # a page leaves out one row, to read on from
    top = max(0, min(at + steps.get(key, 0), last))
    return replace(screen, pane=Pane(top)), None


def _from_below(screen: Screen, key: str, shown: Shown) -> Pane:
    """What follows new lines until it is paused, by the space bar or by scrolling up."""
    at, page = screen.pane.at, max(1, screen.size.height - 4)
    if key in ("end", "G"):
        return Pane()
    if key == " ":
        return Pane(shown.lines if at is None else None)
    if key in ("home", "g"):  # a whole page, unless few lines take more than one
        return Pane(shown.first + (page - 1 if shown.lines - shown.first >= page else 0))
    steps = {**STEPS, "pageup": -page, "pagedown": page}
    if key not in steps:
        return screen.pane
    moved = max((shown.lines if at is None else at) + steps[key], shown.first)
    return Pane() if moved >= shown.lines else Pane(moved)


# -- what the letters do to the model under the cursor ------------------------------------------------


def _details(screen: Screen, model: MODEL) -> Outcome:
    return replace(screen, page=Page.DETAILS, pane=Pane()), Wish(Verb.EXPLAIN, model["name"])


def _follow(screen: Screen, model: MODEL) -> Outcome:
    return replace(screen, page=Page.LOG, pane=Pane()), Wish(Verb.FOLLOW, model["name"])


def _load(screen: Screen, model: MODEL) -> Outcome:
    return screen, Wish(Verb.LOAD, model["name"])


def _unload(screen: Screen, model: MODEL) -> Outcome:
    if model["leases"]:
        return replace(screen, mode=Mode.ASKING), None
    return screen, Wish(Verb.UNLOAD, model["name"])


def _pin(screen: Screen, model: MODEL) -> Outcome:
    return screen, Wish(Verb.UNPIN if model.get("pinned") else Verb.PIN, model["name"])


ACTS: dict[str, Callable[[Screen, MODEL], Outcome]] = {
    "enter": _details,
    "i": _details,
    "f": _follow,
    "l": _load,
    "u": _unload,
    "p": _pin,
}
