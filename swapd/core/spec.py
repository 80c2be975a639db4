"""What the operator asked for, checked and frozen: ``Spec = Launch + Terms``, and the catalog of them.

A changed ``Launch`` means a new process; changed ``Terms`` apply to the living engine. So "does this edit
restart the engine?" is ``old.launch != new.launch`` and nothing else. Durations are seconds; ``None`` is
"never". Amounts of a resource are bytes for memory and counts for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any

from swapd.core.kinds import LLAMA_CPP, LOADING

Cost = Mapping[str, int]
"""Resource name -> amount. Memory in bytes, any other name is a plain counter."""

PLACEHOLDERS = ("${binary}", "${host}", "${port}", "${socket}", "${threads}", "${device}")
"""What a ``Launch`` leaves open until the engine room spawns it."""

LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the kernel is to treat a process and all its children; None, and no CPUs: as it treats us."""

    nice: int | None = None
    cpus: tuple[int, ...] = ()
    """The CPUs that it may run on, in order and none twice; empty for all."""
    oom_score_adj: int | None = None
    """None: as ours, but not below 0."""
    umask: int | None = None


TOOLS = {"nice": "renice", "cpus": "taskset"}
"""The program that sets one of them, where it takes one: of util-linux, or of BusyBox."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that makes a process: two equal launches need not be told apart."""

    argv: tuple[str, ...]
    """The command, already split. May hold the PLACEHOLDERS; ``argv[0] == "${binary}"`` is ``binary: auto``."""
    env: tuple[tuple[str, str], ...] = ()
    """Variables added to the scrubbed environment, sorted by name."""
    cwd: str | None = None
    health: str = "/health"
    """Path that answers 200 when the engine is ready."""
    loading: frozenset[int] = LOADING
    """The statuses by which it says there that it is not ready yet."""
    url: str = ""
    """Where somebody else runs it: then there is no process, and ``argv`` is empty."""
    key: str = field(default="", repr=False)
    """The header line that carries its key; empty for none. Another key is another launch: it is asked anew."""
    standing: Standing = Standing()


@dataclass(frozen=True, slots=True)
class Edits:
    """Changes to a request's JSON body: ``default`` fills gaps, ``set`` overwrites, ``strip`` removes."""

    set: Mapping[str, Any] = field(default_factory=dict)
    default: Mapping[str, Any] = field(default_factory=dict)
    strip: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.default or self.strip)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the proxy waits for an engine, in seconds; ``None`` waits for ever."""

    connect: float | None = 5.0
    first_byte: float | None = 300.0
    idle: float | None = 120.0
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries after a failure before the engine's first byte, and the pause (s) before each."""

    attempts: int = 1
    backoff: float = 0.25


@dataclass(frozen=True, slots=True)
class Listing:
    """How ``/v1/models`` shows the model."""

    unlisted: bool = False
    description: str | None = None
    context: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """What only the proxy needs to know; the scheduler never looks inside."""

    upstream_model: str | None = None
    edits: Edits = Edits()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    listing: Listing = Listing()
    strict_json: bool = False
    """A body that is broken in a character is refused instead of repaired."""
    routes: Mapping[str, Timeouts] = field(default_factory=dict)
    """Timeouts of requests that need an ability, by its name; ``timeouts`` hold for all others."""
    kind: str = LLAMA_CPP
    """A name of ``core.kinds.KINDS``."""
    abilities: frozenset[str] | None = None
    """What may be asked of it, of ``core.kinds.ABILITIES``; None for anything: nobody knows what it can do."""


@dataclass(frozen=True, slots=True)
class Stay:
    """How long an engine stays: idle seconds until it is stopped, pinned for ever, loaded at start."""

    ttl: float | None = 600.0
    pinned: bool = False
    preload: bool = False


class Restart(Enum):
    """Whether an engine that crashed comes back before anybody asks for it. The value is the operator's word."""

    AUTO = "auto"
    """If it is pinned or preloaded; any other with the next request."""
    ALWAYS = "always"
    """Whatever it is."""
    NEVER = "never"
    """It does not, and no request starts it: it rests until the operator loads it, or its launch changes."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long (s) a start, a stop before SIGKILL, and a drain before leases are cut may take."""

    start: float = 600.0
    stop: float = 10.0
    drain: float | None = 30.0


@dataclass(frozen=True, slots=True)
class Terms:
    """All that may change while the engine lives."""

    cost: Cost = field(default_factory=dict)
    concurrency: int = 1
    priority: int = 0
    stay: Stay = Stay()
    bounds: Bounds = Bounds()
    stop: tuple[str, ...] = ()
    """A command run before SIGTERM (``docker stop ...``); empty for none."""
    service: Service = Service()
    restart: Restart = Restart.AUTO


@dataclass(frozen=True, slots=True)
class Spec:
    """One model of the config."""

    name: str
    launch: Launch
    terms: Terms = Terms()

    @property
    def remote(self) -> bool:
        """Somebody else runs its engine: it is asked and counted on, never started, weighed or stopped."""
        return bool(self.launch.url)


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a model, with request edits of its own applied after the model's."""

    name: str
    model: str
    edits: Edits = Edits()


@dataclass(frozen=True, slots=True)
class Pool:
    """A name behind which several models stand. ``choose``: ``warm``, ``first`` or ``spread`` (core.pools)."""

    name: str
    models: tuple[str, ...]
    choose: str = "warm"


@dataclass(frozen=True, slots=True)
class Rules:
    """The ``scheduling`` section. Seconds, and places in the queue of all models together."""

    patience: float = 65.0
    linger: float = 20.0
    queue: int = 256
    wait: float | None = 600.0


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything the scheduler knows of the config. Immutable; equality says whether an edit matters."""

    models: Mapping[str, Spec] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    budget: Cost = field(default_factory=dict)
    rules: Rules = Rules()
    default_model: str | None = None
    measured: bool = False
    """Whether the daemon completes ``budget``, which is the operator's word, with what the meters find."""
    given: frozenset[str] = frozenset()
    """The resources of a measured budget whose amount the operator wrote."""
    reserve: int | None = None
    """Bytes kept free of each measured resource; None leaves that to the daemon's own rule."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """No name of theirs is a model's or an alias's."""

    def resolve(self, name: str) -> tuple[Spec, Alias | None] | None:
        """The model behind a name or an alias, and the alias if it was one; None if unknown.

        Clients of Ollama put ``:latest`` behind a name that says no other tag.
        """
        if (spec := self.models.get(name)) is not None:  # nearly always: each request asks
            return spec, None
        for known in (name, name.removesuffix(LATEST)):
            if (alias := self.aliases.get(known)) is not None:
                return self.models[alias.model], alias
            if (spec := self.models.get(known)) is not None:
                return spec, None
        return None

    def pool(self, name: str) -> Pool | None:
        """The pool of that name; None if there is none. With ``:latest`` as for models."""
        if not self.pools:  # nearly always: each request asks
            return None
        return self.pools.get(name) or self.pools.get(name.removesuffix(LATEST))

    def near(self, name: str) -> str:
        """The names that a misspelt one may have meant: ``; did you mean 'x' or 'y'?``, or where to look."""
        close = get_close_matches(name, [*self.models, *self.aliases, *self.pools])
        meant = " or ".join(f"'{n}'" for n in close)
        return f"; did you mean {meant}?" if close else "; GET /v1/models lists what there is"
