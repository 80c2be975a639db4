"""An answer of an engine that is for ourselves."""

from __future__ import annotations

from swapd.web.flow import Source

LONGEST = 1 << 20
"""Bytes that are kept of it as a rule; nothing that we ask for is near that."""


class Page:
    """A sink that keeps what it is given, up to ``most`` bytes; ``cut`` if there was more."""

    def __init__(self, most: int = LONGEST) -> None:
        self.text = bytearray()
        self.cut = False
        self._most = most

    def attach(self, source: Source | None) -> None:
        """It is never full."""

    def write(self, data: bytes) -> None:
        """Kept, as far as there is room."""
        room = self._most - len(self.text)
        self.cut = self.cut or len(data) > room
        self.text += data[:room]

    def unsent(self) -> int:
        """It is never full."""
        return 0

    def reset(self) -> None:
        """It is never full."""
