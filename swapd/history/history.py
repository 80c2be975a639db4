"""What ``/admin/history`` tells, gathered by hearing the desk and of the requests that have ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from swapd.core.answered import Answered
from swapd.core.commands import Command, Grant, Refuse, at_once
from swapd.core.events import Asked, CatalogChanged, Event, Left
from swapd.core.spec import Catalog
from swapd.core.told import News, Story, Told
from swapd.history import HOURS
from swapd.history.answers import Answers, Row, worded
from swapd.history.kept import Kept
from swapd.history.spans import Span, Spans, Standing
from swapd.history.swaps import Swap, Swaps
from swapd.history.waits import Wait, Waits

Clock = Callable[[float, float], str]
"""(monotonic moment, monotonic now) -> RFC 3339, in UTC and always as long: so the later is the greater."""
PRUNED = 600.0
"""Seconds between two looks for what is too old."""


class History:
    """``hear`` is an ear of the desk, ``count`` one of requests. ``standing``: the engines and their states."""

    def __init__(self, clock: Clock, story: Story, standing: Callable[[], Standing]) -> None:
        self._clock = clock
        self._story = story
        self._standing = standing
        self._catalog = Catalog()
        self._annals = Annals(clock)
        self._answers = Answers()
        self.changed: Callable[[], None] = _nothing
        """Called again and again while there is more to tell than before, for who keeps it."""

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Hot: of a request that need not wait nothing is written down."""
        now = time.monotonic()
        news = self._story.hear(event, commands, now)
        if not commands and isinstance(event, Left):
            self._annals.waits.end(event.ticket, now)
        elif at_once(event, commands) is None:
            self._note(event, commands, now)
            self._read(news, now)

    def count(self, rows: Sequence[Answered]) -> None:
        """They have ended."""
        now = time.monotonic()
        zero = datetime.fromisoformat(self._clock(now, now)).timestamp() - now
        self._answers.hear(rows, zero, self._catalog.models)
        self.changed()

    @property
    def answered(self) -> int:
        """How many requests have ended."""
        return self._answers.count

    def rows(self, at: int) -> tuple[list[dict[str, Any]], int]:
        """Requests from number ``at`` on, as JSON values, and how many more there were than are kept."""
        return self._answers.rows(at)

    def about(self, model: str) -> dict[str, Any]:
        """What the status tells of a model."""
        return self._answers.about(model, time.monotonic()) | {"last_swap": self._annals.swaps.last(model)}

    def kept(self) -> Kept:
        """All of it, to be written down."""
        now = time.monotonic()
        spans, swaps, waits = self._annals.since(self._clock(now - HOURS * 3600, now), now)
        return Kept(self._clock(now, now), list(spans), swaps, list(waits), self._answers.kept)

    def recall(self, kept: Kept) -> None:
        """What an earlier daemon has written down; before anything is heard of this one."""
        self._annals.recall(kept)
        self._answers.recall(kept.requests)

    async def since(self, hours: float) -> bytes:
        """All of the last ``hours``, as one JSON object. It is written by a thread: there may be much of it."""
        now = time.monotonic()
        oldest = self._clock(now - hours * 3600, now)
        models, swaps, waits = self._annals.since(oldest, now)
        told = {"from": oldest, "until": self._clock(now, now), "swaps": swaps, "waits": waits}
        return await asyncio.to_thread(_written, told, models, self._answers.kept)

    def _note(self, event: Event, commands: Sequence[Command], now: float) -> None:
        if isinstance(event, CatalogChanged):
            self._catalog = event.catalog
            self._annals.prune(now, self._catalog)
            self._answers.prune(self._catalog.models)
        self._annals.turn(event, commands, now, self._catalog)
        if isinstance(event, Asked | Left) and all(isinstance(c, Grant | Refuse) for c in commands):
            return  # that changes no engine's state
        if self._annals.look(event, commands, now, self._standing()):
            self.changed()
        self._annals.prune_now_and_then(now, self._catalog)

    def _read(self, news: Sequence[News], now: float) -> None:
        for told in news:
            if isinstance(told, Told) and told.type == "swap":
                self._annals.swaps.add(told, self._clock(now, now))


class Annals:
    """What is written down of the desk."""

    def __init__(self, clock: Clock) -> None:
        self.waits = Waits(lambda now: clock(now, now))
        self.swaps = Swaps()
        self._spans = Spans()
        self._clock = clock
        self._pruned = 0.0

    def turn(self, event: Event, commands: Sequence[Command], now: float, catalog: Catalog) -> None:
        """Who waits from now on, and who does not any more."""
        ended = [command.ticket for command in commands if isinstance(command, Grant | Refuse)]
        for ticket in ended:
            self.waits.end(ticket, now)
        if isinstance(event, Left):
            self.waits.end(event.ticket, now)
        elif isinstance(event, Asked) and event.ticket not in ended:
            found = catalog.resolve(event.model)
            if found is not None:
                self.waits.begin(event.ticket, found[0].name, now)

    def look(self, event: Event, commands: Sequence[Command], now: float, standing: Standing) -> bool:
        """Engines stand so now; whether that is new."""
        return self._spans.look(event, commands, standing, lambda: self._clock(now, now))

    def prune(self, now: float, catalog: Catalog) -> None:
        """Forget what is too old, and most of what the config does not know any more."""
        self._pruned = now
        oldest = self._clock(now - HOURS * 3600, now)
        for kept in (self._spans, self.waits, self.swaps):
            kept.prune(oldest, catalog.models)

    def prune_now_and_then(self, now: float, catalog: Catalog) -> None:
        """The same, if it is time."""
        if now - self._pruned > PRUNED:
            self.prune(now, catalog)

    def recall(self, kept: Kept) -> None:
        """What was before."""
        self._spans.recall(kept.spans)
        self.swaps.recall(kept.swaps)
        self.waits.recall(kept.waits)

    def since(self, oldest: str, now: float) -> tuple[Sequence[tuple[str, Span]], list[Swap], Sequence[Wait]]:
        """Spans, swaps and waits that were not over then."""
        return self._spans.since(oldest), self.swaps.since(oldest), self.waits.since(oldest, now)


def _written(told: dict[str, Any], spans: Sequence[tuple[str, Span]], rows: Sequence[Row]) -> bytes:
    requests = [row for row in map(worded, rows) if row["at"] >= told["from"]]
    models: dict[str, list[Span]] = {}
    for name, span in spans:
        models.setdefault(name, []).append(span)
    return msgspec.json.encode(told | {"models": models, "requests": requests})


def _nothing() -> None:
    """Nobody keeps it."""
