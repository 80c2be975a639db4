"""Whether what came of a request was right: whatever is not a success needs a fault that explains it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.calls import Seen

OK, REFUSED, BROKEN, WRONG, LOST = "ok", "refused in words", "broken by the fault", "WRONG", "LOST"
ENGINE_CODES = frozenset({"engine_died", "engine_start_failed", "engine_unavailable", "engine_timeout"})
"""What an engine's fault may be told as."""
ANY = None


@dataclass(slots=True)
class Excuse:
    """For a time, what a fault may do to requests: these refusals, to these models; connections cut."""

    why: str
    codes: Collection[str] | None = ()
    models: Collection[str] | None = ANY
    cuts: bool = False
    tag: str = ""
    """Only the request that was told it."""
    under_way: float = 0.0
    """Only those that took at least so many seconds."""
    began: float = field(default_factory=time.monotonic)
    ended: float = math.inf

    def close(self, after: float = 0.0) -> None:
        """It explains nothing that begins later than in so many seconds."""
        self.ended = min(self.ended, time.monotonic() + after)

    def covers(self, seen: Seen) -> bool:
        """Whether it explains that."""
        meanwhile = seen.began <= self.ended and seen.ended >= self.began
        concerned = self.models is ANY or seen.ask.model in self.models
        concerned = concerned and self.tag in ("", seen.ask.tag)
        concerned = concerned and seen.ended - seen.began >= self.under_way
        if seen.how == "cut":
            return meanwhile and concerned and self.cuts
        return meanwhile and concerned and (self.codes is ANY or seen.code in self.codes)


class Excuses:
    """All that were given."""

    def __init__(self) -> None:
        self._given: list[Excuse] = []

    def give(self, why: str, **what: Any) -> Excuse:
        """From now until it is closed."""
        self._given.append(Excuse(why, **what))
        return self._given[-1]

    def cover(self, seen: Seen, but: Collection[Excuse] = ()) -> bool:
        """Whether any explains that; ``but`` these are not asked."""
        unasked = {id(excuse) for excuse in but}
        return any(excuse.covers(seen) for excuse in self._given if id(excuse) not in unasked)

    def forget(self, before: float) -> None:
        """Those that ended before then: no request is that old."""
        self._given = [excuse for excuse in self._given if excuse.ended >= before]


def judge(seen: Seen, excuses: Excuses) -> str:
    """One of the five."""
    match seen.how:
        case "ok" | "cancelled":
            return OK
        case "refused" if excuses.cover(seen):
            return REFUSED
        case "cut" if excuses.cover(seen):
            return BROKEN
        case "lost":
            return LOST
    return WRONG


@dataclass
class Tally:
    """All verdicts so far. ``bad``: every one that is wrong or lost, in words."""

    verdicts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and verdict."""
    codes: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    bad: list[dict[str, Any]] = field(default_factory=list)
    longest_gap: float = 0.0
    """Seconds between two successes while the load was on."""
    last_ok: float | None = None

    def add(self, seen: Seen, verdict: str) -> None:
        """Count it."""
        self.verdicts[verdict] += 1
        self.kinds[seen.ask.kind] += 1
        self.by_kind[seen.ask.kind, verdict] += 1
        self.retried += seen.retried
        if seen.code:
            self.codes[seen.code] += 1
        if verdict == OK:
            if self.last_ok is not None:
                self.longest_gap = max(self.longest_gap, seen.ended - self.last_ok)
            self.last_ok = seen.ended
        if verdict in (WRONG, LOST):
            seconds = round(seen.ended - seen.began, 3)
            found = {"verdict": verdict, "kind": seen.ask.kind, "model": seen.ask.model, "how": seen.how}
            self.bad.append({**found, "code": seen.code, "why": seen.why, "seconds": seconds, "ended": seen.ended})
