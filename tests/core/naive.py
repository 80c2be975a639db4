"""A book kept as naively as possible, from events and orders alone: what ``Laws`` measures the scheduler by."""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core import events as fact
from swapd.core.book import Wish
from swapd.core.engine import Endpoint, RunId
from swapd.core.spec import Catalog, Cost, Spec


@dataclass
class Life:
    """One run from its Spawn to its exit."""

    run: RunId
    spec: Spec
    spawned: float
    quantum: set[int]
    endpoint: Endpoint | None = None
    ready: float = 0.0
    drained: float | None = None
    terminated: float | None = None
    excused: bool = False
    """Sick, or the second Closing: may be ended whatever its leases."""

    @property
    def leaving(self) -> bool:
        return self.drained is not None or self.terminated is not None

    @property
    def serving(self) -> bool:
        return self.endpoint is not None and not self.leaving


@dataclass
class Place:
    """A waiting ticket."""

    ticket: int
    model: str
    client: str
    since: float
    clock: float
    """Since when it counts: a caller that gave up within ten seconds before goes on from there."""


@dataclass
class NaiveBook:
    """Who lives, who waits, who holds. Written by ``hear``, and by the laws as they follow the orders."""

    catalog: Catalog = field(default_factory=Catalog)
    lives: dict[str, Life] = field(default_factory=dict)
    waiting: dict[int, Place] = field(default_factory=dict)
    holding: dict[int, RunId] = field(default_factory=dict)
    granted: dict[tuple[str, str], float] = field(default_factory=dict)
    """(client, model) -> when a ticket of this lane was last granted: its clock."""
    gave_up: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """(client, model) -> the clock of the lane whose last ticket was withdrawn, and when."""
    rested: set[str] = field(default_factory=set)
    resting: set[str] = field(default_factory=set)
    wishes: dict[str, tuple[Wish, float]] = field(default_factory=dict)
    closings: int = 0
    now: float = 0.0

    def hear(self, event: fact.Event) -> None:  # noqa: C901  (one case an event)
        match event:
            case fact.Asked(ticket, name, client):
                found = self.catalog.resolve(name)
                model = found[0].name if found else name
                clock, left = self.gave_up.get((client, model), (self.now, self.now))
                clock = clock if self.now - left <= 10 and (client, model) not in self.lanes() else self.now
                self.waiting[ticket] = Place(ticket, model, client, self.now, clock)
                if found and not self.closings:
                    self.rested.discard(found[0].name)
            case fact.Left(ticket):
                if place := self.waiting.pop(ticket, None):
                    self._gave_up(place)
                self.holding.pop(ticket, None)
            case fact.EngineReady(run, endpoint):
                if (life := self.life(run)) and life.endpoint is None and not life.leaving:
                    life.endpoint, life.ready = endpoint, self.now
                    if not life.quantum & set(self.waiting):
                        life.quantum = {place.ticket for place in self.waits_for(run.model)}
            case fact.EngineSick(run, _):
                if (life := self.life(run)) and not life.leaving:
                    life.excused = True
            case fact.EngineExited(run, _):
                if self.life(run):
                    del self.lives[run.model]
            case fact.CatalogChanged(catalog):
                self._edit(catalog)
            case fact.LoadWished(name) | fact.UnloadWished(name):
                if (found := self.catalog.resolve(name)) and not self.closings:
                    wish = self.rested.discard if isinstance(event, fact.LoadWished) else self.rested.add
                    wish(found[0].name)
            case fact.Closing():
                self.closings += 1
                for life in self.lives.values():
                    life.excused |= self.closings > 1

    def _gave_up(self, place: Place) -> None:
        lane = (place.client, place.model)
        if lane not in self.lanes():
            self.gave_up[lane] = (self.clock(place), self.now)

    def _edit(self, catalog: Catalog) -> None:
        self.catalog = catalog
        for name, life in self.lives.items():
            if name in catalog.models and not life.leaving:
                life.spec = Spec(name, life.spec.launch, catalog.models[name].terms)
        self.rested &= set(catalog.models)

    def life(self, run: RunId) -> Life | None:
        life = self.lives.get(run.model)
        return life if life is not None and life.run == run else None

    def living(self, run: RunId) -> Life:
        life = self.life(run)
        assert life is not None, f"an order for {run}, which is no more"
        return life

    def pinned(self, name: str) -> bool:
        spec = self.catalog.models.get(name)
        return spec is not None and spec.terms.stay.pinned and name not in self.rested

    def waits_for(self, model: str) -> list[Place]:
        return [place for place in self.waiting.values() if place.model == model]

    def free(self) -> dict[str, int]:
        room = dict(self.catalog.budget)
        for life in self.lives.values():
            add(room, life.spec.terms.cost, -1)
        return room

    def over(self) -> dict[str, int]:
        return {name: -left for name, left in self.free().items() if left < 0}

    def heads(self, model: str) -> dict[str, Place]:
        """Client -> its oldest ticket for the model."""
        out: dict[str, Place] = {}
        for place in self.waits_for(model):
            out.setdefault(place.client, place)
        return out

    def lanes(self) -> set[tuple[str, str]]:
        return {(place.client, place.model) for place in self.waiting.values()}

    def clock(self, head: Place) -> float:
        return max(head.clock, self.granted.get((head.client, head.model), head.clock))

    def deadline(self, head: Place) -> float:
        return self.clock(head) + self.catalog.rules.patience

    def impatient(self, model: str) -> float | None:
        """The earliest deadline of the model's callers that is over."""
        due = [self.deadline(head) for head in self.heads(model).values()]
        wish, since = self.wishes.get(model, (None, 0.0))
        if wish in (Wish.LOAD, Wish.PINNED):
            due.append(since + self.catalog.rules.patience)
        return min((at for at in due if at <= self.now), default=None)


def lacks_of(cost: Cost, room: Cost) -> dict[str, int]:
    return {name: amount for name, amount in cost.items() if amount > 0 and amount > room.get(name, amount)}


def add(room: dict[str, int], cost: Cost, sign: int = 1) -> None:
    for name, amount in cost.items():
        if name in room:
            room[name] += sign * amount
