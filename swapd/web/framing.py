"""Where the body of an answer ends (RFC 9112, 6.3), told while its bytes pass and without taking them apart.

Each framing has ``take(data)``: the part of ``data`` that goes to the client, as it came, and after it ``over``
and ``extra`` (whether something came after the end, which nobody asked for).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from swapd.web.heads import ALIKE, LONGEST, Malformed, Status, fields

_NEXT = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_USUAL = {line: len(line) + length for length in range(16, 1024) if (line := b"\r\n%x\r\n" % length)}
"""Size lines of chunks as long as a token's event -> bytes of line and data: found in a quarter of the time."""
LAST_CHUNK = b"0\r\n\r\n"
_LONGEST_LINE = 4096
"""Bytes that the line of a chunk's size may have, extensions included."""
_NUMBER = re.compile(rb"[0-9]{1,18}")
_MOST_PADDING = 1 << 16
"""Bytes with which a broken chunk is filled up at most."""


class Framing(Protocol):
    """A body, while it passes."""

    over: bool
    extra: bool

    def take(self, data: bytes) -> bytes:
        """What of ``data`` is the client's. Raises Malformed."""

    def at_eof(self) -> bytes | None:
        """The engine has closed: what tells the client that this is the body's end. None if it is not."""

    def ended_with(self, last: bytes) -> bytes | None:
        """After a cut: what the client must get to read ``last`` after what it has, and then the end.

        None if that cannot be done.
        """


class Counted:
    """So many bytes."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._left = length
        self.over = length == 0
        self.extra = False

    def take(self, data: bytes) -> bytes:
        """Everything, up to the end."""
        self._left -= len(data)
        if self._left > 0:
            return data
        self.over = True
        if self._left == 0:
            return data
        self.extra = True
        return data[: self._left]

    def at_eof(self) -> bytes | None:
        """It was cut."""
        return None

    def ended_with(self, last: bytes) -> bytes | None:
        """It had to be so long, and no longer."""
        return None


class UntilClose:
    """Until the engine closes; and the client's connection is closed then too."""

    over = False
    extra = False

    def take(self, data: bytes) -> bytes:
        """Everything."""
        return data

    def at_eof(self) -> bytes | None:
        """That is how it ends."""
        return b""

    def ended_with(self, last: bytes) -> bytes | None:
        """As it is."""
        return last


class Enchunked(UntilClose):
    """Until the engine closes; in chunks for the client, who can tell a cut from an end by them."""

    def take(self, data: bytes) -> bytes:
        """All that came, as one chunk."""
        return b"%x\r\n%s\r\n" % (len(data), data)

    def at_eof(self) -> bytes | None:
        """That is how it ends: say so."""
        return LAST_CHUNK

    def ended_with(self, last: bytes) -> bytes | None:
        """One chunk more."""
        return self.take(last) + LAST_CHUNK


