"""The runner: figures worked out by hand, the simple policies as plays, and what may not change between runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swapd.config.schema import Scheduling
from swapd.core.spec import Alias, Bounds, Catalog, Launch, Rules, Spec, Terms
from swapd.lab import simulate as lab
from swapd.lab.advice import Kind, Variation
from swapd.lab.people import SCENES
from swapd.lab.trace import Request, Trace

ABA = (("a", 0.0, 2.0), ("b", 1.0, 3.0), ("a", 2.0, 1.0))
"""A request for a; while it loads one for b, then again one for a."""


def trace(*asked: tuple[str, float, float], loads: dict[str, float] | None = None) -> Trace:
    """Requests by model, arrival and service, each of a client of its own."""
    requests = tuple(Request(at, model, service, f"c{n}") for n, (model, at, service) in enumerate(asked))
    return Trace(requests, loads or {}, 100.0)


def machine(engines: int = 1, **costs: int) -> Catalog:
    """Models with one slot, by what they take of so many ``engines``."""
    models = {name: Spec(name, Launch((name,)), Terms(cost={"engines": cost})) for name, cost in costs.items()}
    return Catalog(models, budget={"engines": engines})


def played(policy: str, stage: lab.Stage) -> tuple[list[str], dict[str, float]]:
    """The models loaded, in order, and each client's wait."""
    [tally] = lab.run(stage, policy).tallies
    waits = {request.client: round(request.waited, 6) for request in tally.requests}
    return [load.model for load in tally.loads], waits


def test_fifo_serves_in_the_order_of_arrival_whatever_it_costs():
    stage = lab.recorded("t", trace(*ABA, loads={"a": 4.0, "b": 2.0}))
    # a is up at 4 and free at 6; 0.1 s to stop it; b is up at 8.1 and free at 11.1; a is up again at 15.2
    assert played("fifo", stage) == (["a", "b", "a"], {"c0": 4.0, "c1": 7.1, "c2": 13.2})


def test_bypass_lets_whoever_asks_for_a_ready_model_overtake():
    stage = lab.recorded("t", trace(*ABA, loads={"a": 4.0, "b": 2.0}))
    # the second request for a is served from 6 to 7, and only then b is loaded
    assert played("bypass", stage) == (["a", "b"], {"c0": 4.0, "c2": 4.0, "c1": 8.1})


def test_swapd_plays_the_same_trace_by_its_own_rules():
    loads, waits = played("swapd", lab.recorded("t", trace(*ABA, loads={"a": 4.0, "b": 2.0})))
    assert loads == ["a", "b"]
    assert 8.1 <= waits["c1"] < 8.1 + lab.RULES.linger + 0.1


def test_fifo_stops_who_was_loaded_first_and_lru_who_was_used_longest_ago():
    asked = [("a", 0.0, 1.0), ("b", 10.0, 1.0), ("a", 20.0, 1.0), ("c", 30.0, 1.0), ("a", 50.0, 1.0)]
    stage = lab.recorded("t", trace(*asked), machine(2, a=1, b=1, c=1))
    assert played("fifo", stage)[0] == ["a", "b", "c", "a"]
    assert played("lru", stage)[0] == ["a", "b", "c"]


def test_bypass_starves_whom_swapd_serves_once_patience_is_over():
    busy = [("a", 0.9 * n, 1.0) for n in range(200)]
    catalog = replace(machine(a=1, b=1), rules=Rules(patience=30.0))
    stage = replace(lab.recorded("t", trace(*busy, ("b", 10.0, 1.0)), catalog), seconds=150.0)
    waited = {}
    for policy in ("bypass", "swapd"):
        [tally] = lab.run(stage, policy).tallies
        waited[policy] = [request.waited for request in tally.requests if request.model == "b"]
    assert waited["bypass"] == []
    assert 0 < waited["swapd"][0] < 30 + 1 + 0.1 + lab.UNSEEN_LOAD + 0.1


@pytest.mark.parametrize("policy", lab.BRAINS)
def test_a_model_that_can_never_fit_is_turned_away_and_the_others_are_served(policy):
    stage = lab.recorded("t", trace(("big", 0.0, 1.0), ("small", 1.0, 1.0)), machine(2, big=3, small=1))
    outcome = lab.run(stage, policy)
    assert outcome.failed == 1
    assert [request.model for request in outcome.tallies[0].requests] == ["small"]


@pytest.mark.parametrize("policy", lab.BRAINS)
def test_one_large_model_takes_the_room_of_two_small_ones(policy):
    asked = [("a", 0.0, 1.0), ("b", 1.0, 1.0), ("big", 2.0, 1.0)]
    loads, waits = played(policy, lab.recorded("t", trace(*asked), machine(2, a=1, b=1, big=2)))
    assert loads == ["a", "b", "big"]
    assert len(waits) == 3


