"""Plays: a test that reads as a conversation. Facts go in, orders come out, each order one line.

    play = Play("a", "b", budget={"engines": 1})
    play.asks("a", 1).orders("spawn a#1: asked for (1 waiting)")
    play.after(3).ready("a#1").orders("grant 1 on a#1")

What a line leaves out (launch, endpoint, spec, seconds) is checked by ``Laws``, which watches every play. Orders
pile up until ``orders`` is called; a play that ends with orders nobody looked at fails (``conftest``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.engine import Endpoint, RunId
from swapd.core.need import Gauge, Need, Reading, Source, Way
from swapd.core.refusal import Exit, Refusal
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Alias, Bounds, Catalog, Cost, Launch, Rules, Spec, Stay, Terms
from swapd.core.verdict import Verdict
from tests.core.laws import Laws

DIED = Exit(code=1, log=("out of memory",))


def model(name: str, *, argv: str = "", **terms: Any) -> Spec:
    """A spec with one-word terms: ttl, pinned, preload go to Stay; start, stop, drain to Bounds."""
    stay = {key: terms.pop(key) for key in ("ttl", "pinned", "preload") if key in terms}
    words = {"start": "start", "grace": "stop", "drain": "drain"}
    bounds = {words[key]: terms.pop(key) for key in words if key in terms}
    terms.setdefault("cost", {"engines": 1})
    return Spec(name, Launch((argv or name,)), Terms(stay=Stay(**stay), bounds=Bounds(**bounds), **terms))


def catalog(
    *models: Spec | str, budget: dict[str, int], aliases: dict[str, str] | None = None, **rules: Any
) -> Catalog:
    """Models by spec, or by name alone."""
    specs = [model(m) if isinstance(m, str) else m for m in models]
    rules = {"patience": 30.0, "linger": 2.0} | rules
    names = {alias: Alias(alias, target) for alias, target in (aliases or {}).items()}
    return Catalog({spec.name: spec for spec in specs}, names, budget, Rules(**rules))


def run_id(text: str) -> RunId:
    """``a#2``."""
    name, n = text.rsplit("#", 1)
    return RunId(name, int(n))


def endpoint(run: RunId) -> Endpoint:
    """Where this run of the fake world answers."""
    return Endpoint("127.0.0.1", 10_000 + 100 * (sum(run.model.encode()) % 500) + run.n)


def left(
    run: str, *, argv: str = "", cost: Cost | None = None, ready: bool = True, grace: float = 3.0, stop: str = ""
) -> fact.Found:
    """An engine that an earlier life of the daemon left, launched as ``model`` would be, or by another word."""
    name = run_id(run).model
    way = Way({"engines": 1} if cost is None else cost)
    return fact.Found(run_id(run), Launch((argv or name,)), way, tuple(stop.split()), grace, ready)


def line(command: order.Command) -> str:
    """One order in words."""
    match command:
        case order.Spawn(run, _, why):
            return f"spawn {run}: {why}"
        case order.Adopt(run, _, why):
            return f"adopt {run}: {why}"
        case order.Terminate(run, _, why):
            return f"terminate {run}: {why}"
        case order.Kill(run):
            return f"kill {run}"
        case order.Grant(ticket, run):
            return f"grant {ticket} on {run}"
        case order.Revoke(ticket, run, why):
            return f"revoke {ticket} of {run}: {why}"
        case order.Refuse(ticket, refusal):
            return f"refuse {ticket}: {refusal.reason.name}"
        case order.Note(run, why):
            return f"{'note' if why.cause is order.Cause.UNSEEN else 'drain'} {run}: {why}"


