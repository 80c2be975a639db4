"""Paths of Unix sockets for engines, in a folder that nobody else may enter."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from swapd.engines.folders import Folder, runtime, temporary

log = logging.getLogger("swapd")
SHORTEST = "/tmp"
"""The folder of temporary files may be one whose path is too long for a socket's."""
_REMEDY = "set RUNTIME_DIRECTORY or XDG_RUNTIME_DIR to another folder, or let the engine listen on a port"


class NoSocket(Exception):
    """There is no place for a socket; the message says why, and what to do."""


class Sockets:
    """Hands out paths, none twice. llama-server leaves its file behind, and fails over one that is there."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """The folder is of ``$RUNTIME_DIRECTORY`` (systemd's), else ``$XDG_RUNTIME_DIR``, else a temporary one."""
        self._places = tuple(_places(environ))
        self._told: set[str] = set()
        self._folder: Folder | None = None

    def take(self) -> str:
        """A path where nothing is. Raises NoSocket."""
        if self._folder is None or not self._folder.is_there():
            self.close()
            self._folder = self._found()
        return str(self._folder.name())

    def give_back(self, path: str) -> None:
        """The engine is gone; its file may be there still."""
        with contextlib.suppress(OSError):
            Path(path).unlink()

    def close(self) -> None:
        """Every engine is gone, or the folder is."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _found(self) -> Folder:
        """The first place that will do. Raises NoSocket."""
        why = ""
        for name, make in self._places:
            try:
                return make()
            except OSError as error:
                why = f"cannot have a folder for sockets in {name}: {error}"
                if name not in self._told:
                    self._told.add(name)
                    log.warning("%s", why)
        raise NoSocket(f"{why}; {_REMEDY}")


def _places(environ: Mapping[str, str]) -> Iterator[tuple[str, Callable[[], Folder]]]:
    """Where to have it, the best first, and in what words."""
    if given := environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        yield f"$RUNTIME_DIRECTORY ({given})", lambda: runtime(given)
    if user := environ.get("XDG_RUNTIME_DIR", ""):
        yield f"$XDG_RUNTIME_DIR ({user})", lambda: runtime(user, "swapd")
    yield "the folder of temporary files", lambda: temporary(tempfile.gettempdir())
    yield SHORTEST, lambda: temporary(SHORTEST)
