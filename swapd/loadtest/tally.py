"""Counts outcomes: what was measured, what went wrong, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from swapd.loadtest.outcome import Outcome, Trouble
from swapd.loadtest.samples import Samples

MEASURES = ("first_byte", "first_token", "gap", "per_token", "total", "speed", "queued", "loaded")
"""What is measured; all in seconds but ``speed``, which is in tokens a second."""
NAMES = {
    "first_byte": "first byte (TTFB)",
    "first_token": "first token (TTFT)",
    "gap": "between events (ITL)",
    "per_token": "per token (TPOT)",
    "total": "all of it (E2EL)",
    "queued": "queued by swapd",
    "loaded": "loaded by swapd",
}
"""Those in seconds, for people, in the order of a request; the letters are what other tools call them."""
MOST_KINDS = 32
"""Kinds of errors that are told apart."""
MOST_POINTS = 1500
"""Requests that a picture over time shows; of more, a fair choice."""


@dataclass(slots=True)
class Error:
    """How often, and what was seen the first time."""

    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Point:
    """A request as a picture shows it: when it was due, its seconds to the first token and in all."""

    due: float
    first: float | None
    total: float


@dataclass(slots=True)
class TokenCount:
    """Of all that was answered. ``by_server`` and ``by_event``: answers whose tokens were counted that way."""

    prompt: int = 0
    completion: int = 0
    by_server: int = 0
    by_event: int = 0


@dataclass(slots=True)
class Tally:
    """The outcomes of one side, or of one model of it. Failed requests count as errors and are in no figure."""

    measures: dict[str, Samples] = field(default_factory=lambda: {name: Samples() for name in MEASURES})
    errors: dict[str, Error] = field(default_factory=dict)
    tokens: TokenCount = field(default_factory=TokenCount)
    points: list[Point] = field(default_factory=list)
    answered: int = 0
    failed: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def add(self, outcome: Outcome) -> None:
        """One more request is over."""
        if outcome.trouble is not None:
            self.failed += 1
            self._blame(outcome.trouble)
            return
        self.answered += 1
        for name, value in _figures(outcome):
            if value is not None:
                self.measures[name].add(value)
        gaps = self.measures["gap"]
        for gap in outcome.gaps:
            gaps.add(gap)
        self._count(outcome)
        self._point(Point(outcome.times.due, outcome.first_token, outcome.total))

    def _blame(self, trouble: Trouble) -> None:
        known = trouble.kind in self.errors or len(self.errors) < MOST_KINDS - 1
        error = self.errors.setdefault(trouble.kind if known else "other", Error(0, trouble.detail))
        error.count += 1

    def _count(self, outcome: Outcome) -> None:
        tokens = outcome.tokens
        self.tokens.prompt += tokens.prompt or 0
        self.tokens.completion += tokens.completion or 0
        if tokens.counted:
            self.tokens.by_event += 1
        elif tokens.completion is not None or tokens.prompt is not None:
            self.tokens.by_server += 1

    def _point(self, point: Point) -> None:
        if len(self.points) < MOST_POINTS:
            self.points.append(point)
        elif (place := self.chance.randrange(self.answered)) < MOST_POINTS:
            self.points[place] = point

    def told(self) -> dict[str, Any]:
        """``{"answered", "failed", "measures", "errors"}``, see ``result``."""
        errors = sorted(self.errors.items(), key=lambda each: -each[1].count)
        return {
            "answered": self.answered,
            "failed": self.failed,
            "measures": {name: told for name, samples in self.measures.items() if (told := samples.told())},
            "errors": [{"kind": kind, "count": e.count, "example": e.example} for kind, e in errors],
        }


def _figures(outcome: Outcome) -> Iterator[tuple[str, float | None]]:
    yield "first_byte", outcome.first_byte
    yield "first_token", outcome.first_token
    yield "per_token", outcome.per_token
    yield "total", outcome.total
    yield "speed", outcome.speed
    yield "queued", outcome.notes.queued
    yield "loaded", outcome.notes.loaded
