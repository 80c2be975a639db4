"""A file of the operator's is put in its place whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def put(path: Path, text: str, *, over: bool, mode: int | None = None) -> None:
    """Write a file, on disk before it has its name. ``over``: in place of one that is there, with its rights.

    ``mode``: rights of a new file; None as the umask says. Raises OSError; FileExistsError if the name is taken
    and ``over`` was not said.
    """
    target = path.resolve() if over else path  # a link is to stay one
    growing = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    usual = 0o666 if mode is None else mode
    try:
        with os.fdopen(
            os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, usual), "w", encoding="utf-8", newline=""
        ) as file:
            if over:
                with contextlib.suppress(FileNotFoundError):
                    _as_before(target, file.fileno())
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if over:
            growing.replace(target)
        else:
            target.hardlink_to(growing)
    finally:
        growing.unlink(missing_ok=True)


@contextmanager
def beside(path: Path, text: str) -> Iterator[Path]:
    """A file for a moment, hidden from patterns, that has the same relative paths. Raises OSError."""
    trial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        put(trial, text, over=False, mode=0o600)
        yield trial
    finally:
        trial.unlink(missing_ok=True)


def _as_before(path: Path, fd: int) -> None:
    """The rights and, as far as we may, the owner of the file whose place is taken."""
    old = path.stat()
    with contextlib.suppress(PermissionError):
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, old.st_mode & 0o7777)
