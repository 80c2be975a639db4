"""Paths of Unix sockets for engines, in a folder that nobody else may enter."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

LONGEST = 107
"""Bytes of a path: ``sun_path`` of unix(7) has 108, of which one ends it."""
OWN = "engines"


class NoSocket(Exception):
    """There is no place for a socket; the message says why, and what to do."""


class Sockets:
    """Hands out paths, none twice. llama-server leaves its file behind, and fails over one that is there."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """The folder is of ``$RUNTIME_DIRECTORY`` (systemd's), else ``$XDG_RUNTIME_DIR``, else a temporary one."""
        self._base = _base(environ)
        self._temporary: Path | None = None

    def take(self) -> str:
        """A path where nothing is. Raises NoSocket."""
        folder = self._folder()
        path = folder / f"{secrets.token_hex(4)}.sock"
        if (size := len(os.fsencode(path))) > LONGEST:
            reason = f"the path {path} has {size} bytes, and a Unix socket's has {LONGEST} at most"
            raise NoSocket(f"cannot give the engine a socket: {reason}; {_REMEDY}")
        self.give_back(str(path))
        return str(path)

    def give_back(self, path: str) -> None:
        """The engine is gone; its file may be there still."""
        with contextlib.suppress(OSError):
            Path(path).unlink()

    def close(self) -> None:
        """Every engine is gone."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.rmdir()
            self._temporary = None

    def _folder(self) -> Path:
        """Made when it is first needed, and again if somebody tidied it away."""
        try:
            if self._base is None:
                if self._temporary is None or not self._temporary.is_dir():
                    self._temporary = Path(tempfile.mkdtemp(prefix="swapd-"))
                return self._temporary
            folder = self._base / OWN
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            seen = folder.lstat()
        except OSError as error:
            raise NoSocket(f"cannot make a folder for sockets: {error}; {_REMEDY}") from None
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
            raise NoSocket(f"cannot use {folder} for sockets: others may enter it; remove it, or {_REMEDY}")
        return folder


_REMEDY = "set RUNTIME_DIRECTORY or XDG_RUNTIME_DIR to another folder, or let the engine listen on a port"


def _base(environ: Mapping[str, str]) -> Path | None:
    if given := environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    given = environ.get("XDG_RUNTIME_DIR", "")
    return Path(given) / "swapd" if given else None
