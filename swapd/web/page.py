"""An answer of an engine that is for ourselves."""

from __future__ import annotations

from swapd.web.wire import Source

LONGEST = 1 << 20
"""Bytes that are kept of it; nothing that we ask for is near that."""


class Page:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.text = bytearray()

    def attach(self, source: Source | None) -> None:
        """It is never full."""

    def write(self, data: bytes) -> None:
        """Kept, up to the LONGEST."""
        self.text += data[: LONGEST - len(self.text)]

    def unsent(self) -> int:
        """It is never full."""
        return 0

    def reset(self) -> None:
        """It is never full."""