class Chunked:
    """Chunks, passed on with their sizes. Trailers are left out.

    Each size line is read together with the line break before it, the one that ends the chunk before; so the
    first is read as if such a line break had come. A size is passed on when it is whole, and the end of the body
    when that is: whatever is cut can then be mended.
    """

    def __init__(self) -> None:
        self.over = False
        self.extra = False
        self._left = 0  # bytes of the present chunk's data that are still to come
        self._line = b"\r\n"  # what has come of a line break and size line that are not whole yet
        self._last = False  # the last chunk's size line has come: trailers follow

    def take(self, data: bytes) -> bytes:
        """The bytes as they are."""
        if self._last:
            return self._end(data)
        text, at = self._line + data, self._left
        passed, size = min(len(self._line), 2), len(text)
        while at < size:
            usual = _USUAL.get(text[at : at + 6]) or _USUAL.get(text[at : at + 7])
            if usual is not None:
                at += usual
                continue
            found = _NEXT.match(text, at)
            if found is None:
                return self._halt(text, passed, at)
            length = int(found[1], 16)
            if length == 0:
                self._last, self._left, self._line = True, 0, b""
                return text[passed : at + 2] + self._end(text[found.end() :])
            at = found.end() + length
        self._line, self._left = b"", at - size
        return text[passed:]

    def _halt(self, text: bytes, passed: int, at: int) -> bytes:
        """The text ends amidst a line break and size line. Raises Malformed if no size can come of it."""
        line = self._line = text[at:]
        self._left = 0
        if line == b"\r\n":
            return text[passed:]
        if not b"\r\n".startswith(line[:2]) or b"\n" in line[2:] or len(line) > _LONGEST_LINE:
            raise Malformed("a chunk has a malformed size")
        return text[passed : at + 2]

    def _end(self, data: bytes) -> bytes:
        """Wait for the blank line after the trailers."""
        self._line += data
        if self._line.startswith(b"\r\n"):
            end = 2
        elif (found := self._line.find(b"\r\n\r\n")) >= 0:
            end = found + 4
            fields(self._line[: end - 2])
        elif len(self._line) > LONGEST:
            raise Malformed("the trailers are too long")
        else:
            return b""
        self.over, self.extra = True, len(self._line) > end
        return LAST_CHUNK

    def pending(self, data: bytes) -> tuple[bytes, int]:
        """``data`` after what is not whole yet, and how many bytes of that belong to the chunk under way."""
        return (b"", 0) if self._last else (self._line + data, self._left)

    def at_eof(self) -> bytes | None:
        """It was cut."""
        return None

    def ended_with(self, last: bytes) -> bytes | None:
        """The chunk under way filled up with line breaks, one chunk more, the end."""
        if self._left > _MOST_PADDING:
            return None
        passed = 2 if self._last else len(self._line[:2])
        filled = b"\n" * self._left + b"\r\n"[passed:]
        return b"%s%x\r\n%s\r\n%s" % (filled, len(last), last, LAST_CHUNK)


class Unchunked:
    """The data of chunks alone, for whoever does not speak of chunks."""

    def __init__(self) -> None:
        self._chunks = Chunked()
        self.over = False
        self.extra = False

    def take(self, data: bytes) -> bytes:
        """The data among ``data``."""
        text, left = self._chunks.pending(data)
        self._chunks.take(data)
        self.over, self.extra = self._chunks.over, self._chunks.extra
        return b"".join(_payload(text, left))

    def at_eof(self) -> bytes | None:
        """It was cut."""
        return None

    def ended_with(self, last: bytes) -> bytes | None:
        """As it is: the connection's end is the body's."""
        return last


def _payload(text: bytes, left: int) -> Iterator[bytes]:
    """The data of the chunks of a text that begins with ``left`` bytes of data, or with a line break."""
    yield text[:left]
    while (found := _NEXT.match(text, left)) is not None:
        left = found.end() + int(found[1], 16)
        yield text[found.end() : left]


def of_answer(head: Status, method: str, *, upgrade: bool = False) -> Framing:
    """How the body that follows ``head`` ends. Raises Malformed where the head contradicts itself.

    ``upgrade``: the engine was asked to switch protocols; then what follows is neither's but the client's.
    """
    if head.code == 101:
        if not upgrade:
            raise Malformed("it switched protocols, which nobody asked it to do")
        return UntilClose()
    chunked, length = _said(head)
    if method == "HEAD" or head.code in (204, 304):
        return Counted(0)
    if chunked:
        return Chunked()
    return Counted(length) if length is not None else Enchunked()


@lru_cache(maxsize=ALIKE)
def _said(head: Status) -> tuple[bool, int | None]:
    """Whether it is chunked, and its length in bytes; None if that is not said."""
    coding, lengths = head.tokens(b"transfer-encoding"), set(head.tokens(b"content-length"))
    if coding and (coding != [b"chunked"] or lengths or head.minor == 0):
        raise Malformed("it framed its answer in a way that nobody can trust")
    if len(lengths) > 1 or not all(_NUMBER.fullmatch(length) for length in lengths):
        raise Malformed("its Content-Length makes no sense")
    return bool(coding), int(lengths.pop()) if lengths else None


def plain(body: Framing) -> Framing:
    """The same without chunks. To be had before anything of it was taken."""
    if isinstance(body, Chunked):
        return Unchunked()
    return UntilClose() if isinstance(body, Enchunked) else body
