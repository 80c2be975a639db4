"""Where the daemon of a config listens, written down in its state folder while its doors are open.

For whoever wants to talk to it: what the config says may have been edited since, or may be port 0.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

FILE = "address.json"
MOST = 1 << 16
"""Bytes of it that are read."""


class Sign(msgspec.Struct, frozen=True):
    """``config``: the path of the file that the daemon was started with; ``urls``: as its log says them."""

    config: str
    urls: tuple[str, ...]


def put_up(folder: Path, config: Path, urls: Sequence[str]) -> None:
    """Write it down. Never raises: on a full disk, or with a path that is no text, nobody finds it there."""
    with contextlib.suppress(OSError, UnicodeError):
        text = msgspec.json.encode(Sign(str(config.resolve()), tuple(urls)))
        new = folder / f"{FILE}.new"
        new.unlink(missing_ok=True)
        with open(new, "xb", opener=_ours) as file:
            file.write(text)
        new.replace(folder / FILE)


def _ours(path: str, flags: int) -> int:
    """Whoever reads it sends the operator's key there: nobody else is to write it, whatever the umask."""
    return os.open(path, flags, 0o644)


def take_down(folder: Path) -> None:
    """The doors are closed."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def look(folder: Path, config: Path) -> tuple[str, ...]:
    """The URLs of the daemon that was started with the config; none where nothing says so.

    They count only while a daemon holds the folder: one that was killed leaves its sign behind.
    """
    try:
        with (folder / FILE).open("rb") as file:
            sign = msgspec.json.decode(file.read(MOST), type=Sign)
    except (OSError, ValueError):
        return ()
    known = sign.config == str(config.resolve())
    return tuple(url for url in sign.urls if url.startswith(("http://", "unix:"))) if known else ()
