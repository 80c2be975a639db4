"""What the engines wrote: a ring of lines per model, bounded in bytes, that nobody can block.

Lines are split here and not by asyncio's StreamReader, which raises on a long line and loses it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from swapd.engines.news import News

if TYPE_CHECKING:
    from swapd.engines.output import Output

KEEP = 512 << 10
"""Bytes of lines kept per model."""
OVERHEAD = 64
"""What a line costs besides its text: a flood of empty lines must not grow without bound either."""
LONGEST = 16 << 10
"""Bytes of one line; the rest of it is cut off."""
OURS = "--- "
"""How lines of the daemon's own begin, in the book and in the files."""
LAST = 100
"""A run's own last lines, by which its end is explained: the cause may stand above a page of usage."""
WAITING = 1000
"""Lines kept for one slow reader; older ones are dropped, and counted."""
QUIET = 15.0
"""Seconds without a line after which a reader is told so: it may have no right to more by then."""


class LogBook:
    """One model's lines, over all of its runs."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._readers: set[_Reader] = set()

    def write(self, *lines: str) -> None:
        """Add lines; the oldest ones give way."""
        for reader in self._readers:
            for line in lines:
                reader.give(line)
        kept = lines[-KEEP // OVERHEAD :]  # more do not fit, however short: a flood of them must not cost its time
        self._lines.extend(kept)
        self._size += sum(map(len, kept)) + OVERHEAD * len(kept)
        while self._size > KEEP:
            self._size -= len(self._lines.popleft()) + OVERHEAD

    def tail(self, n: int) -> list[str]:
        """The last ``n`` lines."""
        return list(self._lines)[-n:] if n > 0 else []

    def since(self, heading: str) -> list[str]:
        """The lines from the first one on that begins with ``heading``; all of them if it was dropped."""
        lines = list(self._lines)
        first = next((n for n, line in enumerate(lines) if line.startswith(heading)), 0)
        return lines[first:]

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[str | None]]:
        """The lines written from now on; None whenever there was none for QUIET."""
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

    async def lines(self) -> AsyncIterator[str | None]:
        ended = False
        while not ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET):
                    await self._news.wait()
            if not self._news.is_set():
                yield None
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

    @property
    def inside(self) -> bool:
        """Whether the last piece ended within a line."""
        return self._cutting or bool(self._rest)

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
            self.skip()
        return [_text(line) for line in lines]

    def skip(self) -> None:
        """What comes next is the rest of a line that is not wanted."""
        self._rest, self._cutting = b"", True

    def end(self) -> list[str]:
        """The last line, if no newline came after it; one that comes later ends no other."""
        rest, self._rest = self._rest, b""
        if rest:
            self._cutting = True
        return [_text(rest)] if rest else []


def _text(raw: bytes) -> str:
    text = raw[:LONGEST].decode(errors="replace").rstrip("\r")
    return text if len(raw) <= LONGEST else f"{text} (cut: the line is longer)"


class Capture:
    """Hears what one run writes, and remembers the last lines of it.

    ``news`` hears each piece as it comes; lines go to ``book`` once, however many listen to the same output.
    """

    def __init__(self, book: LogBook, output: Output, tail: int = LAST, *, from_start: bool = False) -> None:
        """``output`` stays its owner's. Raises OSError.

        ``from_start``: for an engine that was adopted, the book is filled from what its file holds first.
        """
        self.book = book
        self.last: deque[str] = deque(maxlen=tail)
        self.news = News(asyncio.get_running_loop().time)
        self._stop = output.tell(self, past=from_start)

    def take(self, lines: list[str]) -> None:
        """Remember what the run wrote; whoever calls this writes all to the book."""
        latest = lines[-2 * (self.last.maxlen or 0) :]  # most of a flood is not looked at
        self.last.extend(line for line in latest if not line.startswith(OURS))

    def close(self) -> None:
        """Take what is there still, and let go. Harmless twice."""
        self._stop()
