"""The daemon as it was last told over ``/admin/live``, or by ``/admin/status``. Moments are monotonic seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from swapd.cli.words import age_of

EVENTS = 500
"""So many are kept."""
SPAN = 10.0
"""Seconds over which requests and tokens a second are counted."""
MODEL = dict[str, Any]
HELLO = "hello"


@dataclass(slots=True)
class Clock:
    """What time it is where the daemon is."""

    told: datetime | None = None
    heard: float = 0.0

    def now(self, moment: float) -> datetime:
        """Its time. Raises ValueError before it has told any."""
        if self.told is None:
            raise ValueError("the daemon has told no time")
        return self.told + timedelta(seconds=moment - self.heard)


@dataclass(slots=True)
class Rate:
    """How many requests ended lately, and with how many tokens of answers."""

    _ended: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=1000))

    def add(self, count: int, tokens: int, moment: float) -> None:
        """So many did."""
        self._ended.append((moment, count, tokens))

    def per_second(self, moment: float) -> tuple[float, float]:
        """Requests and tokens, over the last seconds."""
        while self._ended and self._ended[0][0] < moment - SPAN:
            self._ended.popleft()
        return sum(count for _, count, _ in self._ended) / SPAN, sum(tokens for *_, tokens in self._ended) / SPAN


@dataclass(slots=True)
class Mirror:
    """Status, models and events. Reading what is not ours raises as ``client.reading`` expects it."""

    status: dict[str, Any] = field(default_factory=dict)
    """The status object without its models."""
    models: dict[str, MODEL] = field(default_factory=dict)
    """In the order of the config."""
    told: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    """Oldest first."""
    count: int = 0
    """Of all events that were told: also of those that are not kept any more."""
    clock: Clock = field(default_factory=Clock)
    rate: Rate | None = None
    """None until the stream has begun: one status does not tell."""
    known: str = ""
    """The time of the newest event that an earlier connection brought."""

    def hear(self, kind: str, data: dict[str, Any], moment: float) -> None:
        """One frame of the stream. Kinds that are not known are left alone."""
        if kind == HELLO:
            self._begin(data, moment)
        elif kind == "change":
            self._change(data, moment)
        elif kind == "told":
            self._tell(data)
        elif kind == "answered":
            self._count(data, moment)

    def show(self, status: dict[str, Any], now: datetime, moment: float) -> None:
        """A status object that was asked for alone."""
        self.clock = Clock(now, moment)
        self.status = {key: value for key, value in status.items() if key != "models"}
        self.models = {model["name"]: model for model in status["models"]}

    def news(self, count: int) -> list[dict[str, Any]]:
        """The last events that are not only for those who look closely."""
        told = (event for event in reversed(self.told) if event.get("level") != "debug")
        return list(islice(told, count))[::-1]

    def events(self, last: int, count: int) -> list[dict[str, Any]]:
        """``count`` events, of which the newest is number ``last``; newer ones too if it has fewer before it."""
        first = max(0, last - (self.count - len(self.told)) - count)
        return list(islice(self.told, first, first + count))

    def _begin(self, data: dict[str, Any], moment: float) -> None:
        self.rate = self.rate or Rate()
        self.known = str(self.told[-1].get("at") or "") if self.told else ""
        self.show(data["status"], datetime.fromisoformat(data["now"]), moment)

    def _change(self, data: dict[str, Any], moment: float) -> None:
        self.clock = Clock(datetime.fromisoformat(data["now"]), moment)
        self.status.update(data.get("status") or {})
        self.models.update({model["name"]: model for model in data.get("models") or ()})
        if (names := data.get("names")) is not None:
            self.models = {name: self.models[name] for name in names if name in self.models}

    def _tell(self, data: dict[str, Any]) -> None:
        if self.known and str(data.get("at") or "") <= self.known:
            return  # the last events come again after each new connection
        self.told.append(data)
        self.count += 1

    def _count(self, data: dict[str, Any], moment: float) -> None:
        rows = data.get("requests") or []
        if rows and (self.clock.now(moment) - datetime.fromisoformat(rows[-1]["at"])).total_seconds() > SPAN:
            return  # of before we looked
        if self.rate is not None:
            tokens = sum(int(row.get("completion") or 0) for row in rows)
            self.rate.add(len(rows) + int(data.get("skipped") or 0), tokens, moment)


def ordered(models: Iterable[MODEL], wanted: str) -> list[MODEL]:
    """Those that match the filter: first what is up, on its way or wanted, then by name."""
    needle = wanted.casefold()
    found = [model for model in models if not needle or _matches(model, needle)]
    return sorted(found, key=lambda model: (_is_quiet(model), str(model["name"]).casefold(), model["name"]))


def oldest_wait(model: MODEL, now: datetime) -> str:
    """How long the first one in the queue has waited; empty if nobody does."""
    since = min((str(waiter["since"]) for waiter in model.get("queue") or () if waiter.get("since")), default="")
    return age_of(since, now) if since else ""


def per_second(model: MODEL) -> float | None:
    """Tokens a second of its last minute."""
    rate = (model.get("tokens") or {}).get("per_second")
    return float(rate) if rate is not None else None


def _matches(model: MODEL, needle: str) -> bool:
    names = (model["name"], model["state"], *(model.get("aliases") or ()))
    return any(needle in str(name).casefold() for name in names)


def _is_quiet(model: MODEL) -> bool:
    return model["state"] == "cold" and not model["waiting"]
