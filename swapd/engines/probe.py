"""Asking an engine whether it is ready: early and often at first, each time with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

FIRST, GROWTH, SLOWEST = 0.005, 1.3, 0.25
"""Seconds between two looks: the first, the factor, the longest."""
BOUND = 2.0
"""Seconds one look may take."""

Owned = Callable[[], Awaitable[tuple[bool | None, str]]]


class Stranger(Exception):
    """The port is answered by a process that is not ours."""


async def until_ready(host: str, port: int, path: str, owned: Owned | None) -> None:
    """Return when ``path`` answers 200. Never gives up: the scheduler has the deadline.

    As soon as anything answers, ``owned`` is asked once whether it is our process. Raises Stranger.
    """
    checked = owned is None
    for pause in _pauses():
        status = await _look(host, port, path)
        if status is not None and not checked:
            ours, who = await owned() if owned is not None else (None, "")
            if ours is False:
                raise Stranger(f"port {port} is answered by another process ({who})")
            checked = True
        if status == 200:
            return
        await asyncio.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = FIRST
    while True:
        yield pause
        pause = min(pause * GROWTH, SLOWEST)


async def _look(host: str, port: int, path: str) -> int | None:
    """The status that one GET is answered with; None if nothing sensible answers in time."""
    try:
        async with asyncio.timeout(BOUND):
            return await _get(host, port, path)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return None


async def _get(host: str, port: int, path: str) -> int:
    """The status line is all that matters; a whole HTTP client would cost ten times as much a look."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        return int(line.split(None, 2)[1]) if line.startswith(b"HTTP/") else 0
    finally:
        writer.close()
