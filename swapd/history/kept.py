"""The annals on disk: what a daemon that ends leaves to the next one, and now and then what it would leave.

A file of JSON, versioned, replaced as a whole and never synced: after a power cut the past may begin anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from swapd.history.answers import Row, worded
from swapd.history.spans import Span
from swapd.history.swaps import Swap
from swapd.history.waits import Wait

FILE, VERSION = "history.json", 1
MOST_BYTES = 16 << 20
"""A file beyond is not ours: ten thousand spans, two thousand swaps and five thousand waits are some 4 MiB."""
_NONSENSE = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)


class Kept(msgspec.Struct):
    """``at``: when it was written down. What had no end then is given that one."""

    at: str
    spans: list[tuple[str, Span]]
    swaps: list[Swap]
    waits: list[Wait]
    requests: list[Row]
    version: int = VERSION


class _Cover(msgspec.Struct):
    """All that is sure of a file of any version."""

    version: int


class Unreadable(Exception):
    """Not a history that we know; the message says why."""


def read(folder: Path) -> Kept | None:
    """What was left; None if nothing was. Raises Unreadable. Blocks."""
    path = folder / FILE
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            told = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    if len(told) > MOST_BYTES:
        raise Unreadable(f"cannot read {path}: it is larger than {MOST_BYTES >> 20} MiB")
    try:
        version = msgspec.json.decode(told, type=_Cover).version
        if version != VERSION:
            raise Unreadable(f"cannot read {path}: it is of version {version}, this swapd knows {VERSION}")
        return _ended(msgspec.json.decode(told, type=Kept))
    except _NONSENSE as error:
        raise Unreadable(f"cannot read {path}: {error}") from error


def _ended(kept: Kept) -> Kept:
    """Raises ValueError, OverflowError."""
    for _, span in kept.spans:
        span.until = span.until or kept.at
    for wait in kept.waits:
        wait.until = wait.until or kept.at
    for row in kept.requests:
        worded(row)  # a moment that no calendar has would be found by whoever looks at the history
    return kept


def write(folder: Path, kept: Kept) -> None:
    """Replace the file, for its owner's eyes only. Raises OSError. Blocks."""
    draft = folder / f"{FILE}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(kept))
    draft.replace(folder / FILE)
