"""What the engines wrote: a ring of lines per model, bounded in bytes, that nobody can block.

Lines are split here and not by asyncio's StreamReader, which raises on a long line and loses it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from swapd.engines.news import News

KEEP = 512 << 10
"""Bytes of lines kept per model."""
OVERHEAD = 64
"""What a line costs besides its text: a flood of empty lines must not grow without bound either."""
LONGEST = 16 << 10
"""Bytes of one line; the rest of it is cut off."""
AT_ONCE = 64 << 10
"""Bytes read per turn of the loop, so that a chatty engine does not starve the others."""
LAST_TURNS = 32
"""Reads after the end: more than a pipe holds, and a bound if somebody who got away still writes."""
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
        self._size += len(line) + OVERHEAD
        while self._size > KEEP:
            self._size -= len(self._lines.popleft()) + OVERHEAD
        for reader in self._readers:
            reader.give(line)

    def tail(self, n: int) -> list[str]:
        """The last ``n`` lines."""
        return list(self._lines)[-n:] if n > 0 else []

    def since(self, heading: str) -> list[str]:
        """The lines from the first one on that begins with ``heading``; all of them if it was dropped."""
        lines = list(self._lines)
        first = next((n for n, line in enumerate(lines) if line.startswith(heading)), 0)
        return lines[first:]

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[str]]:
        """The lines written from now on."""
        reader = _Reader()
        self._readers.add(reader)
        try:
            yield reader.lines()
        finally:
            self._readers.discard(reader)

    def end(self) -> None:
        """Whoever reads gets what there is, and is through."""
        for reader in self._readers:
            reader.end()


class _Reader:
    """A follower with a queue of its own: being slow costs only itself."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._dropped = 0
        self._news = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def give(self, line: str) -> None:
        if len(self._queue) >= WAITING:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(line)
        self._news.set()

    async def lines(self) -> AsyncIterator[str]:
        ended = False
        while not ended:
            await self._news.wait()
            self._news.clear()
            ended = self._ended
            if self._dropped:
                yield f"({self._dropped} lines dropped: this reader is too slow)"
                self._dropped = 0
            while self._queue:
                yield self._queue.popleft()


class Lines:
    """Cuts a stream of bytes into lines, none longer than LONGEST; the rest of a longer one is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._cutting = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._cutting and lines:  # the tail of a line whose beginning is out already
            del lines[0]
            self._cutting = False
        if self._cutting:
            self._rest = b""
        elif len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest, self._cutting = b"", True
        return [_text(line) for line in lines]

    def end(self) -> list[str]:
        """The last line, if no newline came after it."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(raw: bytes) -> str:
    text = raw[:LONGEST].decode(errors="replace").rstrip("\r")
    return text if len(raw) <= LONGEST else f"{text} (cut: the line is longer)"


class Capture:
    """Reads one run's pipe for as long as it is open, and remembers the run's own last lines."""

    def __init__(self, book: LogBook, fd: int, tail: int = 20) -> None:
        """``fd`` is its own from now on, whatever it raises: OSError where the kernel watches no more for us."""
        self._book = book
        self._fd: int | None = fd
        self._lines = Lines()
        self.last: deque[str] = deque(maxlen=tail)
        loop = asyncio.get_running_loop()
        self.news = News(loop.time)
        os.set_blocking(fd, False)
        try:
            loop.add_reader(fd, self._read, fd)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Take what is there still, and let go. A grandchild may hold the other end for ever."""
        for _ in range(LAST_TURNS):
            if self._fd is None or not self._read(self._fd):
                break
        self._end()

    def _read(self, fd: int) -> bool:
        """One turn; whether there may be more right now."""
        try:
            data = os.read(fd, AT_ONCE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._end()
            return False
        self._take(self._lines.feed(data))
        self.news.heard()
        return True

    def _take(self, lines: list[str]) -> None:
        self.last.extend(lines)
        for line in lines:
            self._book.write(line)

    def _end(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
            self._take(self._lines.end())
