"""An engine's life: states, signals and the one table of what follows what.

Everything about transitions lives here. The table is data; the README's diagram is drawn from it
(``core.diagram``) and a test walks every cell. A cell left out is illegal: it raises, and nothing changes.
*Cold* is the absence of a record, written ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

PORTS = {False: 80, True: 443}
"""The usual port without TLS, and with it."""


class State(Enum):
    """The value is what ``status`` shows."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    SAVING = "saving"
    STOPPING = "stopping"
    KILLING = "killing"
    BACKOFF = "backoff"
    FAILED = "failed"

    __hash__ = object.__hash__  # members are single; Enum's own hash is Python code, on the hottest path we have


class Signal(Enum):
    """What can happen to an engine."""

    READY = "READY"
    DRAIN = "DRAIN"
    STOP = "STOP"
    SAVED = "SAVED"
    EXIT = "EXIT"
    OVERDUE = "OVERDUE"
    COOLED = "COOLED"


class RunId(NamedTuple):
    """One incarnation of an engine; late news of an old run is told apart by it and dropped."""

    model: str
    n: int

    def __str__(self) -> str:
        return f"{self.model}#{self.n}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a ready engine answers: an address, or the path of a Unix socket."""

    host: str
    """Of an IPv6 address without brackets."""
    port: int
    path: str = ""
    tls: bool = False
    prefix: str = ""
    """Stands before the path of each request."""
    key: str = field(default="", repr=False)
    """The header line that goes with each request and opens the door; empty for none. Never shown."""

    @property
    def authority(self) -> str:
        """What its ``Host`` header says: RFC 9110 leaves a scheme's own port out."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.tls] else f"{host}:{self.port}"

    @property
    def head(self) -> str:
        """The lines of a request's head that are the same for all."""
        return f"Host: {self.authority}\r\n" + (f"{self.key}\r\n" if self.key else "")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"


class When(Enum):
    """What a cell with several ways out asks before it takes one."""

    ALWAYS = ""
    SAVES = "saves its slots"
    FAULT = "after a fault"
    GIVEN_UP = "too many in a row, or restart never"


Ways = tuple[tuple[When, State | None], ...]
S, G = State, Signal


def _to(state: State | None) -> Ways:
    return ((When.ALWAYS, state),)


_STOPPED: Ways = ((When.GIVEN_UP, S.FAILED), (When.FAULT, S.BACKOFF), (When.ALWAYS, None))
_DIED: Ways = ((When.GIVEN_UP, S.FAILED), (When.ALWAYS, S.BACKOFF))
_STOP: Ways = ((When.SAVES, S.SAVING), (When.ALWAYS, S.STOPPING))

TABLE: dict[State, dict[Signal, Ways]] = {
    S.STARTING: {G.READY: _to(S.READY), G.STOP: _to(S.STOPPING), G.EXIT: _DIED, G.OVERDUE: _to(S.STOPPING)},
    S.READY: {G.DRAIN: _to(S.DRAINING), G.STOP: _STOP, G.EXIT: _DIED},
    S.DRAINING: {G.STOP: _STOP, G.EXIT: _to(None), G.OVERDUE: _to(S.STOPPING)},
    S.SAVING: {
        G.STOP: _to(S.STOPPING),
        G.SAVED: _to(S.STOPPING),
        G.EXIT: _to(None),
        G.OVERDUE: _to(S.STOPPING),
    },
    S.STOPPING: {
        G.READY: _to(S.STOPPING),
        G.SAVED: _to(S.STOPPING),
        G.EXIT: _STOPPED,
        G.OVERDUE: _to(S.KILLING),
    },
    S.KILLING: {G.EXIT: _STOPPED, G.OVERDUE: _to(S.KILLING)},
    S.BACKOFF: {G.STOP: _to(None), G.COOLED: _to(None)},
    S.FAILED: {G.STOP: _to(None), G.COOLED: _to(None)},
}


class IllegalSignal(Exception):
    """A signal that the table does not know in this state: a bug in the scheduler, never in the world."""


def follow(state: State, signal: Signal, true: frozenset[When] = frozenset()) -> State | None:
    """The state after ``signal``; ``true`` names the conditions that hold. None: the record is gone.

    Raises IllegalSignal where the table has no cell.
    """
    ways = TABLE[state].get(signal)
    if ways is None:
        raise IllegalSignal(f"{signal.value} in {state.name}")
    for when, target in ways:
        if when is When.ALWAYS or when in true:
            return target
    raise IllegalSignal(f"{signal.value} in {state.name}: no way out holds")  # pragma: no cover


WINDING_DOWN = frozenset({S.DRAINING, S.SAVING, S.STOPPING, S.KILLING})
"""The room these take is promised: it will be free, but is not yet."""
RESTING = frozenset({S.BACKOFF, S.FAILED})
"""No process, no cost: only the memory of a failure."""
