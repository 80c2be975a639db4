"""The frames of a websocket (RFC 6455, 5.2) on their way from an engine: passed on as they are.

It is only told where one ends, so that one of ours may follow: to say that we go.
"""

from __future__ import annotations

from swapd.web.framing import UntilClose

GOING_AWAY = b"\x88\x02\x03\xe9"
"""A whole frame: close, with the code 1001 (7.4.1)."""
_MASKED = 0x80
_LONGER = {126: 2, 127: 8}
"""What stands for a length -> bytes of that length, which follow."""


class Frames(UntilClose):
    """Until the engine closes."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0  # bytes of the frame under way, once its head is there

    def take(self, data: bytes) -> bytes:
        """Everything."""
        at = 0
        while at < len(data):
            if self._left:
                passed = min(self._left, len(data) - at)
                self._left -= passed
                at += passed
            else:
                self._head += data[at : at + 1]
                at += 1
                self._begin()
        return data

    def ended_with(self, last: bytes) -> bytes | None:
        """Between two frames only."""
        return None if self._head or self._left else last

    def _begin(self) -> None:
        """With a frame, if its head is whole."""
        head = self._head
        if len(head) < 2:
            return
        short = head[1] & ~_MASKED
        longer = _LONGER.get(short, 0)
        if len(head) == 2 + longer:
            self._left = (int.from_bytes(head[2:]) if longer else short) + (4 if head[1] & _MASKED else 0)
            self._head = b""
