"""A stream of an engine's as it passes through a translation: events in, the client's pieces out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from swapd.web.flow import KEPT
from swapd.web.framing import Framing
from swapd.web.heads import Malformed
from swapd.web.translation import Translation

DONE = b"[DONE]"
LONGEST = 16 << 20
"""Bytes that one event may have."""
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
_LONGEST_END = 3
"""Bytes of an end that may have come without its last one."""
_LINE = re.compile(rb"\r\n|\n|\r")
_ERROR = re.compile(rb'\s*\{\s*"error"\s*:')


class Unsayable(Malformed):
    """The engine's stream makes no sense, or says itself that it failed. ``told``: what came before that."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.told = b""


class Translated:
    """A plain body, translated. ``first`` and ``last``: what the engine sent at its beginning and its end."""

    def __init__(self, body: Framing, translation: Translation) -> None:
        self._body = body
        self._translation = translation
        self._got = b""
        self._seen = 0  # bytes of it in which no event ends
        self._complete = False
        self.over = False
        self.extra = False
        self.first = b""
        self.last = b""

    def take(self, data: bytes) -> bytes:
        """What the client gets for ``data``; may be nothing. Raises Malformed."""
        piece = self._body.take(data)
        self.first = self.first or piece[:KEPT]
        self.last = (self.last + piece)[-KEPT:]
        self._got += piece
        told: list[bytes] = []
        try:
            told.extend(self._told())
            if self._body.over:
                told.append(self._end())
        except Unsayable as error:
            error.told = b"".join(told)
            raise
        return b"".join(told)

    def at_eof(self) -> bytes | None:
        """The engine has closed, where that is how it ends; a stream that was not complete was cut."""
        return None if self._body.at_eof() is None or not self._complete else self._end()

    def ended_with(self, last: bytes) -> bytes | None:
        """As it is, without the blank lines that would end half an event: no piece of ours is half a one."""
        return last.lstrip(b"\n")

    def _told(self) -> Iterator[bytes]:
        """Event for event, each once it is whole. Raises Unsayable."""
        at = 0
        for end in _END.finditer(self._got, self._seen):
            data = _data(self._got[at : end.start()])
            at = end.end()
            if data == DONE:
                self._complete = True
            elif data and not self._complete:
                yield self._event(data)
        self._got = self._got[at:]
        self._seen = max(0, len(self._got) - _LONGEST_END)
        if len(self._got) > LONGEST:
            raise Unsayable(f"an event of its stream has more than {LONGEST >> 20} MiB")

    def _event(self, data: bytes) -> bytes:
        if _ERROR.match(data):
            raise Unsayable(f"it says that it failed: {message_of(data)}")
        try:
            return self._translation.event(data)
        except (ValueError, RecursionError) as error:
            raise Unsayable(f"its stream makes no sense: {error}") from None

    def _end(self) -> bytes:
        self.over, self.extra = True, self._body.extra
        if not self._complete:
            raise Unsayable("its stream ended without [DONE]")
        return self._translation.end()


def message_of(error: bytes) -> str:
    """What an error says in OpenAI's shape, or in SGLang's (``message``) or FastAPI's (``detail``)."""
    try:
        said = msgspec.json.decode(error)
        for key in ("error", "message", "detail"):
            if isinstance(said, dict) and said.get(key):
                said = said[key]
        return said if isinstance(said, str) else msgspec.json.encode(said).decode()
    except (msgspec.DecodeError, RecursionError):
        return error[:200].decode(errors="replace")


def _data(event: bytes) -> bytes:
    """The data of an event, by the rules of Server-Sent Events."""
    lines = (line.partition(b":") for line in _LINE.split(event))
    return b"\n".join(text.removeprefix(b" ") for name, _, text in lines if name == b"data")
