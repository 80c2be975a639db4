"""Brings the annals over the end of a daemon, without the loop waiting for the disk."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

from swapd import tasks, threads
from swapd.history.history import History
from swapd.history.kept import Kept, Unreadable, read, write

log = logging.getLogger("swapd")
EVERY = 60.0
"""Seconds between two saves while something happens: so much may be missing after a daemon was killed."""
LAST_SAVE = 5.0
"""Seconds for one: the disk may be that of a dead server."""


class Keeper:
    """``folder``: the state folder; None where it is another daemon's. Nothing here raises."""

    def __init__(self, history: History, folder: Path | None) -> None:
        self._history = history
        self._folder = folder
        self._timer: asyncio.TimerHandle | None = None
        self._writing = threading.Lock()
        history.changed = self._soon

    async def bring(self) -> None:
        """What the last daemon left."""
        if self._folder is None:
            return
        try:
            kept = await threads.run(read, self._folder)
        except Unreadable as error:
            log.warning("%s; the past begins anew", error)
            return
        if kept is not None:
            self._history.recall(kept)

    def _soon(self) -> None:
        """There is more to be kept. Hot: a save follows within EVERY, and is the only one until then."""
        if self._timer is None and self._folder is not None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    def _due(self) -> None:
        self._timer = None
        tasks.spawn(self.save(), name="save the history")

    async def save(self) -> None:
        """Now; within LAST_SAVE, or not at all."""
        try:
            async with asyncio.timeout(LAST_SAVE):
                await threads.run(self._write, self._history.kept(), True)
        except TimeoutError:
            log.warning("cannot save the history: its folder does not answer; the past may begin anew")

    def save_at_once(self) -> None:
        """The same, while everybody waits; not while an earlier save still does: the folder may not answer."""
        self._write(self._history.kept(), False)

    def _write(self, kept: Kept, wait: bool) -> None:
        if self._folder is None or not self._writing.acquire(blocking=wait):
            return
        try:
            write(self._folder, kept)
        except (OSError, ValueError) as error:
            log.warning("cannot save the history: %s; the past may begin anew", error)
        finally:
            self._writing.release()
