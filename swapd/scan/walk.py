"""Goes through folders of any size, holding no more than one open folder a level.

Links to folders are followed once, and never up or down into what is gone through anyway.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from swapd.scan.found import Candidate, Scan

ENDING = ".gguf"
DEPTH = 16
"""Levels of folders, unless somebody says otherwise."""
MOST_LINKS = 1000
"""Links to folders that are followed."""
SKIPPED = frozenset({".git", "node_modules", "__pycache__", "lost+found", ".locks", ".no_exist", ".Trash"})
PSEUDO = ("/proc", "/sys", "/dev")


class Walk:
    """``store`` is asked about each folder that holds folders called blobs and manifests."""

    def __init__(self, scan: Scan, depth: int, store: Callable[[Path], Iterator[Candidate]]) -> None:
        self._scan = scan
        self._depth = depth
        self._store = store
        self._roots: list[str] = []

    def files(self, folder: Path) -> Iterator[Candidate]:
        """What may be a model below a folder, or that file itself."""
        if folder.is_file():
            self._scan.entries += 1
            yield from self._file(str(folder))
            return
        real = os.path.realpath(folder)
        if not any(_is_within(real, root) for root in self._roots):
            self._roots.append(real)
            yield from self._of_store(str(folder)) or self._below(str(folder))

    def _below(self, folder: str) -> Iterator[Candidate]:
        open_folders = [self._open(folder)]
        try:
            while open_folders:
                entry = next(open_folders[-1], None)
                if entry is None:
                    open_folders.pop()
                    continue
                self._scan.entries += 1
                if entry.name.lower().endswith(ENDING) and not self._is_folder(entry):
                    yield from self._file(entry.path)
                elif entry.name not in SKIPPED and self._is_folder(entry):
                    if (candidates := self._of_store(entry.path)) is not None:
                        yield from candidates
                    elif len(open_folders) < self._depth:
                        open_folders.append(self._open(entry.path))
                    else:
                        self._scan.leave(Path(entry.path), f"deeper than {self._depth} levels: see --depth")
        finally:
            for opened in open_folders:
                opened.close()

    def _open(self, folder: str) -> Generator[os.DirEntry[str], None, None]:
        """Its entries, one by one."""
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            self._scan.leave(Path(folder), error.strerror or str(error))

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            if entry.is_dir(follow_symlinks=False):
                return entry.path not in PSEUDO
            return entry.is_symlink() and entry.is_dir() and self._is_new(entry.path)
        except OSError:
            return False

    def _is_new(self, link: str) -> bool:
        """Whether a link leads where nothing else does."""
        real = os.path.realpath(link)
        if len(self._roots) > MOST_LINKS or real in PSEUDO:
            return False
        if any(_is_within(real, root) or _is_within(root, real) for root in self._roots):
            return False
        self._roots.append(real)
        return True

    def _of_store(self, folder: str) -> Iterator[Candidate] | None:
        """The models of a folder that is a store of Ollama's."""
        inside = all(os.path.isdir(f"{folder}/{name}") for name in ("manifests", "blobs"))  # noqa: PTH112
        return self._store(Path(folder)) if inside else None

    def _file(self, path: str) -> Iterator[Candidate]:
        try:
            found = os.stat(path)  # noqa: PTH116  (of very many)
        except OSError as error:
            gone = "it is a link to what is not there" if os.path.islink(path) else ""  # noqa: PTH114  (a str)
            self._scan.leave(Path(path), gone or error.strerror or str(error))
            return
        yield Candidate(Path(path), (found.st_dev, found.st_ino), found.st_size)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
