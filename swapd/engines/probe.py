"""Asking an engine whether it is ready: early and often at first, each time with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

FIRST, GROWTH, SLOWEST = 0.005, 1.1, 0.25
"""Seconds between two looks: the first, the factor (so a look comes late by a tenth of the load), the longest."""
BOUND = 2.0
"""Seconds that connecting, and again answering, may take."""
NOT_HTTP = 0
"""The status of somebody who accepts, but says nothing sensible in time."""


class Stranger(Exception):
    """The port is answered by a process that is not ours."""


async def until_ready(host: str, port: int, path: str, stranger: Callable[[], str | None] | None) -> None:
    """Return when ``path`` answers 200. Never gives up: the scheduler has the deadline.

    As soon as anybody accepts on the port, ``stranger`` is asked once, in a thread, who it is if it is not
    our process. Raises Stranger.
    """
    for pause in _pauses():
        status = await _look(host, port, path)
        if status is not None and stranger is not None:
            if (who := await asyncio.to_thread(stranger)) is not None:
                raise Stranger(f"port {port} is answered by another process ({who})")
            stranger = None
        if status == 200:
            return
        await asyncio.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = FIRST
    while True:
        yield pause
        pause = min(pause * GROWTH, SLOWEST)


async def _look(host: str, port: int, path: str) -> int | None:
    """The status that one GET is answered with; None if nobody accepts.

    The status line is all that matters; a whole HTTP client would cost ten times as much a look.
    """
    try:
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return None
    try:
        async with asyncio.timeout(BOUND):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            return _status(await reader.readline())
    except (OSError, ValueError):
        return NOT_HTTP
    finally:
        writer.close()


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    return int(code) if version.startswith(b"HTTP/") and code.isdigit() else NOT_HTTP
