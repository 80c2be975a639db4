"""Who is asked: a server by its base URL, and what it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import aiohttp

CONNECT = 10.0
"""Seconds to connect."""
AGENT = "swapd-bench"


@dataclass(frozen=True, slots=True)
class Side:
    """A server: ``url`` as it was given (http, https or ``unix:/path``), its key, the models to ask in turn."""

    name: str
    url: str
    models: tuple[str, ...] = ()
    key: str | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        """What the paths of the endpoints are put after: ends in ``/v1``, which is added where it is missing."""
        if self.socket is not None:
            return "http://localhost/v1"
        url = self.url.rstrip("/")
        return url if url.endswith("/v1") else f"{url}/v1"

    @property
    def socket(self) -> str | None:
        """The path of its Unix socket."""
        return self.url.removeprefix("unix:").removeprefix("//") if self.url.startswith("unix:") else None

    @property
    def shown(self) -> str:
        """The URL without whatever name and password are in it."""
        if self.socket is not None:
            return f"unix:{self.socket}"
        parts = urlsplit(self.base)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        # Compressed answers would be timed after their decompression, and may be bombs.
        plain = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        return plain | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


@dataclass(slots=True)
class Way:
    """How a request goes: ``kept`` if over a connection that served another one before."""

    kept: bool = False


def _told_of_reuse() -> aiohttp.TraceConfig:
    """Writes it into the Way that a request has as its ``trace_request_ctx``."""

    async def reused(session: object, context: SimpleNamespace, told: object) -> None:
        if isinstance(context.trace_request_ctx, Way):
            context.trace_request_ctx.kept = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace


@asynccontextmanager
async def connected(side: Side) -> AsyncIterator[aiohttp.ClientSession]:
    """A session: connections are kept and reused, as many as are needed; nothing is followed or retried."""
    connector = (
        aiohttp.UnixConnector(path=side.socket, limit=0)
        if side.socket is not None
        else aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
    )
    bounds = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=bounds,
        headers=side.headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[_told_of_reuse()],
    )
    async with session:
        yield session
