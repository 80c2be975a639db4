"""Whose engines these are: those of a state folder, which one daemon at a time holds by a lock.

The lock goes with its holder, however that ends, and is handed on when the daemon executes itself anew.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from pathlib import Path

log = logging.getLogger("swapd")
LOCK = "lock"
REAPING = 12.0
"""Seconds that a reaper may hold the lock: a successor that comes while engines are being ended waits for it."""
LOOKING = 0.5
"""Seconds for which anybody else may: a reaper looks whether a successor has come by trying the lock."""
AGAIN = 0.05
_BITS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class House:
    """``id`` is what its engines carry in their environment. ``folder`` is None where nothing can be kept."""

    def __init__(self, folder: Path | None, lock: int | None) -> None:
        """``lock``: the descriptor that holds it."""
        self.folder = folder
        self.lock = lock
        self.id = _id_of(folder) if folder is not None else secrets.token_hex(8)

    def leave(self) -> None:
        """Let go of the lock."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def enter(folder: Path, lock: int | None = None) -> House:
    """The house of a daemon that starts. ``lock``: handed on by its predecessor. Blocks, REAPING at most.

    Where the folder cannot be had it is a house of nobody else's, whose engines do not outlive the daemon.
    """
    if lock is not None:
        return House(folder, lock)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return House(folder, _locked(folder / LOCK))
    except BlockingIOError as error:
        log.warning("%s; its engines do not outlive it: give it a state_dir of its own", error)
    except OSError as error:
        log.warning("cannot hold %s: %s; engines do not outlive this daemon", folder, error.strerror)
    return House(None, None)


def try_lock(folder: Path) -> int | None:
    """The lock, if nobody holds it now. Raises OSError where it is not to be had at all."""
    fd = os.open(folder / LOCK, _BITS, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd


def sign(lock: int, who: str) -> None:
    """Say in the lock's file who holds it: for people, and for whoever waits for a reaper. Never raises."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{who} {os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # a full disk: the lock itself holds


def _locked(path: Path) -> int:
    """Raises OSError; BlockingIOError if another daemon has it."""
    begun = time.monotonic()
    while (fd := try_lock(path.parent)) is None:
        holder = _holder(path)
        if time.monotonic() - begun >= (REAPING if holder.startswith("reaper") else LOOKING):
            raise BlockingIOError(f"another swapd ({holder or 'unknown'}) uses {path.parent}")
        time.sleep(AGAIN)
    sign(fd, "pid")
    return fd


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()[:64]
    except OSError:
        return ""


def _id_of(folder: Path) -> str:
    """The same for every daemon that keeps its state there, and for no other."""
    seen = folder.stat()
    return f"{seen.st_dev:x}.{seen.st_ino:x}"