class Play:
    """A scheduler, a clock that only the play moves, and the laws."""

    made: ClassVar[list[Play]] = []

    def __init__(
        self,
        *models: Spec | str,
        budget: dict[str, int] | int = 1,
        jitter: float = 0.0,
        found: tuple[fact.Found, ...] = (),
        **rest: Any,
    ) -> None:
        self.scheduler = Scheduler(lambda: jitter)
        self.laws = Laws()
        self.now = 0.0
        self.refusals: dict[int, Refusal] = {}
        self.grants: dict[int, order.Grant] = {}
        self._orders: list[str] = []
        self._setting = 1000
        self.catalog = catalog(*models, budget={"engines": budget} if isinstance(budget, int) else budget, **rest)
        self.hears(fact.CatalogChanged(self.catalog, found))
        Play.made.append(self)

    # -- time ------------------------------------------------------------------------------------------

    def at(self, now: float) -> Play:
        """Move the clock to this second; nothing is told yet."""
        assert now >= self.now
        self.now = float(now)
        return self

    def after(self, seconds: float) -> Play:
        return self.at(self.now + seconds)

    def ticks(self) -> Play:
        return self.hears(fact.Ticked())

    def due(self) -> float | None:
        return self.scheduler.deadline()

    def sleeps(self) -> Play:
        """Until the scheduler wants to be told the time."""
        due = self.due()
        assert due is not None, "nothing is due"
        return self.at(due).ticks()

    # -- facts -----------------------------------------------------------------------------------------

    def hears(self, event: fact.Event) -> Play:
        commands = self.scheduler.handle(event, self.now)
        self.laws.witness(self.scheduler, event, self.now, commands)
        again = self.scheduler.handle(fact.Ticked(), self.now)
        assert [line(c) for c in again] == [], "to be told the same time twice must change nothing"
        for command in commands:
            if isinstance(command, order.Refuse):
                self.refusals[command.ticket] = command.refusal
            if isinstance(command, order.Grant):
                self.grants[command.ticket] = command
        self._orders += map(line, commands)
        return self

    def asks(self, name: str, *tickets: int, client: str = "") -> Play:
        for ticket in tickets:
            self.hears(fact.Asked(fact.Ticket(ticket), name, client))
        return self

    def leaves(self, *tickets: int) -> Play:
        for ticket in tickets:
            self.hears(fact.Left(fact.Ticket(ticket)))
        return self

    def ready(self, run: str) -> Play:
        return self.hears(fact.EngineReady(run_id(run), endpoint(run_id(run))))

    def sick(self, run: str, why: str = "hangs") -> Play:
        return self.hears(fact.EngineSick(run_id(run), why))

    def exits(self, run: str, end: Exit = DIED) -> Play:
        return self.hears(fact.EngineExited(run_id(run), end))

    def loads(self, name: str) -> Play:
        return self.hears(fact.LoadWished(name))

    def unloads(self, name: str, now: bool = False) -> Play:
        return self.hears(fact.UnloadWished(name, now))

    def pins(self, name: str, pinned: bool = True) -> Play:
        return self.hears(fact.PinWished(name, pinned))

    def keeps(self, run: str, ttl: float | None) -> Play:
        return self.hears(fact.KeepWished(run_id(run), ttl))

    def weighs(self, name: str, *ways: Way | dict[str, int], load: float | None = None) -> Play:
        """Each way by its cost alone, or with its devices. None at all: nobody can say what it takes."""
        told = tuple(way if isinstance(way, Way) else Way(way) for way in ways)
        need = Need(told, Source.HEADER if told else Source.UNKNOWN, load=load)
        return self.hears(fact.Weighed(name, self.catalog.models[name].launch, need))

    def reads(
        self,
        gauges: dict[str, tuple[int, int]] | None = None,
        taken: dict[str, dict[str, int]] | None = None,
        lost: tuple[str, ...] = (),
        ago: float = 0.0,
    ) -> Play:
        """The meters, begun to be read so long ago: resource -> (total, free); run -> what it holds."""
        seen = {name: Gauge(*gauge) for name, gauge in (gauges or {}).items()}
        held = {run_id(run): cost for run, cost in (taken or {}).items()}
        return self.hears(fact.MachineRead(Reading(self.now - ago, seen, held, frozenset(lost))))

    def closes(self) -> Play:
        return self.hears(fact.Closing())

    def edits(self, *models: Spec | str, without: tuple[str, ...] = (), **rest: Any) -> Play:
        """The same catalog with these models put in or changed, these taken out, this budget, these rules."""
        specs = {name: spec for name, spec in self.catalog.models.items() if name not in without}
        for spec in (model(m) if isinstance(m, str) else m for m in models):
            specs[spec.name] = spec
        budget = rest.pop("budget", self.catalog.budget)
        rules = replace(self.catalog.rules, **rest)
        self.catalog = Catalog(specs, self.catalog.aliases, budget, rules)
        return self.hears(fact.CatalogChanged(self.catalog))

    # -- orders ----------------------------------------------------------------------------------------

    def orders(self, *expected: str) -> Play:
        """Exactly these, in this order, since the last look."""
        actual, self._orders = self._orders, []
        assert actual == list(expected)
        return self

    def silence(self) -> Play:
        return self.orders()

    def forgets(self) -> Play:
        """What was ordered so far was looked at elsewhere."""
        self._orders.clear()
        return self

    def ends(self) -> None:
        """Nothing was ordered that nobody looked at."""
        assert self._orders == [], "orders that the play did not look at"

    # -- setting the scene -----------------------------------------------------------------------------

    def up(self, *names: str, load: float = 5.0) -> Play:
        """Bring models up, each by a caller who came, waited for the load and left again. Idle since now."""
        for name in names:
            self._setting += 1
            self.asks(name, self._setting)
            run = str(self.scheduler.book.engines[name].run)
            self.after(load).ready(run).leaves(self._setting)
            self._orders.clear()
        return self

    def stand(self, name: str) -> Verdict:
        """Why the model is not up yet."""
        return self.scheduler.book.verdicts[name]

    def state(self, name: str) -> str:
        return self.scheduler.view(self.now).models[name].state
