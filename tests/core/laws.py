"""What must hold whatever happens: an outsider who sees only events and orders, and believes neither.

``Laws`` keeps a book of its own and checks every order against it. Plays and walks
alike have it look over the scheduler's shoulder, so each pointed test proves the general rules as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.commands import Cause
from swapd.core.engine import RunId
from swapd.core.moves import LAST_DRAIN
from swapd.core.scheduler import Scheduler
from tests.core.naive import Life, NaiveBook, Place, add, lacks_of


@dataclass
class Laws(NaiveBook):
    """``witness`` every event with its orders: raises AssertionError on the first broken law."""

    answered: set[int] = field(default_factory=set)
    runs: dict[str, int] = field(default_factory=dict)

    # -- the witness -----------------------------------------------------------------------------------

    def witness(self, scheduler: Scheduler, event: fact.Event, now: float, orders: list[order.Command]) -> None:
        assert now >= self.now, "time ran backwards"
        self.now, self.wishes = now, scheduler.book.wishes
        was_over = self.over()
        self.hear(event)
        self.resting = {name for name, engine in scheduler.book.engines.items() if engine.resting}
        before = self.over() if isinstance(event, fact.CatalogChanged) else was_over
        late: dict[str, float] = {}
        for command in orders:
            self._follow(command, late)
        self._nobody_is_blocked_by(late)
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
            case order.Grant():
                self._grant(command, late)
            case order.Refuse(ticket, _):
                assert ticket in self.waiting, f"refused {ticket}, who does not wait"
                del self.waiting[ticket]
                self._answer(ticket)
            case order.Revoke(ticket, run):
                self._may_be_cut(run)
                assert self.holding.get(ticket) == run, f"revoked {ticket}, who does not hold {run}"
                del self.holding[ticket]
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
        spec = self.catalog.models[name]
        room = self.free()
        mine = self.impatient(name)
        for model in {place.model for place in self.waiting.values()} - {name, *self.lives} - self.resting:
            lacks = lacks_of(self.catalog.models[model].terms.cost, room)
            theirs = self.impatient(model)
            if theirs is not None and (mine is None or theirs < mine):
                taken = [n for n in lacks if spec.terms.cost.get(n, 0)]
                assert not taken, f"{spawn.run} takes the {taken} that {model} waits for, out of patience"
        self.runs[name] = spawn.run.n
        quantum = {place.ticket for place in self.waiting.values() if place.model == name}
        self.lives[name] = Life(spawn.run, spec, self.now, quantum)

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
        if place.ticket not in life.quantum:
            self._comes_first(place)
            late[place.model] = max(late.get(place.model, 0.0), self.deadline(place))
        del self.waiting[place.ticket]
        self.holding[place.ticket] = grant.run
        self.granted[place.client, place.model] = self.now
        self.gave_up.pop((place.client, place.model), None)
        self._answer(place.ticket)

    def _comes_first(self, place: Place) -> None:
        theirs = self.impatient(place.model)
        out_of_turn = theirs is not None and theirs < self.deadline(place)
        assert not out_of_turn, f"{place.ticket} overtakes an impatient one of its own model"

    def _nobody_is_blocked_by(self, late: dict[str, float]) -> None:
        """No lease for a latecomer on an engine that stands in the way of the first who is out of patience.

        It stands in the way for sure if all the others together, gone, would not make room enough.
        """
        wanted = {place.model for place in self.waiting.values()} | set(self.wishes)
        cold = {name for name in wanted - self.resting if name not in self.lives or self.lives[name].leaving}
        due = [(at, name) for name in cold if (at := self.impatient(name)) is not None]
        first, model = min(due, default=(0.0, ""))
        in_the_way = {name for name, deadline in late.items() if deadline > first and not self.pinned(name)}
        if not due or not in_the_way:
            return
        room = self.free()
        for name, life in self.lives.items():
            if life.leaving or (name not in in_the_way and not self.pinned(name)):
                add(room, life.spec.terms.cost)
        lacks = lacks_of(self.catalog.models[model].terms.cost, room)
        assert not lacks, f"leases on {in_the_way} keep {lacks} from {model}, which is out of patience"

    def _may_go(self, life: Life, why: order.Why) -> None:
        name = life.run.model
        if why.cause in (Cause.EVICTED, Cause.TTL):
            assert not self.pinned(name), f"{life.run} is pinned"
        if why.cause is Cause.EVICTED:
            held = {t for t, run in self.holding.items() if run == life.run}
            owed = life.quantum & (held | set(self.waiting))
            assert not owed, f"{life.run} is evicted before its quantum {owed} is served"
        if why.cause is Cause.TTL:
            assert not self.waits_for(name), f"{life.run} retires while somebody waits for it"

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
