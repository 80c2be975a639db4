"""Every key of the file: the complete schema, whether its effect is built (typed) or not yet (``NotYet``).

The Structs are the raw shape: values read and converted, nothing decided. ``walk`` fills them, ``build``
turns them into a Catalog and Settings, ``json_schema`` tells editors about them.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from swapd.config import leaves as kinds
from swapd.config.shapes import Later, Section, Table


class Keys(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A section of the file. Unknown keys are refused; all are optional."""


class Edits(Keys, frozen=True):
    """Changes to a request's body."""

    set: dict[str, Any] = {}
    default: dict[str, Any] = {}
    strip: kinds.Names = ()


class Timeouts(Keys, frozen=True):
    """How long the proxy waits for an engine."""

    connect: kinds.Bound | None = 5.0
    first_byte: kinds.Bound | None = 300.0
    idle: kinds.Bound | None = 120.0
    total: kinds.Bound | None = None


class Retry(Keys, frozen=True):
    """Tries after a failure before the engine's first byte."""

    attempts: kinds.Whole = 1
    backoff: kinds.Duration = 0.25


class LlamaCpp(Keys, frozen=True):
    """The keys that describe a ``llama-server``; a model with a ``command`` writes them there instead."""

    binary: kinds.Program = "auto"
    socket: kinds.Listens = "tcp"
    gpu_layers: kinds.Layers | None = None
    threads: kinds.Threads | None = None
    threads_batch: kinds.Threads | None = None
    context: kinds.Whole | None = None
    batch: kinds.Positive | None = None
    ubatch: kinds.Positive | None = None
    parallel: kinds.Positive = 1
    device: kinds.Texts = ()
    embeddings: kinds.Flag = False
    reranking: kinds.Flag = False
    mmproj: kinds.Path | None = None
    draft: kinds.Path | None = None
    lora: kinds.Paths = ()
    args: kinds.Arguments = ()


class Process(LlamaCpp, frozen=True):
    """The keys about the process, whatever it is."""

    env: dict[str, kinds.Variable] = {}
    cwd: kinds.Path | None = None
    stop: kinds.StopCommand = ()
    health: kinds.UrlPath = "/health"
    start_timeout: kinds.Duration = 600.0
    stop_grace: kinds.Duration = 10.0
    drain: kinds.Never | None = 30.0
    restart: kinds.NotYet = None
    nice: kinds.NotYet = None
    cpus: kinds.NotYet = None
    oom_score_adj: kinds.NotYet = None


class Sharing(Process, frozen=True):
    """The keys about taking turns."""

    ttl: kinds.Never | None = 600.0
    pinned: kinds.Flag = False
    preload: kinds.Flag = False
    priority: kinds.Rank = 0
    concurrency: kinds.Positive | None = None
    needs: kinds.Needs = {}


class Proxying(Sharing, frozen=True):
    """The keys about requests and how the model is listed."""

    unlisted: kinds.Flag = False
    description: kinds.Text | None = None
    metadata: dict[str, Any] = {}
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    request: Edits = Edits()
    upstream_model: kinds.Text | None = None
    strict_json: kinds.Flag = False
    api_key: kinds.NotYet = None


class Defaults(Proxying, frozen=True):
    """The keys that may stand under ``defaults``: all but those that say which model it is."""

    engine: kinds.Kind = "llama.cpp"


class Model(Defaults, frozen=True):
    """All keys of a model."""

    path: kinds.Path | None = None
    command: kinds.Command = ()
    hf: Annotated[Any, Later("download the file and give its 'path'")] = None
    url: Annotated[Any, Later("give a 'command' that starts the engine, or remove the model")] = None
    aliases: Annotated[dict[str, Edits], Table(Section(Edits), names_only=True)] = {}


class Guarded(Keys, frozen=True):
    """A section that holds a key. What stands in its place is never shown: it may be the key."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Admin(Guarded, frozen=True):
    """Who may use the operator's API."""

    key: kinds.Text | None = None
    key_file: kinds.Path | None = None


class Rate(Keys, frozen=True):
    """How much a client may ask for within a sliding window."""

    requests: kinds.Rate | None = None
    tokens: kinds.Rate | None = None


class Client(Guarded, frozen=True):
    """Who may use which models, and how much."""

    key: kinds.Secret | None = None
    key_file: kinds.Path | None = None
    credential: kinds.Credential | None = None
    models: kinds.Texts = ("*",)
    rate: Annotated[Rate, Section(Rate, short="requests")] = Rate()
    concurrency: kinds.Positive | None = None


class Log(Keys, frozen=True):
    """What is logged, and how."""

    level: kinds.LogLevel = "info"
    format: kinds.LogFormat = "auto"


class Scheduling(Keys, frozen=True):
    """Patience and places."""

    patience: kinds.Duration = 65.0
    linger: kinds.Duration = 20.0
    queue: kinds.Whole = 256
    wait: kinds.Bound | None = 600.0


class Limits(Keys, frozen=True):
    """Bounds of the front door."""

    body: kinds.Size = 100 << 20
    upload: kinds.NotYet = None
    connections: kinds.Positive = 2048


class Config(Keys, frozen=True):
    """The file itself."""

    default_model: kinds.Text | None = None
    listen: kinds.Texts = ("127.0.0.1:9292",)
    state_dir: kinds.Path | None = None
    include: kinds.Paths = ()
    log: Log = Log()
    macros: dict[str, kinds.Macro] = {}
    admin: Admin = Admin()
    insecure: kinds.Flag = False
    clients: dict[str, Client] = {}
    cors: kinds.NotYet = None
    hosts: kinds.NotYet = None
    trusted_proxies: kinds.NotYet = None
    tls: Annotated[Any, Later("remove it, and put a TLS proxy in front")] = None
    keepalive_comments: kinds.NotYet = None
    trace: kinds.Path | None = None
    pools: Annotated[Any, Later("remove it; 'aliases' give a model more names")] = None
    budget: kinds.Budget = {}
    scheduling: Scheduling = Scheduling()
    limits: Limits = Limits()
    defaults: Defaults = Defaults()
    models: dict[str, Model] = {}


DESCRIBED = frozenset(LlamaCpp.__struct_fields__)
"""The keys that become flags of a ``llama-server``."""
