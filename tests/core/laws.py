"""What must hold whatever happens: an outsider who sees only events and orders, and believes neither.

``Laws`` keeps a book of its own and checks every order against it. Plays and walks
alike have it look over the scheduler's shoulder, so each pointed test proves the general rules as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.commands import Cause
from swapd.core.engine import RunId
from swapd.core.moves import ADOPTING, LAST_DRAIN
from swapd.core.scheduler import Scheduler
from tests.core.laws_of_room import RoomLaws
from tests.core.laws_of_turns import TurnLaws
from tests.core.naive_life import Life
from tests.core.orders import turned_away


@dataclass
class Laws(RoomLaws, TurnLaws):
    """``witness`` every event with its orders: raises AssertionError on the first broken law."""

    # -- the witness -----------------------------------------------------------------------------------

    def witness(self, scheduler: Scheduler, event: fact.Event, now: float, orders: list[order.Command]) -> None:
        assert now >= self.now, "time ran backwards"
        self.now, self.wishes, self.pinning = now, scheduler.book.wishes, scheduler.book.pinning
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

    def _may_go(self, life: Life, why: order.Why) -> None:
        name = life.run.model
        if why.cause in (Cause.EVICTED, Cause.TTL) and self.has_its_place(name):
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
        """A lease is cut only when its drain is overdue, the engine is unusable, or somebody said: now."""
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
