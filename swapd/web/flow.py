"""What flows over a wire: who pours and who takes, an answer on its way, and a body that goes out in pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from swapd.web.framing import Framing

PIECES = 6
"""The first, and the last so many pieces of a body are kept: there it says what it cost."""
KEPT = 8192
"""Bytes of each of them."""


class Source(Protocol):
    """What pours, as its sink sees it."""

    def pause(self) -> None:
        """Pour no more for now."""

    def resume(self) -> None:
        """Pour on."""


class Sink(Protocol):
    """Whoever a body is poured to."""

    def attach(self, source: Source | None) -> None:
        """From now on ``source`` is told when to pause; None: nobody is."""

    def write(self, data: bytes) -> None:
        """Take a piece."""

    def unsent(self) -> int:
        """Bytes that it has not taken yet."""

    def reset(self) -> None:
        """It takes nothing any more: break with it."""


class Pour:
    """An answer's body on its way to ``sink``."""

    __slots__ = ("body", "first", "idle", "last", "paused", "sink", "unsent")

    def __init__(self, body: Framing, sink: Sink, idle: float | None) -> None:
        self.body = body
        self.sink = sink
        self.idle = idle
        self.paused = False
        self.unsent = 0
        self.first = b""
        self.last: deque[bytes] = deque(maxlen=PIECES)

    def keep(self, piece: bytes) -> None:
        """One more."""
        self.last.append(piece[-KEPT:])
        if not self.first:
            self.first = piece[:KEPT]


class Upload(Protocol):
    """The body of a request that is too large to be held: it is read while it is sent."""

    sent: bool
    """Whether an engine was given all of it."""

    @property
    def length(self) -> int:
        """Bytes."""

    def named(self, model: str) -> Upload:
        """The same for an engine that has another name for the model."""

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """All of it, from the start, however often it is asked for."""


class Sending:
    """An upload on its way to an engine. ``idle``: seconds within which it has to take something."""

    __slots__ = ("_wake", "full", "idle", "unsent")

    def __init__(self, idle: float | None, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.idle = idle
        self.full = False
        self.unsent = 0

    def pause(self) -> None:
        """The engine has not taken the last piece yet."""
        self.full = True

    def resume(self) -> None:
        """It has."""
        self.full = False
        self._wake()
