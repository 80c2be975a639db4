"""Facts, in the past tense: all that can be told to the scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, NewType

from swapd.core.engine import Endpoint, RunId
from swapd.core.need import Need, Reading, Way
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog, Launch

Ticket = NewType("Ticket", int)
"""One caller's place: first waiting, then holding. Grows with arrival."""


class Usage(NamedTuple):
    """What an answer took, as far as it is known: seconds from the lease to its first byte, and tokens."""

    first_byte: float | None = None
    prompt: int | None = None
    completion: int | None = None

    @property
    def tokens(self) -> int:
        """In and out, those that are known."""
        return (self.prompt or 0) + (self.completion or 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A caller wants a lease on ``model`` (a model's name or an alias).

    ``missing``: what somebody who looked has not found, so that no engine of it can start now.
    """

    ticket: Ticket
    model: str
    client: str = ""
    missing: Exit | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """The caller is gone, or done. Withdraws or releases; harmless twice. ``usage`` of one that was answered."""

    ticket: Ticket
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The run answers its health check."""

    run: RunId
    endpoint: Endpoint
    listened: float | None = field(default=None, compare=False)
    """For so many seconds somebody had accepted connections there, and said that it loads; None: nobody looked."""


@dataclass(frozen=True, slots=True)
class EngineShort:
    """The run is ready, but loaded less than was asked for: fewer layers on the GPU, or less context."""

    run: RunId
    what: str


@dataclass(frozen=True, slots=True)
class EngineSick:
    """The run can never become usable, or stopped being so, while its process lives."""

    run: RunId
    why: str


@dataclass(frozen=True, slots=True)
class EngineExited:
    """The run's whole process tree is gone (or never came to be)."""

    run: RunId
    exit: Exit


@dataclass(frozen=True, slots=True)
class Found:
    """An engine that an earlier life of the daemon started, and that lives still."""

    run: RunId
    """The very name it had then: its model, and the number of its run."""
    launch: Launch
    """The catalog's own, or its equal, if it was launched so; else one that equals none of the catalog."""
    way: Way
    """Where it runs, and what is reckoned for it there."""
    stop: tuple[str, ...]
    """Its command before SIGTERM and, below, its seconds before SIGKILL: where the catalog's are not its own."""
    grace: float
    ready: bool
    """Whether it had answered before."""


@dataclass(frozen=True, slots=True)
class CatalogChanged:
    """The operator's config, at start and after every edit that changed something."""

    catalog: Catalog
    found: tuple[Found, ...] = ()
    """At start, the engines found alive: one a model at most; whoever posts this ends any more of them itself."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a model takes when it is launched so: told before it ever ran, and again when more was learned."""

    model: str
    launch: Launch
    need: Need


@dataclass(frozen=True, slots=True)
class MachineRead:
    """The meters were read."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class LoadWished:
    """The operator wants the model up, whatever failed before."""

    model: str


@dataclass(frozen=True, slots=True)
class UnloadWished:
    """The operator wants the model gone: its waiters are refused, its leases drain."""

    model: str
    now: bool = False
    """Its leases are cut instead."""


@dataclass(frozen=True, slots=True)
class PinWished:
    """The operator wants the model pinned, or not, whatever the config says: until that changes its mind."""

    model: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class KeepWished:
    """A client that holds the run says how long it is to stay idle from now on, in seconds; None: for ever."""

    run: RunId
    ttl: float | None


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed up to a deadline."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The daemon is going down: refuse, drain, stop."""


Event = (
    Asked
    | Left
    | EngineReady
    | EngineShort
    | EngineSick
    | EngineExited
    | CatalogChanged
    | Weighed
    | MachineRead
    | LoadWished
    | UnloadWished
    | PinWished
    | KeepWished
    | Ticked
    | Closing
)
