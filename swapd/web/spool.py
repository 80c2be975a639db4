"""Where an upload lies until its engine is there: in memory while it is small, then on disk and under no name.

A file without a name is gone with whoever holds it, however that ends. It lies below the state folder, because the
usual folder for such files may be memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from swapd.web.errors import NO_STORAGE, Problem

log = logging.getLogger("swapd")
HELD = 1 << 20
"""Bytes of an upload that are held in memory."""
PIECE = 1 << 20
"""Bytes that are written and read at once."""
Part = bytes | range
"""Bytes as they are, or the bytes of the spool from one place up to another."""


class Spool:
    """One upload, in ``folder`` if it is large. To be closed. Files block: all but ``close`` is for threads."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=HELD, dir=str(folder))  # noqa: SIM115  (close)

    def add(self, data: bytes) -> None:
        """More of it. Raises Problem (507)."""
        with self._on_disk():
            if self.size <= HELD < self.size + len(data):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.write(data)
        self.size += len(data)

    def finish(self) -> None:
        """That was all. Raises Problem (507)."""
        with self._on_disk():
            self._file.flush()

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from ``start`` on. Raises Problem (507)."""
        with self._on_disk():
            self._file.seek(start)
            return self._file.read(size)

    def close(self) -> None:
        """Give the room back, in a thread of its own: to free gigabytes takes a while."""
        asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # what it could not write is not wanted any more
            self._file.close()

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            log.warning("cannot keep an upload in %s: %s", self._folder, why)
            text = f"cannot keep the upload: {why}; make room where state_dir is, or choose another state_dir"
            raise Problem(NO_STORAGE, text, headers={"x-should-retry": "false"}) from None


class Spooled:
    """The body that an engine is sent of a spool: ``parts``, one after the other; an ``Upload``.

    ``renamed``: the parts for an engine that has another name for the model.
    """

    def __init__(self, spool: Spool, parts: Sequence[Part], renamed: Callable[[bytes], Sequence[Part]]) -> None:
        self.sent = False
        self._spool = spool
        self._parts = parts
        self._renamed = renamed

    @property
    def length(self) -> int:
        """Bytes."""
        return sum(len(part) for part in self._parts)

    def named(self, model: str) -> Spooled:
        """The same with the engine's name for the model."""
        return Spooled(self._spool, self._renamed(model.encode()), self._renamed)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """All of it, from the start. Raises Problem (507)."""
        self.sent = False
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            for start in range(part.start, part.stop, PIECE):
                yield await asyncio.to_thread(self._spool.read, start, min(PIECE, part.stop - start))
        self.sent = True
