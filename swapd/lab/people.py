"""Who asks, in the lab: clients as generators that think, ask, and go on only after the answer (a closed loop).

A client is an iterator of steps: ``Think(seconds)`` or ``Ask(model, seconds of service)``. All gaps run from an
answer to the next request, so a faster policy is asked more, as in life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import exp, log
from random import Random

SIGMA = 0.6
"""Spread of the log-normal service times."""


@dataclass(frozen=True, slots=True)
class Think:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Want a lease on the model, and hold it for so many seconds."""

    model: str
    seconds: float


Steps = Iterator[Think | Ask]


@dataclass(frozen=True, slots=True)
class Kind:
    """A model of a made-up trace: seconds of a load, median seconds of service, slots."""

    load: float
    service: float
    slots: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A made-up trace: its models, and who asks. ``people`` makes the clients of one seed."""

    name: str
    kinds: Mapping[str, Kind]
    people: Callable[[Cast], Mapping[str, Steps]]


@dataclass(slots=True)
class Cast:
    """What the clients of one seed have in common: the dice, the models, how long an agent thinks, how many."""

    rng: Random
    kinds: Mapping[str, Kind]
    think: float = 1.5
    agents: int = 6

    def apart(self) -> Cast:
        """The same with dice of its own, for one client: its day is the same whatever becomes of the others."""
        return replace(self, rng=Random(self.rng.getrandbits(64)))

    def ask(self, model: str) -> Ask:
        """One request, its service drawn."""
        return Ask(model, exp(self.rng.gauss(log(self.kinds[model].service), SIGMA)))

    def pause(self, mean: float) -> Think:
        """An exponential pause."""
        return Think(self.rng.expovariate(1 / mean) if mean > 0 else 0.0)

    def pick(self, odds: Sequence[tuple[str, float]]) -> str:
        """One of the models, by their odds."""
        return self.rng.choices([m for m, _ in odds], [p for _, p in odds])[0]


_MIX = {
    "coder30": Kind(8.0, 6.0, 2),
    "plan27": Kind(7.0, 8.0, 2),
    "gen8": Kind(3.0, 2.5, 4),
    "vis12": Kind(5.0, 4.0, 2),
    "emb": Kind(1.5, 0.15, 8),
}
_TURNS = (("coder30", 0.70), ("plan27", 0.15), ("gen8", 0.10), ("vis12", 0.05))


def agent(cast: Cast, starts: float, odds: Sequence[tuple[str, float]] = _TURNS, turns: int = 40) -> Steps:
    """Plans first, then works; one request at a time."""
    yield Think(starts)
    yield cast.ask("plan27")
    for _ in range(turns):
        yield cast.pause(cast.think)
        yield cast.ask(cast.pick(odds))


def chat(cast: Cast, model: str, mean: float = 90.0) -> Steps:
    """A person who reads, and types."""
    while True:
        yield cast.pause(mean)
        yield cast.ask(model)


def ingestion(cast: Cast, starts: float = 120.0, mean: float = 420.0) -> Steps:
    """Documents come in: their pieces are embedded one by one, then their pictures looked at."""
    yield Think(starts)
    while True:
        for _ in range(31):
            yield cast.ask("emb")
            yield Think(0.05)
        for _ in range(6):
            yield cast.ask("vis12")
            yield Think(0.2)
        yield cast.pause(mean)


def background(cast: Cast, mean: float = 240.0) -> Steps:
    """Small chores: titles, tags, summaries."""
    while True:
        yield cast.pause(mean)
        for _ in range(4):
            yield cast.ask("gen8")
            yield Think(0.3)


def search(cast: Cast, mean: float = 60.0) -> Steps:
    """Notes search: expand the question, embed the variants, rerank what was found."""
    while True:
        yield cast.pause(mean)
        yield cast.ask("expand")
        for _ in range(3):
            yield cast.ask("embed")
        yield cast.ask("rerank")


def _starts(cast: Cast) -> list[float]:
    """Half of the agents in the first minutes, the others from 15 minutes on, every 12 minutes or so."""
    early = (cast.agents + 1) // 2
    return [
        cast.rng.uniform(0, 180) if n < early else 900 + 720 * (n - early) + cast.rng.uniform(-60, 60)
        for n in range(cast.agents)
    ]


def _agents(cast: Cast) -> dict[str, Steps]:
    return {f"agent-{n + 1}": agent(cast.apart(), at) for n, at in enumerate(_starts(cast))}


def _mix(cast: Cast) -> dict[str, Steps]:
    return {
        **_agents(cast),
        "chat-plan": chat(cast.apart(), "plan27"),
        "chat-gen": chat(cast.apart(), "gen8"),
        "ingestion": ingestion(cast.apart()),
        "background": background(cast.apart()),
    }


def _notes(cast: Cast) -> dict[str, Steps]:
    return {f"search-{n}": search(cast.apart()) for n in (1, 2)} | {"chat": chat(cast.apart(), "chat", 120.0)}


def _chats(cast: Cast) -> dict[str, Steps]:
    names = ("plan27", "gen8", "coder30")
    return {f"chat-{n}": chat(cast.apart(), model, 60.0) for n, model in zip(count(1), names, strict=False)}


def _documents(cast: Cast) -> dict[str, Steps]:
    return {"ingestion": ingestion(cast.apart()), "chat": chat(cast.apart(), "gen8")}


_NOTES = {
    "expand": Kind(2.5, 1.5, 2),
    "embed": Kind(1.0, 0.1, 8),
    "rerank": Kind(1.5, 0.4, 4),
    "chat": Kind(7.0, 8.0, 2),
}
SCENES: Mapping[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("mix", _MIX, _mix),
        Scene("agents", _MIX, _agents),
        Scene("notes", _NOTES, _notes),
        Scene("chat", _MIX, _chats),
        Scene("ingestion", _MIX, _documents),
    )
}
