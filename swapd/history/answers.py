"""The requests that have ended: the last of them one by one, and how many there were of each model."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from swapd.core.answered import Answered
from swapd.core.ring import Ring

KEPT = 500
"""Requests that can be looked at."""
WINDOW = 60
"""Seconds of which the speed is told."""


Row = tuple[float, Answered]
"""With the moment, in seconds since 1970, at which the monotonic clock began."""


class _Second(NamedTuple):
    """Of the requests that ended in a monotonic second: tokens out, and the seconds that they took."""

    second: int
    tokens: int
    seconds: float


@dataclass(slots=True)
class _Tally:
    """Of one model, since the daemon began."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    lately: deque[_Second] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, row: Answered) -> None:
        self.requests += 1
        self.prompt += row.prompt or 0
        if row.completion:
            self.completion += row.completion
            self._written(int(row.ended), row.completion, row.total - row.queued)

    def _written(self, second: int, tokens: int, seconds: float) -> None:
        lately = self.lately
        if lately and lately[-1].second == second:
            _, before, until = lately.pop()
            tokens, seconds = before + tokens, until + seconds
        lately.append(_Second(second, tokens, seconds))

    def speed(self, now: float) -> float | None:
        """Tokens out a second, as those saw it on the whole who asked in the last minute; None if nobody did."""
        while self.lately and self.lately[0].second < now - WINDOW:
            self.lately.popleft()
        seconds = sum(second.seconds for second in self.lately)
        return round(sum(second.tokens for second in self.lately) / seconds, 1) if seconds > 0 else None


class Answers:
    """Of models only: what the operator asks of us is not written down."""

    def __init__(self) -> None:
        self._ring: Ring[Row] = Ring(KEPT)
        self._tallies: dict[str, _Tally] = {}

    def hear(self, rows: Sequence[Answered], zero: float, known: Container[str]) -> None:
        """They have ended. ``known``: the models of the config. ``zero``: as above."""
        self._ring.extend([(zero, row) for row in rows if row.model])
        for row in rows:
            if row.run is not None and row.model in known:
                tally = self._tallies.get(row.model)
                if tally is None:
                    tally = self._tallies[row.model] = _Tally()
                tally.add(row)

    def recall(self, rows: Sequence[Row]) -> None:
        """They ended before the daemon began: not counted, only shown."""
        self._ring.extend(rows)

    @property
    def count(self) -> int:
        """How many there were."""
        return self._ring.next

    def rows(self, at: int) -> tuple[list[dict[str, Any]], int]:
        """As JSON values, from number ``at`` on, and how many more there were than are kept."""
        found, skipped = self._ring.since(at)
        return [worded(row) for row in found], skipped

    @property
    def kept(self) -> list[Row]:
        """All that can be looked at."""
        return self._ring.since(0)[0]

    def about(self, model: str, now: float) -> dict[str, Any]:
        """The counts of one model."""
        tally = self._tallies.get(model) or _Tally()
        tokens = {"prompt": tally.prompt, "completion": tally.completion, "per_second": tally.speed(now)}
        return {"requests": tally.requests, "tokens": tokens}

    def prune(self, known: Container[str]) -> None:
        """Forget models that are not ``known`` any more."""
        self._tallies = {name: tally for name, tally in self._tallies.items() if name in known}


def worded(entry: Row) -> dict[str, Any]:
    """As JSON values."""
    zero, row = entry
    ended = datetime.fromtimestamp(zero + row.ended, UTC).isoformat(timespec="milliseconds")
    asked = row.run is not None
    return {
        "id": row.id,
        "at": ended.replace("+00:00", "Z"),
        "method": row.method,
        "route": row.route,
        "status": row.status,
        "code": row.code,
        "client": row.client,
        "model": row.model,
        "run": row.run,
        "total": round(row.total, 3),
        "queued": round(row.queued, 3) if asked else None,
        "loaded": round(row.loaded, 3) if asked else None,
        "first_byte": None if row.first_byte is None else round(row.first_byte, 3),
        "prompt": row.prompt,
        "completion": row.completion,
    }
