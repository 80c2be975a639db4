"""A book kept as naively as possible, from events and orders alone: what ``Laws`` measures the scheduler by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from swapd.core import events as fact
from swapd.core.book import Wish
from swapd.core.engine import RunId
from swapd.core.need import Way
from swapd.core.spec import Bounds, Catalog, Cost, Spec, Stay, Terms
from tests.core.naive_life import Life, Place
from tests.core.naive_memory import NaiveMemory, NaiveShares

TIE = 1e-6
"""Engine-seconds that may be added up in another order are equal if they differ by less."""


@dataclass
class NaiveBook:
    """Who lives, who waits, who holds. Written by ``hear``, and by the laws as they follow the orders."""

    catalog: Catalog = field(default_factory=Catalog)
    lives: dict[str, Life] = field(default_factory=dict)
    waiting: dict[int, Place] = field(default_factory=dict)
    holding: dict[int, RunId] = field(default_factory=dict)
    granted: dict[tuple[str, str], float] = field(default_factory=dict)
    """(client, model) -> when a ticket of this lane was last granted, less its lead: its clock."""
    leads: dict[tuple[str, str], float] = field(default_factory=dict)
    """(client, model) -> by how much the clocks of this lane are early."""
    loads: dict[str, float] = field(default_factory=dict)
    """Model -> how long its last load took, as far as one was seen."""
    loaded: set[str] = field(default_factory=set)
    """The models that were seen to load in this life of the daemon."""
    runs: dict[str, int] = field(default_factory=dict)
    memory: NaiveMemory = field(default_factory=NaiveMemory)
    shares: NaiveShares = field(default_factory=NaiveShares)
    gave_up: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """(client, model) -> the clock of the lane whose last ticket was withdrawn, and when."""
    rested: set[str] = field(default_factory=set)
    resting: set[str] = field(default_factory=set)
    wishes: dict[str, tuple[Wish, float]] = field(default_factory=dict)
    pinning: dict[str, bool] = field(default_factory=dict)
    closings: int = 0
    now: float = 0.0

    def hear(self, event: fact.Event) -> None:  # noqa: C901  (one case an event)
        match event:
            case fact.Asked(ticket, name, client):
                found = self.catalog.resolve(name)
                self._arrives(Place(ticket, found[0].name if found else name, client, self.now, self.now))
                if found and not self.closings:
                    self.rested.discard(found[0].name)
            case fact.Left(ticket):
                if place := self.waiting.pop(ticket, None):
                    self._gave_up(place)
                self._releases(ticket)
                self.shares.left(ticket, self.now)
            case fact.EngineReady(run, endpoint):
                if (life := self.life(run)) and life.endpoint is None and not life.leaving:
                    life.endpoint, life.ready, life.idle = endpoint, self.now, self.now
                    if life.found is None:
                        self.loads[run.model] = max(life.ready - life.spawned, 0.001)
                        self.loaded.add(run.model)
                    self._owes_again(life)
                    clients = [place.client for place in self.waits_for(run.model)]
                    self.shares.loaded(clients, life.ready - life.spawned)
            case fact.EngineSick(run, _):
                if (life := self.life(run)) and life.terminated is None:
                    life.excused = True
            case fact.EngineExited(run, _):
                if life := self.life(run):
                    self.memory.exited(run, life.way.cost, self.now)
                    self.shares.exited(run, self.now)
                    del self.lives[run.model]
            case fact.CatalogChanged(catalog, found):
                self._edit(catalog)
                for one in found:
                    self._finds(one)
            case fact.Weighed(name, launch, need):
                if (spec := self.catalog.models.get(name)) and spec.launch == launch:
                    self.memory.needs[name] = launch, need
                    if need.load is not None and name not in self.loaded:
                        self.loads[name] = max(need.load, 0.001)
                    self._reckon()
            case fact.MachineRead(reading):
                lives = self.lives.values()
                loads = {life.run: life.endpoint is None or life.ready > reading.at for life in lives}
                self.memory.read(reading, {life.run: (life.way.cost, loads[life.run]) for life in lives})
            case fact.LoadWished(name) | fact.UnloadWished(name):
                if (found := self.catalog.resolve(name)) and not self.closings:
                    wish = self.rested.discard if isinstance(event, fact.LoadWished) else self.rested.add
                    wish(found[0].name)
                if found and isinstance(event, fact.UnloadWished) and event.now and found[0].name in self.lives:
                    self.lives[found[0].name].excused = True
            case fact.PinWished(name, pinned):
                if (found := self.catalog.resolve(name)) and not self.closings:
                    self._pins(found[0].name, pinned)
            case fact.KeepWished(run, ttl):
                if (life := self.life(run)) and life.serving and not self.to_pin(life.spec):
                    self._stays(life, replace(life.spec.terms.stay, ttl=ttl))
            case fact.Closing():
                self.closings += 1
                for life in self.lives.values():
                    life.excused |= self.closings > 1

    def _pins(self, name: str, pinned: bool) -> None:
        if pinned:
            self.rested.discard(name)
        elif (life := self.lives.get(name)) and life.run not in self.holding.values():
            life.idle = self.now

    def _finds(self, found: fact.Found) -> None:
        name = found.run.model
        assert name not in self.lives, f"{found.run} found beside {self.lives[name].run}: the poster's fault"
        self.runs[name] = max(self.runs.get(name, 0), found.run.n)
        spec = self.catalog.models.get(name)
        fits = spec is not None and spec.launch == found.launch
        if spec is None or not fits:
            spec = Spec(name, found.launch, Terms(bounds=Bounds(stop=found.grace), stop=found.stop))
        life = self.lives[name] = Life(found.run, spec, self.now, found.way, set(), set(), found=found)
        if fits:
            self._reckon_one(life)

    def _arrives(self, place: Place) -> None:
        lane = place.client, place.model
        if lane in self.lanes():
            place.clock -= self.leads[lane]
        else:
            patience = self.catalog.rules.patience
            self.leads[lane] = min(self.loads.get(place.model, 0.0), patience / 4)
            self.granted.pop(lane, None)
            clock, left = self.gave_up.get(lane, (0.0, float("-inf")))
            place.clock = clock if self.now - left <= 10 else self.now - self.leads[lane]
        self.waiting[place.ticket] = place

    def _gave_up(self, place: Place) -> None:
        lane = (place.client, place.model)
        if lane not in self.lanes():
            self.gave_up[lane] = (self.clock(place), self.now)

    def _owes_again(self, life: Life) -> None:
        """All it was loaded for have left before it was ready: it is owed to those who came meanwhile."""
        if not life.quantum & set(self.waiting):
            sure, perhaps = self.quantum_of(life.run.model)
            life.quantum = sure if not life.perhaps & set(self.waiting) else set()
            life.perhaps |= perhaps

    def _releases(self, ticket: int) -> None:
        run = self.holding.pop(ticket, None)
        if run is not None and run not in self.holding.values() and (life := self.life(run)):
            life.idle = self.now

    def _stays(self, life: Life, stay: Stay) -> None:
        life.spec = replace(life.spec, terms=replace(life.spec.terms, stay=stay))

    def _edit(self, catalog: Catalog) -> None:
        before, self.catalog = self.catalog.models, catalog
        for name, life in self.lives.items():
            if name in catalog.models and not life.leaving:
                wished = life.spec.terms.stay
                life.spec = Spec(name, life.spec.launch, catalog.models[name].terms)
                if name in before and before[name].terms.stay == life.spec.terms.stay:
                    self._stays(life, wished)
        self.rested &= set(catalog.models)
        self._reckon()

    def _reckon(self) -> None:
        """What lives is reckoned with as is known today, if it runs where it would be placed today."""
        for life in self.lives.values():
            if not life.leaving and life.run.model in self.catalog.models:
                self._reckon_one(life)

    def _reckon_one(self, life: Life) -> None:
        found = self.memory.ways(self.catalog, life.spec) or []
        same = [way for way in found if set(way.devices) == set(life.way.devices)]
        life.way = same[0] if same else life.way

    def life(self, run: RunId) -> Life | None:
        life = self.lives.get(run.model)
        return life if life is not None and life.run == run else None

    def living(self, run: RunId) -> Life:
        life = self.life(run)
        assert life is not None, f"an order for {run}, which is no more"
        return life

    def pinned(self, name: str) -> bool:
        spec = self.catalog.models.get(name)
        return spec is not None and self.to_pin(spec) and name not in self.rested

    def has_its_place(self, name: str) -> bool:
        """Whether a pinned model fits beside the pinned ones before it; else it is pinned in vain."""
        kept: dict[str, int] = {}
        for spec in self.catalog.models.values():
            if not self.to_pin(spec) or not (ways := self.ways(spec.name)):
                continue
            budget = self.catalog.budget
            fits = any(all(a <= budget.get(n, a) - kept.get(n, 0) for n, a in w.cost.items()) for w in ways)
            if spec.name == name:
                return fits
            cost = self.lives[spec.name].way.cost if spec.name in self.lives else ways[0].cost
            for resource, amount in cost.items() if fits else ():
                kept[resource] = kept.get(resource, 0) + amount
        return True

    def to_pin(self, spec: Spec) -> bool:
        """The operator's word, as far as it was taken, or else the config's."""
        return self.pinning.get(spec.name, spec.terms.stay.pinned)

    def waits_for(self, model: str) -> list[Place]:
        return [place for place in self.waiting.values() if place.model == model]

    def ways(self, model: str) -> list[Way] | None:
        return self.memory.ways(self.catalog, self.catalog.models[model])

    def needs_just(self, model: str) -> Cost | None:
        """What a model takes, if there is but one way to place it."""
        ways = self.ways(model) or []
        return ways[0].cost if len(ways) == 1 else None

    def free(self) -> dict[str, int]:
        """Of the budget, and of what strangers leave: what neither lives nor was not seen free."""
        room = self.memory.limits(self.catalog.budget)
        for life in self.lives.values():
            add(room, life.way.cost, -1)
        for cost, _ in self.memory.unseen.values():
            add(room, cost, -1)
        return room

    def soon(self) -> dict[str, int]:
        """Free once all that leave are gone; who was killed ten seconds ago and is there yet may stay for ever."""
        room = self.free()
        for life in self.lives.values():
            if life.leaving and (life.killed is None or self.now - life.killed < 10):
                add(room, life.way.cost)
        for cost, _ in self.memory.unseen.values():
            add(room, cost)
        return room

    def over(self) -> dict[str, int]:
        """By how much the lives alone exceed the operator's budget."""
        room = dict(self.catalog.budget)
        for life in self.lives.values():
            add(room, life.way.cost, -1)
        return {name: -left for name, left in room.items() if left < 0}

    def turns(self, model: str) -> dict[int, tuple[float, float]]:
        """Ticket -> its turn, smaller is sooner: out of patience by deadline, then by what its client has used."""
        out: dict[int, tuple[float, float]] = {}
        heads = {head.ticket for head in self.heads(model).values()}
        ahead: dict[str, int] = {}
        for place in self.waits_for(model):
            before = ahead[place.client] = ahead.get(place.client, -1) + 1
            if place.ticket in heads and self.deadline(place) <= self.now:
                out[place.ticket] = 0.0, self.deadline(place)
            else:
                typical = self.shares.typical.get(model, 1.0)
                out[place.ticket] = 1.0, self.shares.of(place.client, self.now) + before * typical
        return out

    def sooner(self, model: str, ticket: int, by: float) -> set[int]:
        """The model's tickets whose turn comes before this one's: surely (``by`` > 0), or perhaps (< 0)."""
        turns, arrivals = self.turns(model), [place.ticket for place in self.waits_for(model)]
        late, mine = turns[ticket]
        out = {t for t, (theirs, at) in turns.items() if (theirs, at) < (late, mine - (by if late else 0.0))}
        older = arrivals[: arrivals.index(ticket)]
        return (out | {t for t in older if turns[t] == turns[ticket]}) - {ticket}

    def quantum_of(self, model: str) -> tuple[set[int], set[int]]:
        """Whom a model would be loaded for now: surely, and perhaps."""
        slots = self.catalog.models[model].terms.concurrency
        tickets = [place.ticket for place in self.waits_for(model)]
        sure = {t for t in tickets if len(self.sooner(model, t, -TIE)) < slots}
        return sure, {t for t in tickets if len(self.sooner(model, t, TIE)) < slots}

    def owed(self, life: Life) -> set[int]:
        """Who must be served yet: a lease that lasts longer than patience is no reason to keep the engine."""
        patience = self.catalog.rules.patience
        held = {t for t, run in self.holding.items() if run == life.run and life.served[t] + patience > self.now}
        return life.quantum & (held | set(self.waiting))

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

    def out_of_patience(self) -> dict[str, float]:
        """The cold models that somebody out of patience waits for, with the earliest of their deadlines."""
        wanted = {place.model for place in self.waiting.values()} | set(self.wishes)
        cold = [name for name in wanted - self.resting if name not in self.lives or self.lives[name].leaving]
        return {name: at for name in cold if (at := self.impatient(name)) is not None}


def lacks_of(cost: Cost, room: Cost) -> dict[str, int]:
    return {name: amount for name, amount in cost.items() if amount > 0 and amount > room.get(name, amount)}


def add(room: dict[str, int], cost: Cost, sign: int = 1) -> None:
    for name, amount in cost.items():
        if name in room:
            room[name] += sign * amount
