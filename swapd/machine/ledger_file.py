"""The ledger's file: versioned JSON that is replaced as a whole, and set aside rather than thrown away.

Whoever reads it finds the old state or the new one, whatever killed the writer.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated

import msgspec

VERSION = 1
MOST_BYTES = 32 << 20
"""A file beyond is not ours: a thousand entries are about one MiB."""
NONSENSE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding may raise on bytes that anybody could have written."""
_STALE = timedelta(hours=1)
"""No save takes so long: its writer was killed."""


class Unreadable(Exception):
    """Not a ledger that we know. ``mark`` is for the name of the file once it is set aside."""

    def __init__(self, why: str, mark: str = "") -> None:
        super().__init__(why)
        self.mark = mark or f"broken-{datetime.now(UTC):%Y-%m-%d}"


class _Cover(msgspec.Struct):
    """All that is sure of a ledger of any version."""

    version: Annotated[int, msgspec.Meta(ge=1)]


class _Book(msgspec.Struct):
    """A ledger of our version, its entries not looked into."""

    entries: dict[str, msgspec.Raw]


def read(path: Path) -> dict[str, msgspec.Raw]:
    """The entries, each still to be decoded. Raises Unreadable, and FileNotFoundError where there is no file."""
    try:
        with path.open("rb") as file:
            told = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(reason(error)) from error
    if len(told) > MOST_BYTES:
        raise Unreadable(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        version = msgspec.json.decode(told, type=_Cover).version
        if version > VERSION:
            raise Unreadable(f"it is of version {version}, this swapd knows {VERSION}", f"version-{version}")
        return msgspec.json.decode(told, type=_Book).entries
    except NONSENSE as error:
        raise Unreadable(str(error)) from error


def write(path: Path, entries: object) -> None:
    """Replace the file, for its owner's eyes only. Raises OSError, and ValueError for what JSON cannot say."""
    told = msgspec.json.format(msgspec.json.encode({"version": VERSION, "entries": entries}), indent=1)
    handle, name = mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)  # of mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(told)
            file.flush()
            os.fsync(handle)  # or a power cut may leave the new name on an empty file
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # some file systems cannot; at worst the old state comes back
        _sync_folder(path.parent)


def set_aside(path: Path, mark: str) -> Path:
    """Rename the file to ``NAME.MARK``, with a number where that is taken already. Raises OSError."""
    for n in count(1):
        aside = path.with_name(f"{path.name}.{mark}" + (f"-{n}" if n > 1 else ""))
        try:
            aside.touch(exist_ok=False)  # the name is ours now: another daemon may be doing the same
        except FileExistsError:
            continue
        try:
            return path.replace(aside)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
    raise AssertionError("count() has no end")


def sweep(path: Path) -> None:
    """Remove the drafts of killed writers, but not what another daemon is writing now."""
    before = (datetime.now(UTC) - _STALE).timestamp()
    with suppress(OSError):  # a draft more does no harm
        for draft in path.parent.glob(f"{path.name}.*.tmp"):
            if draft.stat().st_mtime < before:
                draft.unlink()


def reason(error: Exception) -> str:
    """Why, without the number and the path that an OSError has besides."""
    return getattr(error, "strerror", None) or str(error)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
