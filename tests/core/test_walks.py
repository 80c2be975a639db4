"""Random walks: worlds of every temper against the laws. A failure prints its seed and its whole story.

``SWAPD_WALKS=2000 pytest tests/core/test_walks.py`` walks further; ``SWAPD_SEED=17`` starts at that seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from swapd.core.events import Closing
from swapd.core.moves import KILL_AGAIN
from swapd.core.need import Need, Source, Way
from swapd.core.spec import Catalog, Launch, Restart
from tests.core.box import Box
from tests.core.play import catalog, model
from tests.core.world import LOAD, SERVICE, Temper, World

WALKS = int(os.environ.get("SWAPD_WALKS", "4"))
"""Walks for each kind of world and each house."""
SEED = int(os.environ.get("SWAPD_SEED", "0"))
STEPS = 180
PATIENCE = 10.0
TERMS: dict[str, Any] = {"start": 30.0, "grace": 3.0, "drain": 5.0}


def one_slot() -> Catalog:
    models = [model(n, ttl=40.0, restart=Restart.ALWAYS if n == "c" else Restart.AUTO, **TERMS) for n in "abc"]
    return catalog(*models, budget={"engines": 1}, patience=PATIENCE, wait=None)


def strict() -> Catalog:
    models = [model(n, ttl=10.0, drain=None if n == "a" else 4.0, grace=2.0, start=9.0) for n in "abcd"]
    return catalog(*models, budget={"engines": 2}, patience=PATIENCE, wait=25.0, queue=5, linger=4.0)


def two_slots() -> Catalog:
    models = [
        model("a", concurrency=2, priority=1, **TERMS),
        model("b", ttl=20.0, **TERMS),
        model("c", concurrency=3, preload=True, **TERMS),
        model("d", cost={"engines": 2}, ttl=None, **TERMS),
    ]
    return catalog(*models, budget={"engines": 2}, aliases={"alias": "b"}, patience=PATIENCE, wait=None)


def vectors() -> Catalog:
    models = [
        model("big", cost={"engines": 1, "big": 1}, **TERMS),
        model("huge", cost={"engines": 2, "big": 1}, concurrency=2, ttl=15.0, **TERMS),
        model("small", cost={"engines": 1}, concurrency=2, **TERMS),
        model("pin", cost={"engines": 1}, pinned=True, **TERMS),
        model("far", cost={}, ttl=30.0, restart=Restart.NEVER, **TERMS),
    ]
    return catalog(*models, budget={"engines": 3, "big": 1}, patience=PATIENCE, wait=None)


NEEDS = {
    "a": ({"CUDA0": 12, "ram": 2},),
    "b": ({"CUDA0": 9, "ram": 4},),
    "two": ({"CUDA0": 6}, {"CUDA1": 6}, {"CUDA0": 3, "CUDA1": 3}),
    "cpu": ({"ram": 20},),
    "pin": ({"CUDA1": 3},),
    "odd": (),
}


def memory() -> Catalog:
    """Needs as they are weighed, budgets that let some fit together."""
    models = [model(n, cost={}, pinned=n == "pin", ttl=60.0, concurrency=1 + (n == "b"), **TERMS) for n in NEEDS]
    far = model("far", cost={}, ttl=None, **TERMS)
    models.append(replace(far, launch=Launch((), url="http://far")))
    return catalog(*models, budget={"CUDA0": 18, "CUDA1": 9, "ram": 30}, patience=PATIENCE, wait=None)


def box(tells: bool) -> Box:
    ways = {
        name: tuple(Way(cost, tuple(sorted(set(cost) - {"ram"}))) for cost in told) for name, told in NEEDS.items()
    }
    needs = {name: Need(told, Source.HEADER if told else Source.UNKNOWN) for name, told in ways.items()}
    needs["far"] = Need((Way({"ram": 1}),), Source.HEADER)  # where an edit brings it home
    return Box({"CUDA0": 20, "CUDA1": 10, "ram": 32}, needs, tells)


HOUSES = [one_slot, strict, two_slots, vectors, memory]
TEMPERS = {
    "kind": Temper(),
    "hurried": Temper(pace=0.7, gives_up=0.4),
    "harsh": Temper(fails=0.2, crashes=0.2, deaf=0.3, gives_up=0.2, rumours=0.5),
    "meddled": Temper(fails=0.05, crashes=0.1, deaf=0.1, gives_up=0.1, rumours=0.3, meddles=0.1),
    "reborn": Temper(fails=0.1, crashes=0.1, deaf=0.2, gives_up=0.1, rumours=0.2, meddles=0.05, survives=0.7),
}


def walk(house: Callable[[], Catalog], temper: str, end: Callable[[World], None]) -> None:
    """Let things happen, many times, and then come to this end; tell the story if a law is broken."""
    for seed in range(SEED, SEED + WALKS):
        rng = Random(f"{seed} {temper} {house.__name__} {end.__name__}")
        world = World(rng, house(), TEMPERS[temper], box=box(seed % 2 == 0) if house is memory else None)
        try:
            for _ in range(STEPS):
                world.step()
            end(world)
        except Exception:
            print(f"seed {seed}; the story so far:", *world.story[-120:], sep="\n")
            raise


def quiets_down(world: World) -> None:
    """Nobody new asks, the world answers: everybody there is answered, within a bound."""
    world.asking = False
    while world.asked:
        assert world.step(), f"nothing will ever happen again, but {sorted(world.asked)} still wait"
        slowest = max((world.now - asked for asked in world.asked.values()), default=0.0)
        assert slowest < bound(world), f"somebody waits since {slowest:g} s"
    assert max(world.waits, default=0.0) < bound(world)


def bound(world: World) -> float:
    """Before a ticket out of patience at most every other one has its turn, each turn a whole swap."""
    swap: float = TERMS["start"] + LOAD + TERMS["drain"] + TERMS["grace"] + 4 * KILL_AGAIN
    return PATIENCE + world.most * (swap + world.most * SERVICE)


def closes(world: World) -> None:
    """Twice, sometimes: everything must be gone, and nothing be due any more."""
    world.asking = False
    world.hears(Closing())
    began = world.now
    while world.laws.lives:
        if world.rng.random() < 0.02:
            world.hears(Closing())
        assert world.step()
        assert world.now < began + 60 + 30 * KILL_AGAIN
    while world.step():
        pass
    assert not world.asked and not world.laws.holding
    assert world.scheduler.view(world.now).quiet
    assert world.scheduler.deadline() is None


@pytest.mark.parametrize("temper", TEMPERS)
@pytest.mark.parametrize("house", HOUSES)
def test_the_laws_hold_in_every_world_and_everybody_is_answered(house: Callable[[], Catalog], temper: str) -> None:
    walk(house, temper, quiets_down)


@pytest.mark.parametrize("temper", TEMPERS)
@pytest.mark.parametrize("house", HOUSES)
def test_all_winds_down_on_closing_from_the_middle_of_anything(house: Callable[[], Catalog], temper: str) -> None:
    walk(house, temper, closes)
