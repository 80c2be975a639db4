"""The record of living engines, for whoever comes after us: enough to find each again, and no secret.

A file of JSON, versioned, replaced as a whole. It is good until the machine is started anew, so nothing is synced:
what a dead process has written, the kernel still has.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields

import msgspec

from swapd.core.engine import RunId
from swapd.core.need import Way
from swapd.core.spec import Launch
from swapd.engines.house import House
from swapd.engines.identity import Identity, boot_id

NAME, VERSION = "engines.json", 1
MOST_BYTES = 4 << 20
"""A file beyond is not ours: an engine takes some 700 bytes."""
_NONSENSE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Entry(msgspec.Struct, frozen=True):
    """One engine, from its spawn to its end."""

    model: str
    n: int
    identity: Identity
    launch: str
    """Its launch, as ``digest`` has it."""
    program: str
    """``argv[0]``: the client of a container is told apart by it."""
    values: dict[str, str]
    """What the launch left open: ``port`` or ``socket``, ``threads``, ``device``..."""
    devices: tuple[str, ...]
    cost: dict[str, int]
    stop: tuple[str, ...]
    """Its command before SIGTERM, nothing left open in it."""
    grace: float
    """Seconds from SIGTERM to SIGKILL."""
    ready: bool = False
    leaving: bool = False
    """It was told to go."""

    @property
    def run(self) -> RunId:
        """Which."""
        return RunId(self.model, self.n)

    @property
    def way(self) -> Way:
        """Where it runs, and what is reckoned for it there."""
        return Way(self.cost, self.devices)


class _Cover(msgspec.Struct):
    """All that is sure of a record of any version."""

    version: int
    boot: str = ""
    house: str = ""
    """Whose engines they are. In a folder that was copied they are another daemon's."""


class _Record(msgspec.Struct):
    boot: str
    house: str
    engines: list[Entry]
    version: int = VERSION


class Unreadable(Exception):
    """Not a record that we know; the message says why."""


def digest(launch: Launch) -> str:
    """Tells launches apart without saying what is in them: keys may be in argv and env."""
    parts = [(field.name, getattr(launch, field.name)) for field in fields(launch)]
    plain = [(name, sorted(value) if isinstance(value, frozenset) else value) for name, value in parts]
    return hashlib.sha256(repr(plain).encode()).hexdigest()[:32]


def read(home: House) -> list[Entry]:
    """What was recorded of the house since the machine was started; empty if there is no file. Blocks.

    Raises Unreadable: also for one that somebody else wrote, for it says what is to be run.
    """
    assert home.folder is not None
    path = home.folder / NAME
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise Unreadable(f"cannot trust {path}: it is another user's")
            told = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    try:
        return _understood(told, home.id)
    except ValueError as error:
        raise Unreadable(f"cannot read {path}: {error}") from error


def _understood(told: bytes, house: str) -> list[Entry]:
    """Raises ValueError."""
    if len(told) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        cover = msgspec.json.decode(told, type=_Cover)
        if cover.version > VERSION:
            raise ValueError(f"it is of version {cover.version}, this swapd knows {VERSION}")
        if (cover.boot, cover.house) != (boot_id(), house):
            return []
        return msgspec.json.decode(told, type=_Record).engines
    except _NONSENSE as error:
        raise ValueError(str(error)) from error


def write(home: House, entries: list[Entry]) -> None:
    """Replace the file, for its owner's eyes only. Raises OSError. Blocks.

    An engine whose command has bytes that are no text is left out: JSON cannot say it.
    """
    assert home.folder is not None
    draft, path = home.folder / f"{NAME}.new", home.folder / NAME
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        sayable = [entry for entry in entries if _is_text(entry)]
        file.write(msgspec.json.format(msgspec.json.encode(_Record(boot_id(), home.id, sayable)), indent=1))
    draft.replace(path)


def _is_text(entry: Entry) -> bool:
    try:
        msgspec.json.encode(entry)
    except UnicodeEncodeError:
        return False
    return True
