"""What runs of the lab counted, and the summary of them: the one object that ``swapd simulate --json`` prints."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swapd.lab.bound import window_bound

_SAME = 1e-6
"""Seconds apart that are still one moment: ``arrival + waited`` is the moment of the grant but for rounding."""
_SPREAD = ("mean", "p50", "p95", "max")


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was served. Seconds: when it came, how long it waited for its lease, how long it held it."""

    arrival: float
    model: str
    client: str
    waited: float
    service: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load: of which model, begun at, and the seconds it took."""

    model: str
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """One run (one seed)."""

    requests: list[Answered] = field(default_factory=list)
    loads: list[Loaded] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest wait, 0 if nothing was served."""
        return max((request.waited for request in self.requests), default=0.0)

    def bound(self, fits: int = 1) -> int:
        """The least loads that could have served the same, none waiting above this run's own longest wait."""
        return window_bound([(r.arrival, r.model) for r in self.requests], self.longest, fits)

    def engine_seconds(self) -> dict[str, float]:
        """Client -> seconds of engine: its services, and its shares of the loads that served it.

        An engine that serves several at once is shared evenly among them for as long.

        A load is shared evenly by the requests that waited until it was over and were then served by it. One
        that nobody waited for (a preload, an abandoned load) is charged to nobody.
        """
        seconds = dict.fromkeys((request.client for request in self.requests), 0.0)
        waiters: dict[Loaded, list[str]] = {}
        loads = _by_model(self.loads)
        for client, share in _busy(self.requests):
            seconds[client] += share
        for request in self.requests:
            if (load := _waited_for(request, loads.get(request.model, []))) is not None:
                waiters.setdefault(load, []).append(request.client)
        for load, clients in waiters.items():
            for client in clients:
                seconds[client] += load.seconds / len(clients)
        return seconds


def _busy(requests: Iterable[Answered]) -> Iterator[tuple[str, float]]:
    """Client and seconds, for each stretch in which an engine served the same requests."""
    turns: dict[str, list[tuple[float, int, Answered]]] = {}
    for request in requests:
        began = request.arrival + request.waited
        turns.setdefault(request.model, []).extend(((began, 0, request), (began + request.service, 1, request)))
    for of_model in turns.values():
        serving: dict[int, Answered] = {}
        last = 0.0
        for at, ends, request in sorted(of_model, key=lambda turn: turn[:2]):
            for other in serving.values():
                yield other.client, (at - last) / len(serving)
            last = at
            if ends:
                del serving[id(request)]
            else:
                serving[id(request)] = request


def summary(trace: str, policy: str, tallies: Sequence[Tally], fits: int = 1) -> dict[str, Any]:
    """All runs in one object; every figure is the mean over the seeds, to the thousandth.

    Percentiles and the longest wait are taken in each seed and then averaged, so ``max`` is the mean of the
    seeds' longest waits. A model or client that was not served in a seed has no wait there: that seed is left
    out of the mean of its waits, and counts 0 for all else. Raises ValueError without a tally.
    """
    if not tallies:
        raise ValueError("cannot sum up the runs: there are none")
    return {
        "trace": trace,
        "policy": policy,
        "seeds": len(tallies),
        "loads": _mean(len(tally.loads) for tally in tallies),
        "load_seconds": _mean(sum(load.seconds for load in tally.loads) for tally in tallies),
        "served": _mean(len(tally.requests) for tally in tallies),
        "wait": _waits(tallies, lambda _: True),
        "bound": _bounds(tallies, fits),
        "per_model": {model: _of_model(tallies, model) for model in _models(tallies)},
        "per_client": _clients(tallies),
    }


def jain(values: Sequence[float]) -> float:
    """Jain's index of fairness: 1 where all have the same, 1/n where one has everything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def spread(waits: Sequence[float]) -> dict[str, float]:
    """Mean, median, 95th percentile (nearest rank) and maximum. ``waits`` must not be empty."""
    ordered = sorted(waits)
    p50, p95 = (ordered[math.ceil(part * len(ordered)) - 1] for part in (0.50, 0.95))
    return dict(zip(_SPREAD, (sum(ordered) / len(ordered), p50, p95, ordered[-1]), strict=True))


def _models(tallies: Sequence[Tally]) -> list[str]:
    asked = {request.model for tally in tallies for request in tally.requests}
    return sorted(asked | {load.model for tally in tallies for load in tally.loads})


def _of_model(tallies: Sequence[Tally], model: str) -> dict[str, Any]:
    return {
        "loads": _mean(sum(load.model == model for load in tally.loads) for tally in tallies),
        "served": _mean(sum(request.model == model for request in tally.requests) for tally in tallies),
        "wait": _waits(tallies, lambda request: request.model == model),
    }


def _clients(tallies: Sequence[Tally]) -> dict[str, Any]:
    shares = [tally.engine_seconds() for tally in tallies]
    return {client: _of_client(tallies, shares, client) for client in sorted(set().union(*shares))}


def _of_client(tallies: Sequence[Tally], shares: Sequence[Mapping[str, float]], client: str) -> dict[str, Any]:
    return {
        "served": _mean(sum(request.client == client for request in tally.requests) for tally in tallies),
        "wait": _waits(tallies, lambda request: request.client == client),
        "engine_seconds": _mean(share.get(client, 0.0) for share in shares),
    }


def _bounds(tallies: Sequence[Tally], fits: int) -> dict[str, float | None]:
    least = sum(tally.bound(fits) for tally in tallies)
    loads = sum(len(tally.loads) for tally in tallies)
    return {
        "wait": _mean(tally.longest for tally in tallies),
        "loads": round(least / len(tallies), 3),
        "ratio": round(loads / least, 3) if least else None,
    }


def _waits(tallies: Sequence[Tally], counts: Callable[[Answered], bool]) -> dict[str, float]:
    by_seed = [[request.waited for request in tally.requests if counts(request)] for tally in tallies]
    spreads = [spread(waits) for waits in by_seed if waits]
    return {figure: _mean(each[figure] for each in spreads) for figure in _SPREAD}


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return round(sum(listed) / len(listed), 3) if listed else 0.0


def _by_model(loads: Iterable[Loaded]) -> dict[str, list[Loaded]]:
    out: dict[str, list[Loaded]] = {}
    for load in sorted(loads, key=_over):
        out.setdefault(load.model, []).append(load)
    return out


def _over(load: Loaded) -> float:
    return load.at + load.seconds


def _waited_for(request: Answered, loads: list[Loaded]) -> Loaded | None:
    """The load it waited for: the last of its model that was over by the grant, but not yet when it came."""
    place = bisect_right(loads, request.arrival + request.waited + _SAME, key=_over)
    if not place or _over(loads[place - 1]) < request.arrival:
        return None
    return loads[place - 1]
