"""What became of one request."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from swapd.core.text import one_line

LONGEST_DETAIL = 200
"""Characters of what a server said that are kept as an example."""


class Trouble(Exception):
    """The request failed. ``kind`` is one of few words, ``detail`` is what was seen, harmless and short."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = one_line(detail[:LONGEST_DETAIL])


@dataclass(slots=True)
class Times:
    """Moments of the monotonic clock. ``due``: when it was to be sent, from which everything is counted.

    ``first_byte`` is the end of the answer's head, or what follows on the comments of one that let us wait; the
    tokens are None where no delta had content.
    """

    due: float
    first_byte: float | None = None
    first_token: float | None = None
    last_token: float | None = None
    ended: float = 0.0


@dataclass(slots=True)
class Tokens:
    """How many: the server's own count, or else the events with content (``counted``), which may be fewer."""

    prompt: int | None = None
    completion: int | None = None
    counted: bool = False


@dataclass(slots=True)
class Notes:
    """What swapd says of a request: seconds in the queue and of loading, and which run of the engine it was."""

    queued: float | None = None
    loaded: float | None = None
    run: str | None = None


def notes_of(said: Mapping[str, str]) -> Notes:
    """From swapd's headers, or from the comments that it sends in their place where the head was out already."""
    if "X-Swapd-Run" not in said:
        return Notes()
    queued, loaded = (_milliseconds(said.get(f"X-Swapd-{what}-Ms", "")) for what in ("Queued", "Load"))
    return Notes(queued, loaded, f"{said.get('X-Swapd-Model', '')[:200]}#{said['X-Swapd-Run'][:20]}")


def _milliseconds(text: str) -> float | None:
    return int(text) / 1000 if text.isascii() and text.isdecimal() and len(text) < 12 else None


@dataclass(slots=True)
class Outcome:
    """One request, ended. ``gaps`` are the seconds between the arrivals of events with content."""

    model: str
    times: Times
    gaps: array[float] = field(default_factory=lambda: array("d"))
    tokens: Tokens = field(default_factory=Tokens)
    notes: Notes = field(default_factory=Notes)
    trouble: Trouble | None = None

    @property
    def total(self) -> float:
        """Seconds until its end (E2EL)."""
        return self.times.ended - self.times.due

    @property
    def first_byte(self) -> float | None:
        """Seconds until the head of the answer was there, or what came after comments (TTFB)."""
        return _since(self.times.due, self.times.first_byte)

    @property
    def first_token(self) -> float | None:
        """Seconds until the first delta with content (TTFT)."""
        return _since(self.times.due, self.times.first_token)

    @property
    def per_token(self) -> float | None:
        """Mean seconds from one token to the next after the first (TPOT); None with fewer than two."""
        first, last, count = self.times.first_token, self.times.last_token, self.tokens.completion
        if first is None or last is None or count is None or count < 2:
            return None
        return (last - first) / (count - 1)

    @property
    def speed(self) -> float | None:
        """Completion tokens a second, from the first to the last; of an answer in one piece over all its time."""
        if self.times.first_token is not None:
            return 1 / self.per_token if self.per_token else None
        return self.tokens.completion / self.total if self.tokens.completion and self.total > 0 else None


def _since(due: float, moment: float | None) -> float | None:
    return None if moment is None else moment - due
