"""Paths of Unix sockets for engines, in a folder that nobody else may enter."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from swapd.engines.folders import Folder, again, runtime, temporary

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
        self._folders: list[Folder] = []
        """Those of the claimed, and the one that was made for us."""

    def claim(self, paths: Iterable[str]) -> None:
        """These are used by engines that a daemon before us started: keep others from sweeping them away.

        Their folders are swept now, so all are to be claimed at once, and before anything is taken.
        """
        claimed: dict[Path, list[str]] = {}
        for path in map(Path, paths):
            claimed.setdefault(path.parent, []).append(path.name)
        for path in claimed.keys() - {folder.path for folder in self._folders}:
            try:
                self._folders.append(again(path, claimed[path]))
            except OSError as error:  # they are reached all the same, for as long as nobody tidies there
                log.warning("cannot keep the folder of the sockets of engines that run: %s", error)

    def take(self) -> str:
        """A path where nothing is. Raises NoSocket."""
        folder = next((folder for folder in self._folders if folder.is_there()), None)
        if folder is None:
            self.close()
            folder = self._found()
            self._folders.append(folder)
        return str(folder.name())

    def give_back(self, path: str) -> None:
        """The engine is gone; its file may be there still."""
        with contextlib.suppress(OSError):
            Path(path).unlink()

    def close(self) -> None:
        """Every engine is gone, or every folder is."""
        while self._folders:
            self._folders.pop().close()

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
