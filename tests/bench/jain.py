"""Fairness: Jain's index of engine-seconds between equally backlogged clients over ten minutes.

``python -m tests.bench.jain``. A client is backlogged: it always has as many requests waiting or served as it may.
What it asks later, while others wait, is not served before them: so only
who has work enough queued for its share of the time can be given it.
Engine-seconds of a client: the seconds that its leases kept an engine busy, shared with whoever was served at the
same time, and its part of the loads that it waited for. To reach: 0.95.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from swapd.core.spec import Rules
from swapd.lab.box import Box, Record
from swapd.lab.people import Ask, Think
from swapd.lab.simulate import BRAINS, RULES, taking_turns
from swapd.lab.tally import Answered, Loaded, Tally, jain

MINUTES = 10
AT_LEAST = 0.95


@dataclass(frozen=True, slots=True)
class Crowd:
    """Clients that never stop asking: name -> (model, seconds of service, requests open at once)."""

    name: str
    loads: Mapping[str, float]
    slots: int
    clients: Mapping[str, tuple[str, float, int]]


CROWDS = (
    *(
        Crowd(
            f"five clients, a model each, other loads and services, {work} s of work queued each",
            {"coder30": 8.0, "plan27": 7.0, "gen8": 3.0, "vis12": 5.0, "emb": 1.5},
            2,
            {
                "coder": ("coder30", 6.0, ceil(work / 6.0)),
                "planner": ("plan27", 8.0, ceil(work / 8.0)),
                "helper": ("gen8", 2.5, ceil(work / 2.5)),
                "eyes": ("vis12", 4.0, ceil(work / 4.0)),
                "embedder": ("emb", 0.15, ceil(work / 0.15)),
            },
        )
        for work in (600, 10)
    ),
    Crowd(
        "four clients on one model with one slot, other services",
        {"gen8": 3.0},
        1,
        {f"{seconds:g} s each": ("gen8", seconds, 4) for seconds in (0.5, 2.0, 5.0, 10.0)},
    ),
    Crowd(
        "four clients on one model with four slots, other services",
        {"gen8": 3.0},
        4,
        {f"{seconds:g} s each": ("gen8", seconds, 4) for seconds in (0.5, 2.0, 5.0, 10.0)},
    ),
    Crowd(
        "two clients on one model, one with 500 requests queued",
        {"emb": 1.5},
        4,
        {"ingestion": ("emb", 0.5, 500), "chat": ("emb", 0.5, 8)},
    ),
    Crowd(
        "two clients on two models, one with 500 requests queued",
        {"emb": 1.5, "gen8": 3.0},
        4,
        {"ingestion": ("emb", 0.5, 500), "chat": ("gen8", 2.5, 8)},
    ),
)


def played(crowd: Crowd, policy: str, rules: Rules) -> Record:
    """Ten minutes of it."""
    box = Box(BRAINS[policy](), taking_turns(dict.fromkeys(crowd.loads, crowd.slots), rules), crowd.loads)
    for client, (model, seconds, open_at_once) in crowd.clients.items():
        for _ in range(open_at_once):
            box.admit({client: _always(model, seconds)})
    return box.run(60.0 * MINUTES)


def engine_seconds(record: Record, ends: float) -> dict[str, float]:
    """Client -> its seconds of engine until ``ends``, of what is still served then too."""
    answered = [
        Answered(r.arrival, r.model, r.client, r.granted - r.arrival, min(r.left or ends, ends) - r.granted)
        for r in record.requests
        if r.granted is not None and not r.failed
    ]
    return Tally(
        answered, [Loaded(load.run.model, load.at, load.seconds) for load in record.loads]
    ).engine_seconds()


def main() -> None:
    """Print the tables."""
    rules = replace(RULES, queue=10_000)
    for crowd in CROWDS:
        print(f"\n{crowd.name}")
        for policy in ("fifo", "bypass", "swapd"):
            record = played(crowd, policy, rules)
            seconds = dict.fromkeys(crowd.clients, 0.0) | engine_seconds(record, 60.0 * MINUTES)
            index = jain(list(seconds.values()))
            told = "  ".join(f"{client} {each:.0f}" for client, each in seconds.items())
            short = "" if index >= AT_LEAST else f"  below {AT_LEAST}"
            print(f"  {policy:7} Jain {index:.3f}  loads {len(record.loads):3}  engine-seconds: {told}{short}")


def _always(model: str, seconds: float) -> Iterator[Ask | Think]:
    while True:
        yield Ask(model, seconds)


if __name__ == "__main__":
    main()
