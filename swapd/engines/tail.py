"""The end of a file that grows: read piece by piece, cut into lines, skipped where nobody can keep up."""

from __future__ import annotations

import os

from swapd.engines.logs import Lines

AT_ONCE = 64 << 10
"""Bytes read per turn of the loop, so that a chatty engine does not starve the others."""


class Tail:
    """Begins at the present end of the file behind ``fd``, which stays its owner's. What reads raises OSError."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lines = Lines()
        self.at = self.size()
        """Bytes read, or skipped, since the file's beginning."""

    def size(self) -> int:
        """Bytes that the file has."""
        return os.fstat(self.fd).st_size

    @property
    def inside(self) -> bool:
        """Whether what was read ends within a line."""
        return self._lines.inside

    def ahead(self) -> int:
        """Bytes that were not read yet. A file that somebody cut is new from its beginning."""
        if (size := self.size()) < self.at:
            self.at = 0
        return size - self.at

    def read(self) -> list[str] | None:
        """One piece: the lines that it completes, maybe none; None if there is nothing new."""
        self.ahead()
        data = os.pread(self.fd, AT_ONCE, self.at)
        self.at += len(data)
        return self._lines.feed(data) if data else None

    def back(self, last: int) -> int:
        """Go to the first line that begins within the ``last`` bytes; how many bytes that leaves out."""
        begin = max(self.size() - last, 0)
        skipped, self.at = begin - self.at, begin
        if begin:  # what precedes is read as well: if it ends a line, the next one is whole
            self.at -= 1
            self._lines.skip()
        return skipped

    def end(self) -> list[str]:
        """The last line, if no newline came after it."""
        return self._lines.end()

    def cut(self) -> None:
        """Empty the file."""
        os.ftruncate(self.fd, 0)
        self.at = 0
