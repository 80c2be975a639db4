"""Memory and shares, kept as naively as possible from events alone: half of the book that ``Laws`` measures by."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from swapd.core.engine import RunId
from swapd.core.need import RAM, Need, Reading, Way, is_memory
from swapd.core.spec import Catalog, Cost, Launch, Spec

SETTLE = 5.0


@dataclass
class NaiveMemory:
    """Needs, meters, strangers, and what was not seen free."""

    needs: dict[str, tuple[Launch, Need]] = field(default_factory=dict)
    reading: Reading | None = None
    others: dict[str, list[int]] = field(default_factory=dict)
    """Resource -> what strangers held, by every reading that could tell."""
    unseen: dict[RunId, tuple[dict[str, int], float]] = field(default_factory=dict)

    def ways(self, catalog: Catalog, spec: Spec) -> list[Way] | None:
        """As the operator says, then the scales; none if nobody can say, None while it is being weighed."""
        if spec.launch.url:
            return [Way({})]
        given = spec.terms.cost
        memory = [name for name in catalog.budget if is_memory(name)]
        launch, need = self.needs.get(spec.name, (None, None))
        if launch != spec.launch:
            need = None
        if not memory:
            return [Way(given)]
        if need and need.ways:
            return [Way({**way.cost, **given}, way.devices) for way in need.ways]
        if [name for name in given if is_memory(name)]:
            return [Way(given)]
        return None if need is None else []

    def exited(self, run: RunId, cost: Cost, now: float) -> None:
        held = {name: amount for name, amount in cost.items() if is_memory(name) and name != RAM and amount}
        if self.reading and set(held) & set(self.reading.gauges):
            self.unseen[run] = held, now

    def overdue(self, now: float) -> set[RunId]:
        """Those whose memory was not seen free in time; forgotten with this."""
        late = {run for run, (_, since) in self.unseen.items() if since + SETTLE <= now}
        for run in late:
            del self.unseen[run]
        return late

    def strangers(self, name: str) -> int:
        return min(self.others.get(name, [])[-3:], default=0)

    def read(self, reading: Reading, lives: dict[RunId, tuple[Cost, bool]]) -> None:
        """``lives``: what each living run is reckoned with, and whether it still loads."""
        known = {n: g for n, g in (self.reading.gauges if self.reading else {}).items() if n not in reading.lost}
        self.reading = replace(reading, gauges={**known, **reading.gauges})
        for name, gauge in reading.gauges.items():
            told = {run: taken[name] for run, taken in reading.taken.items() if run in lives and name in taken}
            guessed = {run: cost.get(name, 0) for run, (cost, _) in lives.items() if run not in told}
            unclear = any(guessed[run] for run, (_, loads) in lives.items() if loads and run in guessed)
            ours = 0 if unclear else sum(told.values()) + sum(guessed.values())
            others = max(0, gauge.total - gauge.free - ours)
            awaited = sum(cost.get(name, 0) for cost, _ in self.unseen.values())
            if awaited:
                if others > self.strangers(name) + awaited / 10 + 1e-9 * awaited:
                    continue
                self._seen(name)
            if not unclear:
                self.others.setdefault(name, []).append(others)

    def _seen(self, name: str) -> None:
        assert self.reading is not None
        for run, (cost, since) in list(self.unseen.items()):
            if since <= self.reading.at:
                cost.pop(name, None)
                if not set(cost) & set(self.reading.gauges):
                    del self.unseen[run]

    def limits(self, budget: Cost) -> dict[str, int]:
        room = dict(budget)
        for name in room:
            if self.reading and name in self.reading.lost:
                room[name] = 0
            elif self.reading and name in self.reading.gauges:
                room[name] = min(room[name], self.reading.gauges[name].total - self.strangers(name))
        return room


@dataclass
class NaiveShares:
    """Engine-seconds by client. A run's leases are charged whenever one begins or ends there."""

    used: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    present: dict[int, str] = field(default_factory=dict)
    """Ticket -> client, from the asking until it is refused or leaves."""
    serving: dict[RunId, dict[int, str]] = field(default_factory=dict)
    since: dict[RunId, float] = field(default_factory=dict)
    typical: dict[str, float] = field(default_factory=dict)
    """Model -> how long a lease lasts, as a decaying mean."""
    floor: float = 0.0
    """Where a newcomer starts when nobody is there: with what the last one had used who went."""
    begun: dict[int, tuple[str, float]] = field(default_factory=dict)

    def of(self, client: str, now: float) -> float:
        """What it has used, and uses just now."""
        used = self.used[client]
        for run, leases in self.serving.items():
            used += sum((now - self.since[run]) / len(leases) for one in leases.values() if one == client)
        return used

    def came(self, ticket: int, client: str, now: float) -> None:
        if client not in self.present.values():
            start = min((self.of(other, now) for other in self.present.values()), default=self.floor)
            self.used[client] = max(self.used[client], start)
        self.present[ticket] = client

    def charge(self, run: RunId, now: float) -> None:
        leases = self.serving.setdefault(run, {})
        for client in leases.values():
            self.used[client] += (now - self.since[run]) / len(leases)
        self.since[run] = now

    def granted(self, ticket: int, client: str, run: RunId, now: float) -> None:
        self.charge(run, now)
        self.serving[run][ticket] = client
        self.begun[ticket] = run.model, now

    def left(self, ticket: int, now: float) -> None:
        if ticket in self.begun:
            model, since = self.begun.pop(ticket)
            mean = self.typical.get(model, 1.0)
            self.typical[model] = mean + (now - since - mean) / 5
        for run in [run for run, leases in self.serving.items() if ticket in leases]:
            self.charge(run, now)
            del self.serving[run][ticket]
        client = self.present.pop(ticket, None)
        if client is not None and not self.present:
            self.floor = max(self.floor, self.used[client])

    def exited(self, run: RunId, now: float) -> None:
        self.charge(run, now)
        del self.serving[run]

    def loaded(self, clients: list[str], seconds: float) -> None:
        for client in clients:
            self.used[client] += seconds / len(clients)
