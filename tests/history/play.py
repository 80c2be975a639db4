"""A past to be looked at: a scheduler played through swaps and crowds, and its history."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from swapd.core import events as fact
from swapd.core.answered import Answered
from swapd.core.engine import Endpoint, RunId
from swapd.core.refusal import Exit
from swapd.core.scheduler import Scheduler
from swapd.core.shared import SharedStory
from swapd.core.spec import Alias, Catalog, Rules
from swapd.history import history
from swapd.history.history import History
from tests.core.play import model

HERE = Endpoint("127.0.0.1", 9300)
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Past:
    """A scheduler, the history of it, and a clock for both."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.now, self.slept = 100_000.0, 0.0
        monkeypatch.setattr(history, "time", SimpleNamespace(monotonic=lambda: self.now))  # the loop keeps its own
        self.scheduler = Scheduler()
        self.history = History(self.clock, SharedStory(), self.scheduler.standing)
        self.knows(*names)

    def clock(self, at: float, now: float) -> str:
        """The wall clock goes on while the machine sleeps, the other does not."""
        stamp = datetime.fromtimestamp(START + self.now + self.slept - (now - at), UTC)
        return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def knows(self, *names: str) -> None:
        specs = {name: model(name) for name in names}
        aliases = {"x": Alias("x", "b")} if "b" in names else {}
        self.hears(fact.CatalogChanged(Catalog(specs, aliases, {"engines": 1}, Rules(patience=30.0))))

    def hears(self, *events: fact.Event, after: float = 0.0) -> Past:
        self.now += after
        for event in events:
            self.history.hear(event, self.scheduler.handle(event, self.now))
        return self

    def asks(self, name: str, *tickets: int, after: float = 0.0) -> Past:
        return self.hears(*(fact.Asked(fact.Ticket(t), name, "ann") for t in tickets), after=after)

    def leave(self, *tickets: int, after: float = 0.0) -> Past:
        return self.hears(*(fact.Left(fact.Ticket(t)) for t in tickets), after=after)

    def seconds(self, stamp: str) -> float:
        """Since the beginning."""
        return round(datetime.fromisoformat(stamp).timestamp() - START - 100_000.0, 3)

    async def told(self, hours: float = 6.0) -> dict[str, Any]:
        return msgspec.json.decode(await self.history.since(hours))

    async def spans(self, name: str) -> list[tuple[Any, ...]]:
        found = (await self.told())["models"].get(name, [])
        ends = [span["until"] and self.seconds(span["until"]) for span in found]
        return [
            (span["state"], self.seconds(span["from"]), end, span["run"], span["why"])
            for span, end in zip(found, ends, strict=True)
        ]


def swap(past: Past) -> Past:
    """a serves one for a second, then makes room for b, whom three wait for."""
    past.asks("a", 1).hears(fact.EngineReady(RunId("a", 1), HERE), after=5).leave(1, after=1)
    past.asks("b", 2, after=20).asks("x", 3, 4, after=0.5)
    past.hears(fact.EngineExited(RunId("a", 1), Exit(code=0)), after=0.5)
    return past.hears(fact.EngineReady(RunId("b", 1), HERE), after=9)


def answered(past: Past, model: str, **changes: Any) -> Answered:
    row = Answered(
        ended=past.now,
        total=2.0,
        id=f"r-{model}",
        method="POST",
        route="/v1/chat/completions",
        status=200,
        code="",
        client="ann",
        model=model,
        run=7,
        queued=1.0,
        loaded=0.5,
        first_byte=0.25,
        prompt=10,
        completion=30,
    )
    return row._replace(**changes)
