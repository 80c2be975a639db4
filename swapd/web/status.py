"""The status object, and the explanation of one model: what the view shows, as JSON values."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from swapd import __version__
from swapd.core import explain
from swapd.core.book import Failure
from swapd.core.explain import Explanation
from swapd.core.forecast import Waiter
from swapd.core.view import EngineView, View
from swapd.web.gate import Clock, Config, Engines, Gate, History, Upgrade

SLICE = 0.004
"""Seconds that the loop is held up at a time."""
SHOWN = 20
"""Of so many waiting tickets of a model the place is shown."""
UNHEARD = {
    "requests": 0,
    "tokens": {"prompt": 0, "completion": 0, "per_second": None},
    "last_swap": None,
}
"""Of a model in a house that keeps no history."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that pictures are taken of."""

    gate: Gate
    config: Config
    engines: Engines
    history: History | None = None
    upgrade: Upgrade | None = None
    born: float = field(default_factory=time.monotonic)
    """When this life of the daemon began."""

    def picture(self, clock: Clock) -> Picture:
        """One of now."""
        return Picture(self.gate.view(), self.engines, clock, self.history)

    async def status(self, clock: Clock) -> str:
        """Everything that is known, as JSON. Of many models in pieces: each is of its own moment."""
        picture, models = self.picture(clock), []
        house = json.dumps(self.house(picture))
        until = time.perf_counter() + SLICE
        for name in list(picture.view.models):
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                picture = self.picture(clock)
                until = time.perf_counter() + SLICE
            if name in picture.view.models:
                models.append(json.dumps(picture.model(name)))
        return f'{house[:-1]}, "models": [{", ".join(models)}]}}'

    def house(self, picture: Picture) -> dict[str, Any]:
        """The same without the models."""
        config = self.config
        return {
            "version": __version__,
            "generation": config.generation,
            "since": picture.stamp(self.born),
            **picture.house(),
            "pools": [
                {"name": pool.name, "models": list(pool.models), "choose": pool.choose}
                for pool in config.catalog.pools.values()
            ],
            "problems": list(config.problems),
            "execs": self.upgrade.execs if self.upgrade is not None else 0,
        }


class Picture:
    """One view, as JSON values."""

    def __init__(self, view: View, engines: Engines, clock: Clock, history: History | None = None) -> None:
        self.view = view
        self._engines = engines
        self._clock = clock
        self._history = history

    def house(self) -> dict[str, Any]:
        """What there is to give."""
        view = self.view
        budget = {name: {"total": total, "used": view.used[name]} for name, total in view.budget.items()}
        return {"budget": budget, "machine": self._machine()}

    def explanation(self, name: str) -> dict[str, Any]:
        """Why one model is, or is not, up."""
        found = explain.of(self.view, name)
        outlook, verdict = found.outlook, found.outlook.verdict
        return {
            "model": name,
            "state": found.about.state,
            "run": found.about.engine.run.n if found.about.engine else None,
            "text": explain.words(found),
            "wanted": explain.asked_words(found) or None,
            "stand": found.stand,
            "obstacles": [
                {
                    "model": obstacle.model,
                    "state": obstacle.state.value if obstacle.state is not None else "gone",
                    "leases": obstacle.leases,
                    "since": self._clock(obstacle.since, found.now),
                    "goes": _rounded(obstacle.goes),
                }
                for obstacle in outlook.obstacles
            ],
            "missing": dict(verdict.short) if verdict is not None else {},
            "patience": _rounded(outlook.patience),
            "ready_in": _rounded(outlook.ready),
            "waiting": found.about.waiting,
            "queue": self._queue(outlook.queue),
            **self._weight(name),
        }

    def model(self, name: str) -> dict[str, Any]:
        """Everything about one."""
        view, model = self.view, self.view.models[name]
        engine, spec = model.engine, model.spec
        found = explain.of(view, name) if model.waiting or model.wish is not None else None
        return {
            "name": name,
            "aliases": list(model.aliases),
            "state": model.state,
            "run": engine.run.n if engine else None,
            "pid": self._engines.pid(engine.run) if engine else None,
            "endpoint": str(engine.endpoint) if engine and engine.endpoint else None,
            "leases": engine.leases if engine else 0,
            "waiting": model.waiting,
            "waiting_for": _waiting_for(found),
            "queue": self._queue(found.outlook.queue) if found is not None else [],
            **self._weight(name),
            "since": self._clock(engine.since, view.now) if engine else None,
            "idle": engine.idle if engine else None,
            "idle_since": self.stamp(_moment(view, engine)),
            "pinned": model.pinned,
            "priority": spec.terms.priority,
            "slots": spec.terms.concurrency,
            "engine": spec.terms.service.kind,
            "url": spec.launch.url or None,
            "last_failure": self._failure(model.failure) if model.failure is not None else None,
            **(self._history.about(name) if self._history is not None else UNHEARD),
        }

    def _weight(self, name: str) -> dict[str, Any]:
        weight = self.view.weight(name)
        needs = weight.way.cost if weight.way is not None else self.view.models[name].spec.terms.cost
        return {
            "needs": dict(needs),
            "need_source": weight.need.source.name.lower() if weight.need is not None else None,
            "need_detail": weight.need.detail if weight.need is not None else "",
            "measured": dict(weight.measured),
            "load_seconds": _rounded(weight.load),
            "short": weight.short or None,
            "never_fits": self.view.never_fits(name),
        }

    def _failure(self, failure: Failure) -> dict[str, Any]:
        end = failure.exit
        return {
            "at": self._clock(failure.at, self.view.now),
            "reason": str(end),
            "exit": end.code,
            "signal": end.signal,
            "hint": end.hint,
            "log": list(end.log),
        }

    def _machine(self) -> dict[str, Any]:
        return {
            name: {
                "total": found.total,
                "budget": found.budget,
                "used": found.used,
                "free": found.free,
                "strangers": found.strangers,
                "lost": found.lost,
                "age": _rounded(self.view.age),
            }
            for name, found in self.view.resources().items()
        }

    def _queue(self, queue: Sequence[Waiter]) -> list[dict[str, Any]]:
        """An expectation is no matter of less than seconds."""
        now = self.view.now
        return [
            {
                "place": waiter.place,
                "client": waiter.client,
                "since": self.stamp(waiter.since),
                "waited": _rounded(now - waiter.since),
                "eta": _rounded(waiter.eta),
                "expected": self.stamp(None if waiter.eta is None else float(round(now + waiter.eta))),
            }
            for waiter in queue[:SHOWN]
        ]

    def stamp(self, at: float | None) -> str | None:
        """A monotonic moment by the wall clock."""
        return None if at is None else self._clock(at, self.view.now)


def _waiting_for(found: Explanation | None) -> dict[str, Any] | None:
    if found is None or found.stand is None:
        return None
    return {"stand": found.stand, "text": explain.words(found)}


def _moment(view: View, engine: EngineView | None) -> float | None:
    """Since when nobody holds it."""
    return None if engine is None or engine.idle is None else view.now - engine.idle


def _rounded(seconds: float | None) -> float | None:
    """To a millisecond."""
    return None if seconds is None else round(seconds, 3)
