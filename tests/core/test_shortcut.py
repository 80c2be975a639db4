"""The shortcut against the whole walk, in houses and on days that nobody would think of.

Nothing here is likely, or even possible, out there: events come in any order, late, twice, of engines long gone,
and between two of them the config may become another. Whatever comes, both decide the same. (``test_quiet`` lives
likely days.) ``SWAPD_WALKS=2000 pytest tests/core/test_shortcut.py`` goes on for longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from swapd.core import events as fact
from swapd.core.engine import RunId
from swapd.core.events import Event, Ticket
from swapd.core.need import Gauge, Need, Reading, Source, Way
from swapd.core.refusal import Exit
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Restart, Spec
from tests.core.play import catalog, endpoint, left, model
from tests.core.test_quiet import Twins
from tests.core.test_walks import SEED, WALKS

STEPS = 100
DAYS = 16 * WALKS
NAMES = ("a", "b", "c")
CLIENTS = ("ann", "bob")


def some_model(rng: Random, name: str) -> Spec:
    return model(
        name,
        argv=rng.choice([name, f"{name} of another launch"]),
        cost={"engines": rng.choice([0, 1, 1, 2])} | rng.choice([{}, {}, {"ram": rng.randint(1, 9)}]),
        concurrency=rng.choice([1, 1, 2, 4]),
        priority=rng.choice([0, 0, 1]),
        ttl=rng.choice([None, 0.0, 3.0, 40.0]),
        pinned=rng.random() < 0.15,
        preload=rng.random() < 0.2,
        restart=rng.choice([Restart.AUTO, *Restart]),
        start=rng.choice([5.0, 60.0]),
        grace=2.0,
        drain=rng.choice([None, 1.0, 20.0]),
    )


def some_house(rng: Random) -> Catalog:
    models = [some_model(rng, name) for name in NAMES if rng.random() < 0.9]
    return catalog(
        *models,
        budget={"engines": rng.choice([1, 2, 6, 6])} | rng.choice([{}, {}, {"ram": 12}]),
        aliases={"alias": models[0].name} if models else {},
        patience=rng.choice([0.5, 5.0, 30.0]),
        linger=rng.choice([0.0, 2.0]),
        queue=rng.choice([0, 1, 3, 256]),
        wait=rng.choice([None, 0.5, 4.0, 600.0]),
    )


class Day:
    """One house, and what somebody throws at it."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(f"{seed} shortcut")
        self.twins = Twins()
        self.now = 0.0
        self.tickets = 0
        self.catalog = some_house(self.rng)
        trouble = self.rng.choice([0.1, 0.3, 1.0])  # where there is much, the house is seldom quiet
        self.deeds: dict[Callable[[], Event], float] = {
            self.asked: 40,
            self.left: 40,
            self.ready: 20,
            self.exited: 4 * trouble,
            self.ailing: 2 * trouble,
            self.wished: 4 * trouble,
            self.kept: 4 * trouble,
            self.weighed: 6 * trouble,
            self.read: 3,
            self.edited: 6 * trouble,
            fact.Ticked: 8,
        }
        names = [name for name in (*NAMES, "past") if self.rng.random() < 0.2]
        found = [left(f"{n}#{self.rng.randint(1, 2)}", ready=self.rng.random() < 0.5) for n in names]
        self.hears(fact.CatalogChanged(self.catalog, tuple(found)))

    def hears(self, event: Event) -> None:
        self.twins.handle(event, self.now)

    def goes_by(self) -> None:
        for _ in range(STEPS):
            self.now += self.pause()
            (deed,) = self.rng.choices(list(self.deeds), list(self.deeds.values()))
            self.hears(deed())
            if self.rng.random() < 0.05:
                assert Scheduler.deadline(self.twins) == self.twins.other.deadline()
        for _ in range(2):
            self.hears(fact.Closing())

    def pause(self) -> float:
        """None, a moment, up to what is due next, or past it: nobody promises that the clock is heard in time."""
        due = self.twins.other.deadline()
        left = 1.0 if due is None else due - self.now
        return self.rng.choice([0.0, 0.0, 0.1, self.rng.random(), left, left * self.rng.random(), left + 0.5])

    def run(self) -> RunId:
        """One that lives, most often; or one of the past or the future."""
        living = [engine.run for engine in self.twins.book.engines.values()]
        if living and self.rng.random() < 0.9:
            return self.rng.choice(living)
        return RunId(self.rng.choice(NAMES), self.rng.randint(1, 3))

    def name(self) -> str:
        return self.rng.choice([*NAMES, *NAMES, "alias", "nobody"])

    def asked(self) -> Event:
        self.tickets += 1
        missing = Exit(reason="there is no file") if self.rng.random() < 0.1 else None
        return fact.Asked(Ticket(self.tickets), self.name(), self.rng.choice(CLIENTS), missing)

    def left(self) -> Event:
        held = list(self.twins.book.holding)
        anybody = self.rng.randint(1, self.tickets + 1)
        return fact.Left(self.rng.choice([*held, *held, Ticket(anybody)]))

    def ready(self) -> Event:
        run = self.run()
        return fact.EngineReady(run, endpoint(run))

    def exited(self) -> Event:
        return fact.EngineExited(self.run(), self.rng.choice([Exit(code=0), Exit(signal="SIGKILL")]))

    def ailing(self) -> Event:
        return self.rng.choice([fact.EngineSick(self.run(), "hangs"), fact.EngineShort(self.run(), "2 layers")])

    def wished(self) -> Event:
        name = self.name()
        wishes = (fact.LoadWished(name), fact.UnloadWished(name), fact.UnloadWished(name, now=True))
        return self.rng.choice(wishes)

    def kept(self) -> Event:
        return fact.KeepWished(self.run(), self.rng.choice([None, 0.0, 3.0]))

    def weighed(self) -> Event:
        name = self.rng.choice(NAMES)
        ways = self.rng.choice([(), (Way({"ram": 3}),), (Way({"ram": 20}),)])
        need = Need(ways, Source.HEADER if ways else Source.UNKNOWN, broken=not ways and self.rng.random() < 0.5)
        spec = self.catalog.models.get(name) or model(name)
        return fact.Weighed(name, spec.launch, need)

    def read(self) -> Event:
        return fact.MachineRead(Reading(self.now, {"ram": Gauge(12, self.rng.randint(0, 12))}))

    def edited(self) -> Event:
        """Another house with the engines of this one, or the same with one model retuned."""
        other = some_house(self.rng)
        if self.catalog.models and self.rng.random() < 0.7:
            name = self.rng.choice(list(self.catalog.models))
            terms = some_model(self.rng, name).terms
            models = {**self.catalog.models, name: replace(self.catalog.models[name], terms=terms)}
            other = replace(self.catalog, models=models, rules=other.rules)
        self.catalog = other
        return fact.CatalogChanged(other)


def test_whatever_comes_the_shortcut_decides_what_the_whole_walk_decides() -> None:
    spared = 0
    for seed in range(SEED, SEED + DAYS):
        day = Day(seed)
        try:
            day.goes_by()
        except Exception:
            print(f"seed {seed}, second {day.now:g}, {day.catalog}")
            raise
        spared += day.twins.spared
    assert spared > 2 * DAYS, "hardly ever was the shortcut taken: these days tell nothing of it"
