"""Numbers by labels, bounded in size: what comes once there are too many label sets is counted under ``other``."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

Labels = tuple[str, ...]
OTHER = "other"
MOST = 5000
"""Label sets of a family of counters; a histogram takes more room, and has a fifth of it."""
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Of the buckets, in seconds: from a cached embedding to the load of a large model off a slow disk."""


class Tally:
    """Sums."""

    def __init__(self, most: int = MOST) -> None:
        self.sums: dict[Labels, float] = {}
        self._most = most

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Hot."""
        sums = self.sums
        if labels not in sums and len(sums) >= self._most:
            labels = (OTHER,) * len(labels)
        sums[labels] = sums.get(labels, 0) + amount

    def copy(self) -> dict[Labels, float]:
        """As it is now."""
        return dict(self.sums)

    def keep(self, wanted: Callable[[Labels], bool]) -> None:
        """Drop the others."""
        self.sums = {labels: amount for labels, amount in self.sums.items() if wanted(labels)}


class Histogram:
    """How often each span of seconds was seen: a count for each bucket, one for what is longer, then the sum."""

    def __init__(self, most: int = MOST // 5) -> None:
        self.seen: dict[Labels, list[float]] = {}
        self._most = most

    def see(self, labels: Labels, seconds: float) -> None:
        """Hot."""
        found = self.seen.get(labels) or self._made(labels)
        found[bisect_left(BOUNDS, seconds)] += 1
        found[-1] += seconds

    def copy(self) -> dict[Labels, list[float]]:
        """As it is now."""
        return {labels: list(found) for labels, found in self.seen.items()}

    def keep(self, wanted: Callable[[Labels], bool]) -> None:
        """Drop the others."""
        self.seen = {labels: found for labels, found in self.seen.items() if wanted(labels)}

    def _made(self, labels: Labels) -> list[float]:
        if len(self.seen) >= self._most:
            labels = (OTHER,) * len(labels)
        return self.seen.setdefault(labels, [0.0] * (len(BOUNDS) + 2))


Family = Tally | Histogram


def labels_of(families: Iterable[Family]) -> set[str]:
    """The first label of each set: of most families it is the model."""
    found: set[str] = set()
    for family in families:
        sets = family.sums if isinstance(family, Tally) else family.seen
        found.update(labels[0] for labels in sets if labels)
    return found
