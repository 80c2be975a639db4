"""One reader of ``/admin/live``: what it has got, and so what it is still to get."""

from __future__ import annotations

from swapd.web.events import Feed, lost_words
from swapd.web.gate import History
from swapd.web.live_shown import Shown, frame


class Reader:
    """Takes what is new when it has taken what was: so it costs no memory, however slow it is."""

    def __init__(self, feed: Feed, history: History | None, tail: int) -> None:
        self._feed = feed
        self._history = history
        self._version: int | None = None
        self._told = max(0, feed.told.next - tail)
        self._answered = history.answered if history is not None else 0

    def news(self, shown: Shown) -> bytes:
        """All frames since the last time; empty if there is nothing new."""
        version, self._version = self._version, shown.version
        return shown.frame(version) + self._tellings() + self._rows()

    def _tellings(self) -> bytes:
        told, lost = self._feed.told.since(self._told)
        self._told = self._feed.told.next
        bodies = [self._feed.worded(*entry) | {"level": entry[1].level} for entry in told]
        if lost:
            bodies.insert(0, lost_words(lost) | {"level": "warning"})
        return b"".join([frame("told", body) for body in bodies])

    def _rows(self) -> bytes:
        if self._history is None or self._history.answered == self._answered:
            return b""
        rows, skipped = self._history.rows(self._answered)
        self._answered = self._history.answered
        return frame("answered", {"requests": rows, "skipped": skipped})
