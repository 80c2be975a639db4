"""What must hold whatever happens: an outsider who sees only events and orders, and believes neither.

``Laws`` keeps a book of its own and checks every order against it. Plays and walks
alike have it look over the scheduler's shoulder, so each pointed test proves the general rules as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.commands import Cause
from swapd.core.engine import RunId
from swapd.core.moves import ADOPTING, LAST_DRAIN
from swapd.core.need import Way, is_memory
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Cost
from tests.core.naive import TIE, NaiveBook, add, lacks_of
from tests.core.naive_life import Life, Place
from tests.core.orders import evicted_for, turned_away


@dataclass
class Laws(NaiveBook):
    """``witness`` every event with its orders: raises AssertionError on the first broken law."""

    answered: set[int] = field(default_factory=set)
    making_room: set[str] = field(default_factory=set)
    batch: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    """Model -> whose turn came before whose, when the first lease of this moment was given."""
    used_before: dict[str, float] = field(default_factory=dict)
    """Engine-seconds by client, before the orders of this moment."""

    # -- the witness -----------------------------------------------------------------------------------

    def witness(self, scheduler: Scheduler, event: fact.Event, now: float, orders: list[order.Command]) -> None:
        assert now >= self.now, "time ran backwards"
        self.now, self.wishes = now, scheduler.book.wishes
        was_over = self.over()
        self.hear(event)
        if isinstance(event, fact.Asked) and not turned_away(event, orders):
            self.shares.came(event.ticket, event.client, now)
        for name, life in self.lives.items():
            if name in self.catalog.models and not self.ways(name) and name in scheduler.book.engines:
                life.way = scheduler.book.engines[name].way  # all that there is, whatever that is today
        unseen = self.memory.overdue(now)
        assert unseen == {o.run for o in orders if isinstance(o, order.Note) and o.why.cause is Cause.UNSEEN}
        self.resting = {name for name, engine in scheduler.book.engines.items() if engine.resting}
        before = self.over() if isinstance(event, fact.CatalogChanged | fact.Weighed) else was_over
        late: dict[str, float] = {}
        self.making_room.clear()
        self.batch.clear()
        self.used_before = dict(self.shares.used)
        for n, command in enumerate(orders):
            self._victims(command, orders[n:], scheduler)
            self._follow(command, late)
        self._nobody_is_blocked_by(late)
        self._what_was_found_goes_on_or_goes()
        over = self.over()
        assert all(over[name] <= before.get(name, 0) for name in over), f"over the budget by {over}"
        self._same_queue(scheduler)
        resting = {name for name, engine in scheduler.book.engines.items() if engine.resting}
        assert set(scheduler.book.engines) - resting == set(self.lives), "the book and the world disagree"
        due = scheduler.deadline()
        assert due is None or due > now, f"deadline {due} is not in the future of {now}"

    def _follow(self, command: order.Command, late: dict[str, float]) -> None:
        match command:
            case order.Spawn():
                self._spawn(command)
            case order.Adopt():
                self._adopt(command)
            case order.Grant():
                self._grant(command, late)
            case order.Refuse(ticket, _):
                assert ticket in self.waiting, f"refused {ticket}, who does not wait"
                del self.waiting[ticket]
                self.shares.left(ticket, self.now)
                self._answer(ticket)
            case order.Revoke(ticket, run):
                self._may_be_cut(run)
                assert self.holding.get(ticket) == run, f"revoked {ticket}, who does not hold {run}"
                del self.holding[ticket]
            case order.Note(run, why) if why.cause is Cause.UNSEEN:
                assert not self.life(run), f"{run} lives: its memory cannot be seen free"
            case order.Note(run, why):
                life = self.living(run)
                assert life.serving, f"{run} drains twice, or before it is ready"
                assert run in self.holding.values(), f"{run} drains though nobody holds it"
                self._may_go(life, why)
                life.drained = self.now
            case order.Terminate():
                self._terminate(command)
            case order.Kill(run):
                life = self.living(run)
                assert life.terminated is not None, f"{run} killed before it was asked to go"
                life.killed = self.now if life.killed is None else life.killed
                assert self.now >= life.terminated + life.spec.terms.bounds.stop, f"{run} killed within its grace"

    def _answer(self, ticket: int) -> None:
        assert ticket not in self.answered, f"{ticket} is answered twice"
        self.answered.add(ticket)

    # -- the laws --------------------------------------------------------------------------------------

    def _spawn(self, spawn: order.Spawn) -> None:
        name = spawn.run.model
        assert not self.closings, "spawned while closing"
        assert name not in self.lives, f"{spawn.run} spawned while {self.lives[name].run} lives"
        assert spawn.run.n == self.runs.get(name, 0) + 1, f"{spawn.run} is not the next run"
        assert spawn.launch == self.catalog.models[name].launch, "spawned with an old launch"
        self._fits(spawn)
        mine = self.impatient(name)
        for model in {place.model for place in self.waiting.values()} - {name, *self.lives} - self.resting:
            theirs, cost = self.impatient(model), self.needs_just(model)
            if cost is not None and theirs is not None and (mine is None or theirs < mine):
                taken = self._taken_from(cost, spawn.way.cost)
                assert not taken, f"{spawn.run} takes the {taken} that {model} waits for, out of patience"
        self.runs[name] = spawn.run.n
        sure, perhaps = self.quantum_of(name)
        self.lives[name] = Life(spawn.run, self.catalog.models[name], self.now, spawn.way, sure, perhaps)

    def _adopt(self, adopt: order.Adopt) -> None:
        life = self.living(adopt.run)
        assert life.found is not None and not life.adopted, (
            f"{adopt.run} is taken over, but was not found, or twice"
        )
        assert (adopt.launch, adopt.way) == (life.found.launch, life.found.way)
        life.adopted = True

    def _what_was_found_goes_on_or_goes(self) -> None:
        """It is taken over at once; it answers within its bound, or is stopped; at once if it is not wanted so."""
        for name, life in self.lives.items():
            if life.found is None or life.terminated is not None:
                continue
            assert life.adopted, f"{life.run} was found, and nobody cares"
            bound = ADOPTING if life.found.ready else life.spec.terms.bounds.start
            assert life.endpoint or self.now < life.spawned + bound, f"{life.run} does not answer, and stays"
            wanted = self.catalog.models.get(name)
            assert life.drained or (wanted and wanted.launch == life.found.launch), f"nobody wants {life.run} so"

    def _taken_from(self, cost: Cost, by: Cost) -> dict[str, int]:
        """What will be missing once all that may go are gone, because somebody takes it now."""
        room = self.soon()
        for name, life in self.lives.items():
            if not life.leaving and not self.pinned(name):
                add(room, life.way.cost)
        after = dict(room)
        add(after, by, -1)
        return {} if lacks_of(cost, room) else lacks_of(cost, after)

    def _fits(self, spawn: order.Spawn) -> None:
        """It takes no more than is free, seen free, and not a stranger's; unknown needs load alone."""
        ways, cost = self.ways(spawn.run.model), spawn.way.cost
        assert ways is not None, f"{spawn.run} spawned before it was weighed"
        lacks = lacks_of(cost, self.free())
        assert not lacks, f"{spawn.run} takes {cost}, too much by {lacks} of {self.free()}"
        if ways:
            alone = [way for way in ways if self._all_there_is(spawn.way, way)]
            assert spawn.way in ways or alone, f"{spawn.run} is placed where it was not weighed"
            return
        memory = [name for name in self.catalog.budget if is_memory(name)]
        keeps = {name for name, spec in self.catalog.models.items() if spec.terms.stay.pinned}  # even at rest
        beside = [life.run for name, life in self.lives.items() if name not in keeps]
        shared = [run for run in beside if any(self.living(run).way.cost.get(name) for name in memory)]
        assert not shared, f"{spawn.run} is unknown, but loads beside {shared}"

    def _victims(self, first: order.Command, rest: list[order.Command], scheduler: Scheduler) -> None:
        """Those who make room for a model do make room; and if nobody else is in line, none of them could stay."""
        model = evicted_for(first)
        if model is None or model in self.making_room:
            return
        self.making_room.add(model)
        for name, life in self.lives.items():
            assert life.way == scheduler.book.engines[name].way or life.leaving
        gone = [
            self.living(o.run)
            for o in rest
            if isinstance(o, order.Terminate | order.Note) and evicted_for(o) == model
        ]
        ways = self.ways(model)
        if not ways:
            return
        assert self._room_in(ways, gone), f"{[life.run for life in gone]} go for {model} in vain"
        wanted = {place.model for place in self.waiting.values()} | set(self.wishes)
        if not wanted - {model} - {n for n, life in self.lives.items() if not life.leaving} - self.resting:
            for one in gone:
                others = [life for life in gone if life is not one]
                assert not self._room_in(ways, others), f"{one.run} goes for {model} needlessly"

    def _room_in(self, ways: list[Way], gone: list[Life]) -> bool:
        room = self.soon()
        for life in gone:
            if not life.leaving:
                add(room, life.way.cost)
        return any(not lacks_of(way.cost, room) for way in ways)

    def _grant(self, grant: order.Grant, late: dict[str, float]) -> None:
        life, place = self.living(grant.run), self.waiting.get(grant.ticket)
        assert not self.closings, "granted while closing"
        assert place is not None, f"granted {grant.ticket}, who does not wait"
        assert life.serving, f"granted a lease on {grant.run}, which does not serve"
        leases = list(self.holding.values()).count(grant.run)
        assert leases < life.spec.terms.concurrency, f"{grant.run} has {leases} leases already"
        assert (grant.endpoint, grant.spec) == (life.endpoint, life.spec)
        assert grant.queued == self.now - place.since
        assert grant.loaded == (life.ready - life.spawned if place.since < life.ready else 0.0)
        sooner = self._sooner(place)
        if place.ticket not in life.perhaps:
            catches_up = self._catches_up(life, place)
            assert not sooner or catches_up, f"{place.ticket} is served before {sooner}, whose turn it is"
            if not catches_up:
                late[place.model] = max(late.get(place.model, 0.0), self.deadline(place))
        del self.waiting[place.ticket]
        self.holding[place.ticket] = grant.run
        self.shares.granted(place.ticket, place.client, grant.run, self.now)
        life.served[place.ticket] = self.now
        lane = (place.client, place.model)
        self.granted[lane] = max(self.clock(place), self.now - self.leads[lane])
        self.gave_up.pop((place.client, place.model), None)
        self._answer(place.ticket)

    def _sooner(self, place: Place) -> set[int]:
        """Whose turn surely comes before this one's, now and when the first lease of this moment was given.

        (Several leases given at once are given in the turns of before the first.)
        """
        mine = [p.ticket for p in self.waits_for(place.model)]
        now = self.sooner(place.model, place.ticket, TIE)
        if place.model not in self.batch:
            self.batch[place.model] = {t: self.sooner(place.model, t, TIE) for t in mine}
        return now & self.batch[place.model][place.ticket]

    def _all_there_is(self, way: Way, weighed: Way) -> bool:
        """Whether it is the way that was weighed, but for resources of which it takes all that can be had."""
        room = self.catalog.budget
        less = {name for name, amount in weighed.cost.items() if way.cost.get(name) != amount}
        return way.devices == weighed.devices and all(0 < way.cost[n] <= room[n] < weighed.cost[n] for n in less)

    def _catches_up(self, life: Life, place: Place) -> bool:
        """Whether its client has used less than all who wait out of patience for a cold model, and asked before.

        For as long as patience lasts after the load such a one is served though the engine is held for the others.
        """
        if self.now >= life.ready + self.catalog.rules.patience:
            return False
        for model in self.out_of_patience():
            rivals = self.waits_for(model)
            if rivals and place.since <= rivals[0].since:
                level = min(self._used(p.client, max) for p in rivals)
                if self._used(place.client, min) < level + TIE:
                    return True
        return False

    def _used(self, client: str, which: Callable[[float, float], float]) -> float:
        """Before the orders of this moment, or now."""
        return which(self.used_before.get(client, 0.0), self.shares.used[client])

    def _nobody_is_blocked_by(self, late: dict[str, float]) -> None:
        """No lease for a latecomer on an engine that stands in the way of the first who is out of patience.

        It stands in the way for sure if all the others together, gone, would not make room enough.
        """
        due = self.out_of_patience()
        model, first = min(due.items(), key=lambda item: item[1], default=("", 0.0))
        cost = self.needs_just(model) if due else None
        in_the_way = {name for name, deadline in late.items() if deadline > first and not self.pinned(name)}
        if cost is None or not in_the_way:
            return
        room, without = self.soon(), self.soon()
        for name, life in self.lives.items():
            if not life.leaving and not self.pinned(name):
                add(room, life.way.cost)
                if name not in in_the_way:
                    add(without, life.way.cost)
        lacks = lacks_of(cost, without) if not lacks_of(cost, room) else {}
        assert not lacks, f"leases on {in_the_way} keep {lacks} from {model}, which is out of patience"

    def _may_go(self, life: Life, why: order.Why) -> None:
        name = life.run.model
        if why.cause in (Cause.EVICTED, Cause.TTL):
            assert not self.pinned(name), f"{life.run} is pinned"
        if why.cause is Cause.EVICTED:
            owed = self.owed(life)
            assert not owed, f"{life.run} is evicted before its quantum {owed} is served"
        if why.cause is Cause.TTL:
            assert not self.waits_for(name), f"{life.run} retires while somebody waits for it"
            ttl = life.spec.terms.stay.ttl
            assert ttl is not None and self.now >= life.idle + ttl, f"{life.run} retires before its ttl {ttl}"

    def _terminate(self, terminate: order.Terminate) -> None:
        life = self.living(terminate.run)
        assert life.terminated is None, f"{life.run} terminated twice"
        assert terminate.stop == life.spec.terms.stop
        assert life.run not in self.holding.values(), f"{life.run} is terminated with leases that were not revoked"
        self._may_go(life, terminate.why)
        life.terminated = self.now

    def _may_be_cut(self, run: RunId) -> None:
        """A lease is cut only when its drain is overdue, the engine is unusable or the daemon was told twice."""
        life = self.living(run)
        if life.excused:
            return
        bound = life.spec.terms.bounds.drain
        if bound is None and self.closings:
            bound = LAST_DRAIN
        assert life.drained is not None, f"leases of {run} are cut without a drain"
        assert bound is not None and self.now >= life.drained + bound, f"leases of {run} are cut too soon"

    def _same_queue(self, scheduler: Scheduler) -> None:
        queue = scheduler.book.queue
        assert len(queue) == len(self.waiting)
        assert sorted(queue.models()) == sorted({place.model for place in self.waiting.values()})
        for model in queue.models():
            mine = self.waits_for(model)
            assert [(w.ticket, w.client, w.since) for w in queue.of(model)] == [
                (p.ticket, p.client, p.since) for p in mine
            ]
            assert queue.count(model) == len(mine)
            naive = sum(self.now - place.since for place in mine)
            assert abs(queue.waited(model, self.now) - naive) < 1e-6
            heads = {(self.clock(head), head.ticket) for head in self.heads(model).values()}
            assert set(queue.clocks(model)) == heads
