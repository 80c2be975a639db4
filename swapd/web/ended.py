"""Sessions that were logged out of: nobody gets in by their cookie again, not even by a copy of it.

A session's cookie vouches for itself until it is too old (``session``), so what is kept are the ended ones, and
each only for so long. In a file of the state folder, where there is one, so that a restart or an upgrade of the
daemon revives none. Without that folder they are forgotten when the daemon ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from pathlib import Path

import msgspec

from swapd import threads
from swapd.web.session import nonce_of, until_of

log = logging.getLogger("swapd")
FILE = "sessions.json"
MOST = 1000
"""Sessions. Beyond that the oldest are forgotten, and with them every session that is as old ends."""
PATIENCE = 5.0
"""Seconds that a log-out waits for the disk."""
LARGEST = 1 << 20
"""Bytes of the file that are read: more is not ours."""


class _Kept(msgspec.Struct):
    """The file: nonces with the second since 1970 at which each session is too old anyhow."""

    ended: dict[str, int] = {}
    before: int = 0
    """Those that would be too old by then are ended, whatever they are called."""


class Ended:
    """``folder``: where the file lies; None if there is none. Reads it, so it blocks for a moment."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / FILE
        self._writing = threading.Lock()
        self._kept = _Kept() if self._path is None else _read(self._path)

    def holds(self, session: str) -> bool:
        """Whether that one, which its seal knows, has ended."""
        return nonce_of(session) in self._kept.ended or until_of(session) <= self._kept.before

    async def end(self, session: str, now: float) -> None:
        """It opens nothing from now on. ``now`` is seconds since 1970."""
        found = self._kept.ended | {nonce_of(session): until_of(session)}
        oldest_first = sorted(found, key=found.__getitem__)
        kept = [nonce for nonce in oldest_first if found[nonce] > now][-MOST:]
        # What is too old by itself is told by its age, too: a clock may be set back.
        forgotten = [found[nonce] for nonce in oldest_first[: len(found) - len(kept)]]
        self._kept = _Kept({nonce: found[nonce] for nonce in kept}, max([self._kept.before, *forgotten]))
        if self._path is not None:
            await self._save(self._path)

    async def _save(self, path: Path) -> None:
        """Never raises: on a full disk it is remembered for as long as the daemon runs."""
        try:
            async with asyncio.timeout(PATIENCE):
                await threads.run(self._write, path)
        except OSError as error:  # a TimeoutError is one
            why = "its folder does not answer" if isinstance(error, TimeoutError) else error
            log.warning("cannot keep that a session has ended: %s; a restart forgets it", why)

    def _write(self, path: Path) -> None:
        """What is to be kept by now: of two that hung, the later may come first. Raises OSError. Blocks."""
        with self._writing:
            draft = path.with_name(f"{path.name}.new")
            draft.unlink(missing_ok=True)
            with open(draft, "xb", opener=_ours) as file:
                file.write(msgspec.json.encode(self._kept))
            draft.replace(path)


def _read(path: Path) -> _Kept:
    """What is not there, or not ours, is nothing."""
    try:
        with open(path, "rb", opener=_ours) as file:
            return msgspec.json.decode(file.read(LARGEST), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, ValueError, RecursionError) as error:
        log.warning("cannot read %s: %s; sessions that were logged out of may be good again", path, error)
        return _Kept()


def _ours(path: str, flags: int) -> int:
    """A pipe is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK, 0o600)
