"""Orders, in the imperative: all that the scheduler can ask of the world, each with its reason as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, Event, Ticket
from swapd.core.need import Way
from swapd.core.refusal import Refusal
from swapd.core.spec import Bounds, Launch, Spec


class Cause(Enum):
    """Why an engine is started or stopped. The value is how the journal words it."""

    ASKED = "asked for"
    LOAD = "load by the operator"
    PRELOAD = "to be preloaded"
    PINNED = "pinned"
    RESTART = "to come back after a failure"
    FOUND = "found alive"
    EVICTED = "makes room"
    TTL = "idle past its ttl"
    UNLOAD = "unload by the operator"
    REMOVED = "removed from the config"
    RELAUNCH = "its launch changed"
    OVERDUE = "start overdue"
    SICK = "unusable"
    CLOSING = "shutdown"
    DRAIN_OVER = "drain overdue"
    DRAINED = "drained"
    BUDGET = "the budget was made smaller"
    UNSEEN = "its memory was not seen free in time; going on without"


FAULTS = frozenset({Cause.OVERDUE, Cause.SICK})
"""Why an engine is stopped that something is wrong with."""


@dataclass(frozen=True, slots=True)
class Why:
    """A cause, for which other model if any, and its particulars."""

    cause: Cause
    model: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        return (
            self.cause.value
            + (f" for {self.model}" if self.model else "")
            + (f" ({self.detail})" if self.detail else "")
        )


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start this run. Answered by EngineReady or EngineExited, always."""

    run: RunId
    launch: Launch
    why: Why
    way: Way = field(default_factory=lambda: Way({}))
    """Where it is to run, and what is reckoned for it there."""
    sharers: int = 1
    """Among how many engines the machine's cores are shared, where its threads are left open."""
    stop: tuple[str, ...] = ()
    """The command that goes before its SIGTERM and, below, the seconds after it: should nobody be left to ask."""
    grace: float = Bounds().stop


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over this run, whose process lives already. Answered by EngineReady or EngineExited, as Spawn is."""

    run: RunId
    launch: Launch
    why: Why
    way: Way
    """Where it runs, and what is reckoned for it there."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """Run the ``stop`` command if there is one, then SIGTERM to the group. Answered by EngineExited."""

    run: RunId
    stop: tuple[str, ...]
    why: Why


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to the whole tree, the grace is over. Answered by EngineExited."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Grant:
    """The ticket holds a lease on this run from now on."""

    ticket: Ticket
    run: RunId
    endpoint: Endpoint
    spec: Spec
    queued: float
    """Seconds from asking to this grant."""
    loaded: float
    """Seconds the run took to get ready, if this ticket waited for it; else 0."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """The lease is over while its holder still works: cut it. The holder still posts Left."""

    ticket: Ticket
    run: RunId
    why: Why


@dataclass(frozen=True, slots=True)
class Refuse:
    """The ticket is turned away."""

    ticket: Ticket
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Note:
    """No order to anybody, but the journal should say why: a drain began, or the cause is UNSEEN."""

    run: RunId
    why: Why


Order = Spawn | Adopt | Terminate | Kill
"""Those on processes."""
Command = Order | Grant | Revoke | Refuse | Note


def at_once(event: Event, commands: Sequence[Command]) -> Grant | None:
    """The grant, where somebody asked and got it, and nothing else was decided."""
    if type(event) is not Asked or len(commands) != 1:
        return None
    (told,) = commands
    return told if type(told) is Grant and told.ticket == event.ticket else None
