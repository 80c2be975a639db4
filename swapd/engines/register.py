"""The record as it is kept while we live: written in a thread, soon after each change.

What is not written yet, or cannot be, is found by the marks in its environment, and stopped.
"""

from __future__ import annotations

import asyncio
import logging
import threading

import msgspec

from swapd import tasks, threads
from swapd.core.engine import RunId
from swapd.engines.house import House
from swapd.engines.record import NAME, Entry, write

log = logging.getLogger("swapd")
AGAIN = 2.0
"""Seconds until it is tried again, where the disk would not take it."""


class Register:
    """The living engines of this daemon."""

    def __init__(self, home: House) -> None:
        """One without a folder keeps no record."""
        self._home = home
        self._entries: dict[RunId, Entry] = {}
        self._dirty = False
        self._failed = False
        self._writing: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Write that nothing is known yet: whatever was there before is of no use any more."""
        self._changed()

    def put(self, entry: Entry) -> None:
        """It lives."""
        self._entries[entry.run] = entry
        self._changed()

    def ready(self, run: RunId) -> None:
        """It answered."""
        if (entry := self._entries.get(run)) is not None and not entry.ready:
            self._entries[run] = msgspec.structs.replace(entry, ready=True)
            self._changed()

    def leaving(self, run: RunId) -> None:
        """It was told to go: whoever comes after us does not count on it."""
        if (entry := self._entries.get(run)) is not None and not entry.leaving:
            self._entries[run] = msgspec.structs.replace(entry, leaving=True)
            self._changed()

    def drop(self, run: RunId) -> None:
        """It is gone."""
        if self._entries.pop(run, None) is not None:
            self._changed()

    def flush(self) -> None:
        """Write what is not written yet; after that nothing is, unless something changes. Blocks."""
        if self._home.folder is not None:
            self._save()

    async def aclose(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        self.flush()

    def _changed(self) -> None:
        self._dirty = self._home.folder is not None
        if self._dirty and self._writing is None:
            self._writing = tasks.spawn(self._write(), name="write the record of engines")

    async def _write(self) -> None:
        try:
            while self._dirty:
                await threads.run(self._save)
                if self._failed:
                    await asyncio.sleep(AGAIN)
        finally:
            self._writing = None

    def _save(self) -> None:
        """One at a time: an older state must not come after a newer one."""
        with self._lock:
            if not self._dirty:
                return
            self._dirty = False
            try:
                write(self._home, list(self._entries.values()))
            except OSError as error:
                self._dirty = True
                self._tell(error)
            else:
                self._failed = False

    def _tell(self, error: OSError) -> None:
        """Once, until it works again."""
        if not self._failed:
            self._failed = True
            where = self._home.folder and self._home.folder / NAME
            log.warning("cannot write %s: %s; engines would not outlive this daemon", where, error.strerror)
