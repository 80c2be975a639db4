"""What the engines wrote: a ring of lines per model, bounded in bytes, that nobody can block.

Lines are split here and not by asyncio's StreamReader, which raises on a long line and loses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

KEEP = 512 << 10
"""Bytes of lines kept per model."""
LONGEST = 16 << 10
"""Bytes of one line; the rest of it is cut off."""
AT_ONCE = 64 << 10
"""Bytes read per turn of the loop, so that a chatty engine does not starve the others."""
WAITING = 1000
"""Lines kept for one slow reader; older ones are dropped, and counted."""


class LogBook:
    """One model's lines, over all of its runs."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._readers: set[_Reader] = set()

    def write(self, line: str) -> None:
        """Add a line; the oldest ones give way."""
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > KEEP:
            self._size -= len(self._lines.popleft()) + 1
        for reader in self._readers:
            reader.give(line)

    def tail(self, n: int) -> list[str]:
        """The last ``n`` lines."""
        return list(self._lines)[-n:] if n > 0 else []

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[str]]:
        """The lines written from now on."""
        reader = _Reader()
        self._readers.add(reader)
        try:
            yield reader.lines()
        finally:
            self._readers.discard(reader)


class _Reader:
    """A follower with a queue of its own: being slow costs only itself."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._dropped = 0
        self._news = asyncio.Event()

    def give(self, line: str) -> None:
        if len(self._queue) >= WAITING:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(line)
        self._news.set()

    async def lines(self) -> AsyncIterator[str]:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._dropped:
                yield f"({self._dropped} lines dropped: this reader is too slow)"
                self._dropped = 0
            while self._queue:
                yield self._queue.popleft()


class Capture:
    """Reads one run's pipe for as long as it is open, and remembers the run's own last lines."""

    def __init__(self, book: LogBook, fd: int, tail: int = 20) -> None:
        self._book = book
        self._fd = fd
        self._part = b""
        self._cutting = False
        self.last: deque[str] = deque(maxlen=tail)
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def close(self) -> None:
        """Take what is there still, and let go. A grandchild may hold the other end for ever."""
        if self._fd < 0:
            return
        while self._read():
            pass
        self._end()

    def _read(self) -> bool:
        """One turn; whether there may be more right now."""
        if self._fd < 0:
            return False
        try:
            data = os.read(self._fd, AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._end()
            return False
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(self._part + line)
            self._part = b""
        self._part += rest
        if len(self._part) > LONGEST:
            if not self._cutting:
                self._line(self._part)
            self._part, self._cutting = b"", True
        return True

    def _line(self, raw: bytes) -> None:
        if self._cutting:  # the tail of a line whose beginning is out already
            self._cutting = False
            return
        text = raw[:LONGEST].decode(errors="replace").rstrip("\r")
        if len(raw) > LONGEST:
            text += " (cut: the line is longer)"
        self.last.append(text)
        self._book.write(text)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -1
        if self._part:
            self._line(self._part)
            self._part = b""
