"""What the house itself is told by the config: doors, keys, limits. The scheduler needs none of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Address:
    """Where the daemon listens: ``host`` and ``port``, or the path of a Unix socket."""

    host: str = "127.0.0.1"
    port: int = 9292
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest request body and upload in bytes; most client connections at once."""

    body: int = 100 << 20
    upload: int = 4 << 30
    connections: int = 2048


@dataclass(frozen=True, slots=True)
class Window:
    """So many within a sliding window of so many seconds."""

    amount: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client that the config names: its key, and what that opens."""

    name: str
    key: str = field(repr=False)
    models: tuple[str, ...] = ("*",)
    """Patterns, as of fnmatch, of the names of models and aliases that it may use."""
    requests: Window | None = None
    tokens: Window | None = None
    concurrency: int | None = None
    """Requests of it at once; None for any number."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """``level``: debug, info, warning or error; ``format``: auto (by terminal), text or json.

    ``access``: whether each request is told.
    """

    level: str = "info"
    format: str = "auto"
    access: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """The top-level keys that are not about models.

    ``listen``, ``state_dir``, ``trace`` and ``adoption`` need a restart.
    """

    listen: tuple[Address, ...] = (Address(),)
    admin_key: str | None = field(default=None, repr=False)
    clients: tuple[ClientKey, ...] | None = None
    """Who may use the models; None: whoever can connect."""
    insecure: bool = False
    origins: tuple[str, ...] = ()
    """Of web pages that may ask for inference; ``*`` alone: of all."""
    hosts: tuple[str, ...] = ()
    """Names that this daemon answers to, in lower case, besides those of the machine itself."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks, or ``unix``, of those who are believed for whom they speak."""
    limits: Limits = Limits()
    keepalive_comments: float | None = 10.0
    """Seconds after which, and again and again, a client that waits for a stream gets a comment."""
    log: LogSettings = LogSettings()
    state_dir: str = "/var/lib/swapd"
    """The folder for what is kept between restarts; an absolute path."""
    trace: str | None = None
    """The file that requests are recorded in, never their content; None records nothing."""
    adoption: float | None = 60.0
    """Seconds for which engines outlive a daemon that died, until its successor finds them; None: they do not."""
