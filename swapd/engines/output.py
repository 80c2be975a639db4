"""Where engines write to: a file per model that outlives the daemon, or memory where no disk takes it.

Nobody who writes to a file waits for a reader. So an engine goes on without its daemon, and the next daemon finds
what it wrote. The rule for names: the UTF-8 bytes of the model's name, all but ASCII letters, digits, ``-``, ``_``
and ``.`` written as ``%`` and two hex digits, as is a ``.`` at the beginning; of one that is longer than LONGEST
then, the first HEAD characters, ``~`` and a digest. Then ``.log``, and ``.log.1`` for the copy of what was before.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from swapd.engines import logfiles
from swapd.engines.following import Follower, Listener
from swapd.engines.inotify import Inotify
from swapd.engines.logfiles import MEMORY

log = logging.getLogger("swapd")
LONGEST, HEAD = 120, 80
"""Characters of a file's name without its suffix, of 255 that file systems take; and of its head if it is cut."""
ROOM = 1 << 20
"""Bytes that must be free on the disk: a log of a few lines only would be worse than one in memory."""
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""For reading too: one descriptor does both. Never to wait for somebody at the other end of what is no file."""
OUT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


class Outputs:
    """Of one supervisor. ``folder`` is made when it is first needed, with mode 0700; None: all is in memory."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._inotify = Inotify()
        self._files: dict[tuple[int, int], _File] = {}
        self._said: set[str] = set()
        self._tidied = False

    def open(self, model: str) -> Output:
        """For a new process of the model. Raises OSError only if no descriptor is left."""
        if self._folder is not None:
            try:
                return self._on_disk(self._folder, model)
            except OSError as error:
                if error.errno in OUT_OF_DESCRIPTORS:
                    raise
                kept = "they are kept in memory, and go with the engine; make room or see who owns the folder"
                self._complain(f"cannot keep the logs of engines in {self._folder}: {error.strerror}; {kept}")
        return self._output(_in_memory(model), None)

    def reopen(self, model: str, pid: int) -> Output:
        """For a process that lives already, if it writes to a file of ours; else as ``open``."""
        for number in (1, 2):
            with contextlib.suppress(OSError):
                fd = os.open(f"/proc/{pid}/fd/{number}", FLAGS)
                path = Path(f"/proc/self/fd/{fd}").readlink()
                if self._is_ours(fd, path):
                    return self._output(fd, path if path.exists() else None)
                os.close(fd)
        return self.open(model)

    def close(self) -> None:
        """Let go of all of them; whoever writes goes on."""
        for file in list(self._files.values()):
            file.close()
        self._files.clear()
        self._inotify.close()

    def _on_disk(self, folder: Path, model: str) -> Output:
        """Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{file_name(model)}.log"
        fd = os.open(path, FLAGS | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _check(fd)
            logfiles.hold(fd)
            self._tidy(folder)
        except OSError:
            os.close(fd)
            raise
        self._said.clear()
        return self._output(fd, path)

    def _tidy(self, folder: Path) -> None:
        """Once in a daemon's life."""
        if not self._tidied:
            self._tidied = True
            with contextlib.suppress(OSError):
                logfiles.tidy(folder)

    def _output(self, fd: int, path: Path | None) -> Output:
        """Two that have the same file open share a reader: else its lines were read twice."""
        status = os.fstat(fd)
        key = status.st_dev, status.st_ino
        if (file := self._files.get(key)) is None:
            os.set_blocking(fd, True)
            file = self._files[key] = _File(fd, path, Follower(fd, path, self._inotify, self._complain))
        else:
            os.close(fd)
        return Output(file, lambda: self._release(key))

    def _release(self, key: tuple[int, int]) -> None:
        if (file := self._files.get(key)) is not None and not file.left():
            del self._files[key]
            file.close()

    def _is_ours(self, fd: int, path: Path) -> bool:
        """A program may have sent its output to a file of its own: that is neither cut nor shown by us."""
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        in_folder = self._folder is not None and path.parent == self._folder.resolve()
        return in_folder or str(path).startswith(f"/memfd:{MEMORY}")

    def _complain(self, message: str) -> None:
        """Once."""
        if message not in self._said:
            self._said.add(message)
            log.warning("%s", message)


class _File:
    """One that is open, by how many."""

    def __init__(self, fd: int, path: Path | None, follower: Follower) -> None:
        self.fd = fd
        self.path = path
        self.follower = follower
        self.users = 0

    def left(self) -> int:
        """One user less; how many are left."""
        self.users -= 1
        return self.users

    def close(self) -> None:
        self.follower.close()
        os.close(self.fd)


class Output:
    """One process's share in its model's file. ``fd`` is its stdout and stderr; ``path``: where it is on a disk.

    What is written reaches the log book by a ``Capture``, and does so until the last share is closed: so lines of
    ours are written here, and nowhere else, after ``open`` and up to ``close``.
    """

    def __init__(self, file: _File, release: Callable[[], None]) -> None:
        self.fd = file.fd
        self.path = file.path
        self._file = file
        self._release: Callable[[], None] | None = release
        file.users += 1

    def write(self, line: str) -> None:
        """Add a line of ours, on a line of its own."""
        follower = self._file.follower
        try:
            size = os.fstat(self.fd).st_size
            inside = size > 0 and os.pread(self.fd, 1, size - 1) != b"\n"
            os.write(self.fd, ("\n" * inside + line + "\n").encode(errors="backslashreplace"))
            follower.catch_up()
        except OSError:  # a disk that is full, say: whoever looks now sees it all the same
            follower.give([line])

    def tell(self, listener: Listener, *, past: bool) -> Callable[[], None]:
        """Give the listener what is written from ``open`` on, and what was before if it wants the ``past``.

        The answer ends that. Raises OSError.
        """
        return self._file.follower.listen(listener, past=past)

    def close(self) -> None:
        """Let go; whoever has the descriptor writes on. Harmless twice."""
        if self._release is not None:
            self._release()
            self._release = None


def file_name(model: str) -> str:
    """The model's name as a file's, without a suffix. No two models have the same."""
    name = quote(model, safe="", errors="surrogatepass").replace("~", "%7E")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) <= LONGEST:
        return name or "%"
    return f"{name[:HEAD]}~{hashlib.sha256(model.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _check(fd: int) -> None:
    """Raises OSError where the file will not do."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EEXIST, "what has a log's name there is no file")
    if logfiles.is_full(fd, ROOM):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _in_memory(model: str) -> int:
    """Opened anew: a memfd's first descriptor tells inotify nothing, nor does it append."""
    first = os.memfd_create(f"{MEMORY}{file_name(model)}")
    try:
        return os.open(f"/proc/self/fd/{first}", FLAGS)
    finally:
        os.close(first)
