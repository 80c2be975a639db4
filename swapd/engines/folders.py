"""Folders for sockets: of our own, that nobody else enters, locked while we live, swept of what the dead left.

An engine may outlive its daemon, and so its lock: a socket that somebody still listens on is never removed,
whoever sweeps. When the engine has gone too, the next sweep finds it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

LONGEST = 107
"""Bytes of a path: ``sun_path`` of unix(7) has 108, of which one ends it."""
OWN, TEMPORARY = "engines", "swapd-engines-"
_SOCKET = re.compile(r"[0-9a-f]{8}\.sock")
_IS_TEMPORARY = re.compile(TEMPORARY + r"[a-z0-9_]{8}")
SWEEP, AGAIN = 0.5, 0.001
"""Seconds that another daemon's sweep of a folder may take, and between two tries to have it."""
FRESH = 60.0
"""Seconds for which a temporary folder is let alone: its daemon may be about to lock it."""
_BITS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unusable(OSError):
    """A folder that will not do; the message says why."""


class Folder:
    """One that exists, held by a lock. systemd-tmpfiles, too, leaves alone what is locked (tmpfiles.d(5))."""

    def __init__(self, path: Path, *, keep: bool, spared: Collection[str] = (), patient: bool = False) -> None:
        """``keep``: whether it outlives us, and is shared by all daemons of the user. Raises OSError.

        ``spared``: names of sockets that are in use. ``patient``: waits for somebody who only sweeps it.
        """
        self.path = path
        self._keep = keep
        self._fd = _opened(path)
        try:
            self._lock(spared, SWEEP if patient else 0.0)
        except OSError:
            os.close(self._fd)
            raise

    def _lock(self, spared: Collection[str], bound: float) -> None:
        """Sweeps it if nobody else had it: then their daemon is dead, if not those who listen there."""
        try:
            _have(self._fd, fcntl.LOCK_EX, bound)
            _sweep(self._fd, spared)
        except BlockingIOError:
            if not self._keep:
                raise
        if self._keep:
            _have(self._fd, fcntl.LOCK_SH, SWEEP)  # whoever has it alone only sweeps it, as we may have done

    def name(self) -> Path:
        """A path in it where nothing is."""
        return self.path / f"{secrets.token_hex(4)}.sock"

    def is_there(self) -> bool:
        """Whether the path leads to it still: somebody may have tidied it away."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self._fd))
        except OSError:
            return False

    def close(self) -> None:
        """Let go. Removed, if it is not to be kept and empty."""
        if not self._keep and self.is_there():
            with contextlib.suppress(OSError):
                self.path.rmdir()
        os.close(self._fd)


def runtime(base: str, *inner: str) -> Folder:
    """A folder of our own in one that the system gave us. Raises OSError."""
    given = Path(base)
    if not given.is_absolute():
        raise Unusable("it is no absolute path")
    path = _short(given.joinpath(*inner, OWN))
    for folder in [given.joinpath(*inner[:n]) for n in range(1, len(inner) + 1)] + [path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return Folder(path, keep=True)


def temporary(base: str) -> Folder:
    """A fresh one. Raises OSError."""
    _short(Path(base) / f"{TEMPORARY}12345678")
    _sweep_temporary(base)
    path = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=base))
    try:
        return Folder(path, keep=False)
    except OSError:
        path.rmdir()
        raise


def again(path: Path, spared: Collection[str]) -> Folder:
    """The folder that a daemon before us had for sockets of those names. Raises OSError."""
    if _IS_TEMPORARY.fullmatch(path.name):
        return Folder(path, keep=False, spared=spared, patient=True)
    return Folder(path, keep=True, spared=spared)


def _short(path: Path) -> Path:
    if (size := len(os.fsencode(path / "12345678.sock"))) > LONGEST:
        raise Unusable(f"the path of a socket there has {size} bytes, and a Unix socket's has {LONGEST} at most")
    return path


def _opened(path: Path) -> int:
    """Raises OSError: also for a link, and for what others may enter."""
    fd = os.open(path, _BITS)
    seen = os.fstat(fd)
    if seen.st_uid != os.getuid() or seen.st_mode & 0o077 or not os.access(path, os.W_OK | os.X_OK):
        os.close(fd)
        raise Unusable(f"{path} is not ours alone to enter and to write to")
    return fd


def _have(fd: int, lock: int, bound: float) -> None:
    """LOCK_SH or LOCK_EX, within so many seconds. Raises BlockingIOError."""
    until = time.monotonic() + bound
    while True:
        try:
            fcntl.flock(fd, lock | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
        time.sleep(AGAIN)


def _sweep(fd: int, spared: Collection[str]) -> None:
    """Remove the sockets that we might have made, and that nobody listens on."""
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries if _SOCKET.fullmatch(entry.name)]
    for name in names:
        with contextlib.suppress(OSError):
            seen = os.stat(name, dir_fd=fd, follow_symlinks=False)
            ours = stat.S_ISSOCK(seen.st_mode) and seen.st_uid == os.getuid()
            if ours and name not in spared and _is_deserted(f"/proc/self/fd/{fd}/{name}"):
                os.unlink(name, dir_fd=fd)


def _is_deserted(path: str) -> bool:
    """Only then is a connection refused (connect(2)). On a Unix socket the answer comes at once."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)
        return caller.connect_ex(path) == errno.ECONNREFUSED


def _sweep_temporary(base: str) -> None:
    """What daemons that were killed had no time to remove."""
    with os.scandir(base) as entries:
        names = [entry.name for entry in entries if _IS_TEMPORARY.fullmatch(entry.name)]
    for name in names:
        with contextlib.suppress(OSError):
            if abs(time.time() - Path(base, name).lstat().st_mtime) < FRESH:
                continue
            Folder(Path(base, name), keep=False).close()  # BlockingIOError: its daemon lives
