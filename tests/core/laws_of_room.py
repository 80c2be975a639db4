"""The laws of room: nobody takes what is not there, and nobody goes in vain."""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core import commands as order
from swapd.core.need import Way, is_memory
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Cost
from tests.core.naive import NaiveBook, add, lacks_of
from tests.core.naive_life import Life
from tests.core.orders import evicted_for


@dataclass
class RoomLaws(NaiveBook):
    """Of what is free, seen free, and will be."""

    making_room: set[str] = field(default_factory=set)
    """The models for whom somebody goes at this moment."""

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
        keeps = {name for name, spec in self.catalog.models.items() if self.to_pin(spec)}  # even at rest
        beside = [life.run for name, life in self.lives.items() if name not in keeps]
        shared = [run for run in beside if any(self.living(run).way.cost.get(name) for name in memory)]
        assert not shared, f"{spawn.run} is unknown, but loads beside {shared}"

    def _all_there_is(self, way: Way, weighed: Way) -> bool:
        """Whether it is the way that was weighed, but for resources of which it takes all that can be had."""
        room = self.catalog.budget
        less = {name for name, amount in weighed.cost.items() if way.cost.get(name) != amount}
        return way.devices == weighed.devices and all(0 < way.cost[n] <= room[n] < weighed.cost[n] for n in less)

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
