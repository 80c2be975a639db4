"""Whose engines these are: those of a state folder, which one daemon at a time holds by a lock.

The lock goes with its holder, however that ends, and is handed on when the daemon executes itself anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import pwd
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
DAEMON, WATCHED, REAPER = "pid", "watched, pid", "reaper"
"""Who holds it: a daemon; one whose engines are seen to when it dies; somebody who ends engines."""
_BITS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class House:
    """``id`` is what its engines carry in their environment. ``folder`` is None where nothing can be kept.

    The id is the lock's file itself. While it is held no other can have the same, wherever the folder is moved or
    copied to, and though it be removed and another be made in its place.
    """

    def __init__(self, folder: Path | None, lock: int | None, given: str = "") -> None:
        """``lock``: the descriptor that holds it. ``given``: the id, of one that was known before."""
        self.folder = folder
        self.lock = lock
        self.id = given or (_named(os.fstat(lock)) if lock is not None else secrets.token_hex(8))

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
        with contextlib.suppress(OSError):  # somebody may have removed it meanwhile
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return House(folder, lock)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return House(folder, take(folder, DAEMON))
    except BlockingIOError as error:
        log.warning("%s; its engines do not outlive it: give it a state_dir of its own", error)
    except OSError as error:
        log.warning("cannot hold %s: %s; engines do not outlive this daemon", folder, error.strerror)
    return House(None, None)


def take(folder: Path, who: str) -> int:
    """The lock, signed. Blocks, REAPING at most. Raises OSError; BlockingIOError if a daemon has it."""
    begun = time.monotonic()
    while (fd := try_lock(folder)) is None:
        held_by = holder(folder)
        if time.monotonic() - begun >= (REAPING if held_by.startswith(REAPER) else LOOKING):
            who = held_by.removeprefix(WATCHED.removesuffix(DAEMON))  # the watching is no matter for people
            raise BlockingIOError(f"another swapd ({who or 'unknown'}) uses {folder}")
        time.sleep(AGAIN)
    sign(fd, who)
    return fd


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


def holder(folder: Path) -> str:
    """Who signed the lock last, with the pid; empty if nobody says."""
    try:
        return (folder / LOCK).read_text(errors="replace").strip()[:64]
    except OSError:
        return ""


def is_lived_in(folder: Path) -> bool:
    """Whether a daemon holds the lock. Makes nothing, and takes it for no longer than this takes."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return not holder(folder).startswith(REAPER)
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def id_at(folder: Path) -> str:
    """The id of whoever holds the lock there, now or next. Raises OSError if there is none."""
    return _named((folder / LOCK).lstat())


def become_owner(folder: Path) -> None:
    """If we are root, and the folder somebody else's, be that user from now on. Raises OSError.

    What is written there is then that user's, and what its record says may be run is not run by root.
    """
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    os.setgroups([])
    os.setgid(owner.st_gid)
    with contextlib.suppress(KeyError):  # nobody of that name
        user = pwd.getpwuid(owner.st_uid)
        os.setgid(user.pw_gid)
        os.initgroups(user.pw_name, user.pw_gid)
    os.setuid(owner.st_uid)


def _named(file: os.stat_result) -> str:
    return f"{file.st_dev:x}.{file.st_ino:x}"
