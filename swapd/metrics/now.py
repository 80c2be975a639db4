"""What is now: the gauges, of a picture of the desk's book. None of it is kept."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from swapd import __version__
from swapd.core.need import is_memory
from swapd.core.view import ModelView, Resource, View, Weight
from swapd.metrics.families import Labels
from swapd.metrics.requests import Config

Value = tuple[str, Labels, float]
"""The name of a metric without ``swapd_``, its labels, its value."""


class Current(Config, Protocol):
    """The config in force, and how it came to be."""

    @property
    def generation(self) -> int:
        """Counts the configs that were taken over."""

    @property
    def problems(self) -> list[dict[str, Any]]:
        """What is wrong with the file since the last good one."""

    @property
    def good_at(self) -> float:
        """When it was last read and found good (monotonic)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is read off the book within one step of the loop; the values can then be made of it in a thread."""

    view: View
    weights: Mapping[str, Weight]
    resources: Mapping[str, Resource]
    oldest: Mapping[str, float]
    house: tuple[Value, ...]

    @property
    def values(self) -> Iterator[Value]:
        """All of them."""
        yield from self.house
        for name, model in self.view.models.items():
            yield from self._model(name, model)
            yield from _weight(name, self.weights[name])
        for name, found in self.resources.items():
            yield from _device(name, found)
        if (age := self.view.age) is not None:
            yield "device_reading_age_seconds", (), age
        for name, total in self.view.budget.items():
            if not is_memory(name):
                yield "budget", (name,), total
                yield "budget_used", (name,), self.view.used[name]

    def _model(self, name: str, model: ModelView) -> Iterator[Value]:
        engine, since = model.engine, self.oldest.get(name)
        yield "engine_state", (name, model.state), 1
        yield "engine_failures_in_a_row", (name,), model.failures
        yield "leases", (name,), engine.leases if engine is not None else 0
        yield "slots", (name,), model.spec.terms.concurrency
        yield "queue_length", (name,), model.waiting
        yield "queue_oldest_seconds", (name,), self.view.now - since if since is not None else 0


def look(view: View, config: Current, connections: int, born: float) -> Picture:
    """Take it. ``born``: when this life of the daemon began (monotonic)."""
    now = time.monotonic()
    good_at = datetime.now(UTC).timestamp() - (now - config.good_at)
    house = (
        ("build_info", (__version__, platform.python_version()), 1),
        ("uptime_seconds", (), now - born),
        ("connections", (), connections),
        ("queue_limit", (), config.catalog.rules.queue),
        ("config_generation", (), config.generation),
        ("config_last_reload_successful", (), not config.problems),
        ("config_last_reload_success_timestamp_seconds", (), round(good_at, 3)),
    )
    weights = {name: view.weight(name) for name in view.models}
    return Picture(view, weights, view.resources(), view.oldest(), house)


def _weight(name: str, weight: Weight) -> Iterator[Value]:
    needed = {n: amount for n, amount in weight.way.cost.items() if is_memory(n)} if weight.way else {}
    for device, amount in needed.items():
        yield "model_needed_bytes", (name, device), amount
    for device, amount in weight.measured.items():
        yield "model_measured_bytes", (name, device), amount
    both = needed.keys() & weight.measured.keys()
    if reckoned := sum(needed[device] for device in both):
        yield "model_prediction_error_ratio", (name,), sum(weight.measured[d] for d in both) / reckoned - 1


def _device(name: str, found: Resource) -> Iterator[Value]:
    yield "device_used_bytes", (name,), found.used
    yield "device_strangers_bytes", (name,), found.strangers
    yield "device_lost", (name,), found.lost
    for what, amount in (("size", found.total), ("budget", found.budget), ("free", found.free)):
        if amount is not None:
            yield f"device_{what}_bytes", (name,), amount
