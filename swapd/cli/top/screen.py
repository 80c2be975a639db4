"""What the operator looks at: which page, which model, from where on. Immutable; ``press`` makes the next one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Page(Enum):
    """What fills the screen."""

    MODELS = "models"
    DETAILS = "details"
    LOG = "log"
    EVENTS = "events"
    HELP = "help"


class Mode(Enum):
    """Who gets the keys."""

    PLAIN = "plain"
    TYPING = "typing"
    """The filter."""
    ASKING = "asking"
    """Whether to unload a model that is busy."""


class Verb(Enum):
    """What the world is asked for. The value is what it reads like."""

    LOAD = "load"
    UNLOAD = "unload"
    PIN = "pin"
    UNPIN = "unpin"
    EXPLAIN = "explain"
    FOLLOW = "follow"
    LEAVE = "leave"
    """The log, or the details."""
    REDRAW = "redraw"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Wish:
    """A verb, and the model that it is about."""

    verb: Verb
    model: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a screen, in cells."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Pane:
    """A part that scrolls: lines, of which the last shown, or the first, has a number."""

    at: int | None = None
    """None: where new lines come."""


@dataclass(frozen=True, slots=True)
class Screen:
    """All of it."""

    page: Page = Page.MODELS
    mode: Mode = Mode.PLAIN
    chosen: str | None = None
    """The model under the cursor; None until there is one."""
    filter: str = ""
    pane: Pane = field(default_factory=Pane)
    """Of the page that fills the screen."""
    size: Size = field(default_factory=lambda: Size(80, 24))


class Level(Enum):
    """How a note is meant. The value is its style."""

    DONE = "green"
    TOLD = "yellow"
    WRONG = "bold red"


@dataclass(frozen=True, slots=True)
class Note:
    """What an action did, or why it could not."""

    text: str
    level: Level = Level.TOLD
    until: float = float("inf")
    """Monotonic seconds."""
