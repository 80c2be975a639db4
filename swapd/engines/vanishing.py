"""An engine's Unix socket that somebody removed: the engine lives, and nobody can reach it any more."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable

LOOK, AGAIN = 2.0, 0.5
"""Seconds between two looks at the file, and until one that is missed is looked for again: an engine that ends by
itself removes its own file first."""


async def until_gone(path: str, is_bound: Callable[[], bool]) -> None:
    """Return once a socket that was there is not. ``is_bound``: whether it must have been there already."""
    seen = False
    while True:
        there = _is_socket(path)
        if not there and (seen or is_bound()):
            await asyncio.sleep(AGAIN)
            if not _is_socket(path):
                return
        seen = seen or there
        await asyncio.sleep(LOOK)


def _is_socket(path: str) -> bool:
    """By a look: an inotify would cost a descriptor each, of few, and miss it if a folder above goes."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116  (pathlib takes thrice as long)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # it cannot be told
