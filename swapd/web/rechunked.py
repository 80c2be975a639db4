"""Chunks of our own: for a body that another framing was taken off, and for words that are not an engine's."""

from __future__ import annotations

from swapd.web.framing import LAST_CHUNK, Framing


def chunk(data: bytes) -> bytes:
    """One chunk; nothing for nothing, since an empty one would be the end."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


class Rechunked:
    """A plain body in chunks. Its client can be told more at any place, between two pieces."""

    def __init__(self, body: Framing) -> None:
        self._body = body
        self.over = body.over
        self.extra = False

    def take(self, data: bytes) -> bytes:
        """What of ``data`` is the client's, in a chunk; and the end, if that is it. Raises Malformed."""
        piece = self._body.take(data)
        self.over, self.extra = self._body.over, self._body.extra
        return chunk(piece) + LAST_CHUNK if self.over else chunk(piece)

    def at_eof(self) -> bytes | None:
        """The engine has closed: the end, if it may end so."""
        end = self._body.at_eof()
        return None if end is None else chunk(end) + LAST_CHUNK

    def ended_with(self, last: bytes) -> bytes | None:
        """One chunk more."""
        told = self._body.ended_with(last)
        return chunk(last if told is None else told) + LAST_CHUNK
