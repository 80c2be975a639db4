"""Opening a connection to an engine: to a Unix socket, a port, or over TLS to where somebody else runs it."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from typing import TypeVar

from swapd.core.engine import Endpoint
from swapd.web.wire import Wire

W = TypeVar("W", bound=Wire)


async def dial(where: Endpoint, made: Callable[[], W]) -> W:
    """A fresh wire. Raises OSError."""
    loop = asyncio.get_running_loop()
    if where.path:
        _, wire = await loop.create_unix_connection(made, where.path)
    elif where.tls:
        _, wire = await loop.create_connection(
            made, where.host, where.port, ssl=_trust(), server_hostname=where.host
        )
    else:
        _, wire = await loop.create_connection(made, where.host, where.port)
    return wire


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom the system trusts, or ``SSL_CERT_FILE`` says. It takes some 20 ms, so it is read once."""
    return ssl.create_default_context()
