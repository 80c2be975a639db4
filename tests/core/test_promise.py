"""The promise to who waits, on any trace: out of patience, nobody later goes first, and the rest has a bound.

One model fits at a time, so every other model stands in the way; every request is a client of its own.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.core.scheduler import Scheduler
from swapd.lab.box import STOP, Box, Record, Served
from tests.core.play import catalog, model

PATIENCE = 10.0
LEAD = PATIENCE / 4
"""By so much may the patience of a model that loads for long end sooner."""
MODELS = "abc"
requests = st.tuples(st.floats(0, 6), st.sampled_from(MODELS), st.floats(0.1, 8))
traces = st.lists(requests, min_size=2, max_size=25)
loads = st.fixed_dictionaries({name: st.floats(0.5, 12) for name in MODELS})
slots = st.integers(1, 3)


def played(trace: list[tuple[float, str, float]], loads: dict[str, float], slots: int) -> Record:
    models = [model(name, concurrency=slots) for name in MODELS]
    box = Box(Scheduler(), catalog(*models, budget={"engines": 1}, patience=PATIENCE, wait=None), loads)
    now = 0.0
    for n, (gap, name, service) in enumerate(trace):
        now += gap
        box.ask(now, Served(now, name, f"client {n}", service))
    record = box.run(now + 10_000)
    assert all(request.granted is not None for request in record.requests), "somebody starves"
    return record


def granted(request: Served) -> float:
    assert request.granted is not None
    return request.granted


@settings(max_examples=80, deadline=None)
@given(traces, loads, slots)
def test_once_its_patience_is_over_no_later_ticket_in_its_way_is_served_before_it(
    trace: list[tuple[float, str, float]], loads: dict[str, float], slots: int
) -> None:
    record = played(trace, loads, slots)
    for late in record.requests:
        over = late.arrival + PATIENCE
        for other in record.requests:
            later = other.model != late.model and other.arrival > late.arrival + LEAD
            if not later or granted(other) <= over or granted(other) >= granted(late):
                continue
            runs = (load.at for load in record.loads if load.run.model == other.model)
            spawned = max(at for at in runs if at + loads[other.model] <= granted(other) + 1e-6)
            ahead = [r for r in record.requests if r.model == other.model and r.arrival <= late.arrival + LEAD]
            loaded_for = spawned < over or any(granted(r) >= spawned + loads[r.model] - 1e-6 for r in ahead)
            assert loaded_for and other.arrival <= spawned, (
                f"{other} is served before {late}, whose patience was over at {over}"
            )


@settings(max_examples=80, deadline=None)
@given(traces, loads, slots)
def test_and_what_it_still_waits_is_at_most_a_swap_and_a_service_for_each_before_it(
    trace: list[tuple[float, str, float]], loads: dict[str, float], slots: int
) -> None:
    record = played(trace, loads, slots)
    service = max(request.service for request in record.requests)
    for late in record.requests:
        over = late.arrival + PATIENCE
        before = [r for r in record.requests if r.arrival <= late.arrival + LEAD and (r.left or over) > over]
        turns = [loads[r.model] + STOP + service for r in before if r is not late]
        running = max(loads.values()) + service + STOP
        assert granted(late) <= over + running + sum(turns) + loads[late.model] + 1e-6
