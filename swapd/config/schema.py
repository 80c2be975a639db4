"""Every key of the file: the complete schema, whether its effect is built (typed) or not yet (``Later``).

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


class RouteTimeouts(Keys, frozen=True):
    """The same for one kind of request; what is not said here is as it is for all."""

    connect: kinds.Bound | msgspec.UnsetType | None = msgspec.UNSET
    first_byte: kinds.Bound | msgspec.UnsetType | None = msgspec.UNSET
    idle: kinds.Bound | msgspec.UnsetType | None = msgspec.UNSET
    total: kinds.Bound | msgspec.UnsetType | None = msgspec.UNSET


class Routes(Keys, frozen=True):
    """Kinds of requests."""

    chat: RouteTimeouts = RouteTimeouts()
    completions: RouteTimeouts = RouteTimeouts()
    embeddings: RouteTimeouts = RouteTimeouts()
    rerank: RouteTimeouts = RouteTimeouts()
    responses: RouteTimeouts = RouteTimeouts()
    messages: RouteTimeouts = RouteTimeouts()
    moderations: RouteTimeouts = RouteTimeouts()
    audio: RouteTimeouts = RouteTimeouts()
    images: RouteTimeouts = RouteTimeouts()
    tokenize: RouteTimeouts = RouteTimeouts()
    native: RouteTimeouts = RouteTimeouts()


class Timeouts(Keys, frozen=True):
    """How long the proxy waits for an engine."""

    connect: kinds.Bound | None = 5.0
    first_byte: kinds.Bound | None = 300.0
    idle: kinds.Bound | None = 120.0
    total: kinds.Bound | None = None
    routes: Routes = Routes()


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
    health: kinds.UrlPath | None = None
    start_timeout: kinds.Duration | None = None
    stop_grace: kinds.Duration | None = None
    drain: kinds.Never | None = 30.0
    restart: kinds.Restarts = "auto"
    nice: kinds.Nice | None = None
    cpus: kinds.Cpus = ()
    oom_score_adj: kinds.OomScore | None = None
    umask: kinds.Umask | None = None


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
    capabilities: kinds.Abilities | None = None


class Defaults(Proxying, frozen=True):
    """The keys that may stand under ``defaults``: all but those that say which model it is."""

    engine: kinds.Kind = "llama.cpp"


class Model(Defaults, frozen=True):
    """All keys of a model."""

    path: kinds.Path | None = None
    command: kinds.Command = ()
    hf: Annotated[Any, Later("download the file and give its 'path'")] = None
    url: kinds.Server | None = None
    api_key: kinds.ForeignKey | None = None
    aliases: Annotated[dict[str, Edits], Table(Section(Edits), names_only=True)] = {}

    def __repr__(self) -> str:
        return "Model(...)"  # it holds a key


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
    access: kinds.Flag = True


class Pool(Keys, frozen=True):
    """A name behind which several models stand."""

    models: kinds.Names = ()
    choose: kinds.Choose = "warm"


class Cors(Keys, frozen=True):
    """Which web pages may ask."""

    origins: kinds.Origins = ()


class Scheduling(Keys, frozen=True):
    """Patience and places."""

    patience: kinds.Duration = 65.0
    linger: kinds.Duration = 20.0
    queue: kinds.Whole = 256
    wait: kinds.Bound | None = 600.0


class Limits(Keys, frozen=True):
    """Bounds of the front door."""

    body: kinds.Size = 100 << 20
    upload: kinds.Size = 4 << 30
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
    cors: Cors = Cors()
    hosts: kinds.HostNames = ()
    trusted_proxies: kinds.Proxies = ()
    tls: Annotated[Any, Later("remove it, and put a TLS proxy in front")] = None
    keepalive_comments: kinds.Bound | None = 10.0
    adoption: kinds.Never | None = 60.0
    trace: kinds.Path | None = None
    pools: dict[str, Pool] = {}
    budget: kinds.Budget = {}
    scheduling: Scheduling = Scheduling()
    limits: Limits = Limits()
    defaults: Defaults = Defaults()
    models: dict[str, Model] = {}


DESCRIBED = frozenset(LlamaCpp.__struct_fields__)
"""The keys that become flags of a ``llama-server``."""
STANDING = frozenset({"nice", "cpus", "oom_score_adj", "umask"})
"""The keys that say how the kernel is to treat the process."""
OF_PROCESS = DESCRIBED | STANDING | {"env", "cwd", "stop", "stop_grace", "restart", "needs", "ttl"}
"""The keys that mean nothing where somebody else runs the engine."""