def test_a_request_whose_engine_is_taken_away_is_not_counted_as_served():
    catalog = machine(a=1, b=1)
    hasty = replace(catalog.models["a"].terms, bounds=Bounds(drain=5.0))
    catalog = replace(catalog, models={**catalog.models, "a": Spec("a", Launch(("a",)), hasty)})
    outcome = lab.run(lab.recorded("t", trace(("a", 0.0, 900.0), ("b", 1.0, 1.0)), catalog), "swapd")
    assert outcome.failed == 1
    assert [request.model for request in outcome.tallies[0].requests] == ["b"]


def test_what_fits_together_is_loaded_once():
    asked = [("ab"[n % 2], 10.0 * n, 1.0) for n in range(8)]
    assert played("swapd", lab.recorded("t", trace(*asked), machine(2, a=1, b=1)))[0] == ["a", "b"]


def test_names_of_a_recording_may_be_aliases_and_an_unknown_one_is_an_error():
    catalog = replace(machine(a=1), aliases={"gpt-4o": Alias("gpt-4o", "a")})
    stage = lab.recorded("t", trace(("gpt-4o", 0.0, 1.0), loads={"gpt-4o": 7.0}), catalog)
    assert stage.loads == {"a": 7.0}
    assert played("swapd", stage) == (["a"], {"c0": 7.0})
    assert lab.unknown(catalog, ["a", "x", "gpt-4o", "y", "x"]) == ["x", "y"]
    with pytest.raises(KeyError):
        lab.recorded("t", trace(("x", 0.0, 1.0)), catalog)


def test_only_what_was_served_is_played_again_and_only_of_the_hours_asked_for():
    refused = Request(2.0, "b", 0.0, outcome="queue_full")
    found = replace(trace(("a", 0.0, 1.0), ("a", 7200.0, 1.0)), requests=(*trace(*ABA[:1]).requests, refused))
    assert [request.model for request in lab.played(found)] == ["a"]
    long = trace(("a", 0.0, 1.0), ("b", 7200.0, 1.0))
    assert [request.model for request in lab.played(long, hours=1.5)] == ["a"]
    assert list(lab.recorded("t", long, hours=1.5).catalog.models) == ["a"]


def test_without_a_config_a_recorded_model_has_the_slots_that_were_seen_in_use():
    stage = lab.recorded(
        "t", trace(("a", 0.0, 5.0), ("a", 1.0, 1.0), ("a", 2.0, 5.0), ("b", 0.0, 1.0), ("b", 1.0, 1.0))
    )
    assert {name: spec.terms.concurrency for name, spec in stage.catalog.models.items()} == {"a": 2, "b": 1}
    assert stage.catalog.budget == {"engines": 1}
    assert stage.catalog.rules == lab.RULES
    assert stage.loads == {"a": lab.UNSEEN_LOAD, "b": lab.UNSEEN_LOAD}


def test_where_nobody_wrote_rules_they_are_those_of_the_config():
    said = Scheduling()
    assert Rules(said.patience, said.linger, said.queue, said.wait) == lab.RULES


def test_no_more_models_are_ever_up_than_the_smallest_leave_room_for():
    assert lab.most_at_once(machine(1, a=1, b=1)) == 1
    assert lab.most_at_once(machine(10, a=6, b=5, c=3)) == 2
    assert lab.most_at_once(machine(10, a=6, b=5, c=3, free=0)) == 3
    assert lab.most_at_once(machine(1, a=5)) == 1
    assert lab.most_at_once(replace(machine(9, a=6, b=5), budget={})) == 2


def test_the_same_seed_gives_the_same_figures_and_another_seed_others():
    stage = lab.made(SCENES["mix"], seeds=2, hours=0.2)
    first, again = (lab.run(stage, "swapd") for _ in range(2))
    assert lab.told(stage, first) == lab.told(stage, again)
    assert first.tallies[0] != first.tallies[1]


def test_each_seed_is_told_as_it_begins():
    heard: list[int] = []
    lab.run(lab.made(SCENES["chat"], seeds=3, hours=0.01), "fifo", heard.append)
    assert heard == [0, 1, 2]


def test_a_variation_changes_just_what_it_says():
    stage = lab.made(SCENES["mix"])
    pinned = lab.varied(stage, Variation(Kind.PIN, "emb")).catalog
    assert [name for name, spec in pinned.models.items() if spec.terms.stay.pinned] == ["emb"]
    assert pinned.rules == stage.catalog.rules
    assert lab.varied(stage, Variation(Kind.PATIENCE, value=7.0)).catalog.rules == replace(lab.RULES, patience=7.0)
    assert lab.varied(stage, Variation(Kind.LINGER, value=7.0)).catalog.rules == replace(lab.RULES, linger=7.0)


def test_a_pinned_model_is_loaded_once_and_stays():
    asked = [("ab"[n % 2], 40.0 * n, 1.0) for n in range(10)]
    stage = lab.recorded("t", trace(*asked), machine(2, a=1, b=1, c=2))
    pinned = lab.varied(replace(stage, seconds=500.0), Variation(Kind.PIN, "a"))
    [tally] = lab.run(pinned, "swapd").tallies
    assert [load.model for load in tally.loads].count("a") == 1
