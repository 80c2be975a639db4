"""The status object, and the explanation of one model: what the view shows, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swapd import __version__
from swapd.core import explain
from swapd.core.book import Failure
from swapd.core.explain import Explanation
from swapd.core.forecast import Waiter
from swapd.core.view import ModelView, View
from swapd.web.gate import Clock, Config, Engines

SHOWN = 20
"""Of so many waiting tickets of a model the place is shown."""


class Picture:
    """One view, as JSON values."""

    def __init__(self, view: View, engines: Engines, clock: Clock) -> None:
        self._view = view
        self._engines = engines
        self._clock = clock

    def status(self, config: Config) -> dict[str, Any]:
        """Everything that is known."""
        view = self._view
        return {
            "version": __version__,
            "generation": config.generation,
            "budget": {n: {"total": total, "used": view.used[n]} for n, total in view.budget.items()},
            "machine": self._machine(),
            "models": [self._model(model) for model in view.models.values()],
            "problems": list(config.problems),
        }

    def explanation(self, name: str) -> dict[str, Any]:
        """Why one model is, or is not, up."""
        found = explain.of(self._view, name)
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
            "queue": _queue(outlook.queue, found.now),
            **self._weight(name),
        }

    def _model(self, model: ModelView) -> dict[str, Any]:
        engine, name, view = model.engine, model.spec.name, self._view
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
            "queue": _queue(found.outlook.queue, view.now) if found is not None else [],
            **self._weight(name),
            "since": self._clock(engine.since, view.now) if engine else None,
            "idle": engine.idle if engine else None,
            "pinned": model.spec.terms.stay.pinned,
            "priority": model.spec.terms.priority,
            "last_failure": self._failure(model.failure) if model.failure is not None else None,
        }

    def _weight(self, name: str) -> dict[str, Any]:
        weight = self._view.weight(name)
        needs = weight.way.cost if weight.way is not None else self._view.models[name].spec.terms.cost
        return {
            "needs": dict(needs),
            "need_source": weight.need.source.name.lower() if weight.need is not None else None,
            "need_detail": weight.need.detail if weight.need is not None else "",
            "measured": dict(weight.measured),
            "load_seconds": _rounded(weight.load),
            "short": weight.short or None,
            "never_fits": self._view.never_fits(name),
        }

    def _failure(self, failure: Failure) -> dict[str, Any]:
        end = failure.exit
        return {
            "at": self._clock(failure.at, self._view.now),
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
                "age": _rounded(self._view.age),
            }
            for name, found in self._view.resources().items()
        }


def _waiting_for(found: Explanation | None) -> dict[str, Any] | None:
    if found is None or found.stand is None:
        return None
    return {"stand": found.stand, "text": explain.words(found)}


def _queue(queue: Sequence[Waiter], now: float) -> list[dict[str, Any]]:
    return [
        {
            "place": waiter.place,
            "client": waiter.client,
            "waited": _rounded(now - waiter.since),
            "eta": _rounded(waiter.eta),
        }
        for waiter in queue[:SHOWN]
    ]


def _rounded(seconds: float | None) -> float | None:
    """To a millisecond."""
    return None if seconds is None else round(seconds, 3)
