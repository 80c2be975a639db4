"""What outsiders see."""

from __future__ import annotations

from swapd.core.book import Failure
from swapd.core.engine import RunId, State
from swapd.core.events import EngineShort, MachineRead, Weighed
from swapd.core.need import Gauge, Need, Reading, Source, Way
from swapd.core.spec import Launch
from swapd.core.view import EngineView, Resource
from tests.core.play import DIED, Play, endpoint, model, run_id

GIB = 1 << 30


def test_a_cold_house() -> None:
    view = Play("a", aliases={"x": "a", "y": "a"}, budget=2).scheduler.view(7.0)
    assert (view.now, view.budget, view.used) == (7.0, {"engines": 2}, {"engines": 0})
    assert (view.models["a"].state, view.models["a"].engine, view.models["a"].aliases) == (
        "cold",
        None,
        ("x", "y"),
    )
    assert (view.quiet, view.closing, view.leftovers) == (True, False, ())


def test_a_model_from_start_to_idle() -> None:
    play = Play(model("a", concurrency=2)).asks("a", 1, 2, 3).forgets()
    starting = play.after(2).scheduler.view(play.now).models["a"]
    assert starting.engine == EngineView(RunId("a", 1), State.STARTING, 0.0, None, 0, None, 600.0)
    assert starting.waiting == 3
    play.ready("a#1").forgets()
    view = play.after(5).scheduler.view(play.now)
    assert view.models["a"].engine == EngineView(RunId("a", 1), State.READY, 2.0, endpoint(run_id("a#1")), 2, None)
    assert (view.models["a"].waiting, view.used, view.quiet) == (1, {"engines": 1}, False)
    play.leaves(1, 2, 3).forgets()
    idle = play.after(4).scheduler.view(play.now).models["a"].engine
    assert idle is not None and (idle.leases, idle.idle) == (0, 4.0)


def test_a_failure_is_remembered_with_its_time_and_a_resting_house_is_quiet() -> None:
    play = Play("a").asks("a", 1).after(3).exits("a#1").forgets()
    view = play.scheduler.view(play.now)
    assert (view.models["a"].state, view.models["a"].failure) == ("backoff", Failure(RunId("a", 1), 3.0, DIED))
    assert (view.quiet, view.used) == (True, {"engines": 0})


def test_failures_in_a_row_are_counted_only_while_the_last_run_is_one_of_them() -> None:
    def failures() -> int:
        return play.forgets().scheduler.view(play.now).models["a"].failures

    play = Play("a").asks("a", 1).exits("a#1").sleeps().asks("a", 2).exits("a#2")
    assert failures() == 2
    play.sleeps().up("a")
    assert failures() == 0


def test_what_can_never_fit_is_shown_with_the_arithmetic_until_the_need_is_known_better() -> None:
    play = Play(model("a", cost={}), budget={"ram": GIB}).hears(weighed("a", Way({"ram": 20 * GIB})))
    assert "it needs 20.0 GiB of ram" in (play.scheduler.view(0).never_fits("a") or "")
    play.hears(weighed("a", Way({"ram": GIB})))
    assert play.scheduler.view(0).never_fits("a") is None


def test_what_the_config_no_longer_has_is_a_leftover_until_it_is_gone() -> None:
    play = Play("a", "b").up("a").edits(without=("a",)).forgets()
    view = play.scheduler.view(play.now)
    assert (list(view.models), [e.run for e in view.leftovers], view.quiet) == (["b"], [RunId("a", 1)], False)
    assert view.used == {"engines": 1}
    assert play.exits("a#1").scheduler.view(play.now).quiet


def test_a_closing_house_says_so() -> None:
    play = Play("a").closes()
    assert play.scheduler.view(play.now).closing


def test_what_outlives_its_kill_for_long_is_hopeless_though_the_config_forgot_it() -> None:
    play = Play("a", "b", budget=2).up("a", "b").edits(without=("a",)).closes().forgets()
    assert not play.after(9).ticks().scheduler.view(play.now).hopeless(10)
    play.after(1).ticks().forgets()  # the grace is over: both are killed
    assert not play.after(9).ticks().forgets().scheduler.view(play.now).hopeless(10)
    view = play.after(1).ticks().forgets().scheduler.view(play.now)
    assert (view.hopeless(10), view.quiet, len(view.living)) == (True, False, 2)


# -- what a model takes, and what the machine has ---------------------------------------------------------


def weighed(name: str, *ways: Way, source: Source = Source.HEADER) -> Weighed:
    return Weighed(name, Launch((name,)), Need(ways, source, "files 1 + KV cache 2"))


def test_a_model_shows_what_it_is_reckoned_with_what_was_measured_and_how_long_it_loaded() -> None:
    play = Play(model("a", cost={}), budget={"ram": 8 * GIB}).hears(weighed("a", Way({"ram": 2 * GIB})))
    cold = play.scheduler.view(play.now).weight("a")
    assert (cold.way, cold.measured, cold.load, cold.short) == (Way({"ram": 2 * GIB}), {}, None, "")
    assert cold.need is not None and cold.need.source is Source.HEADER
    play.up("a", load=3).hears(EngineShort(run_id("a#1"), "20 of 33 layers")).after(1)
    taken = {run_id("a#1"): {"ram": 3 * GIB}}
    play.hears(MachineRead(Reading(play.now, {"ram": Gauge(16 * GIB, 9 * GIB)}, taken))).forgets()
    up = play.after(2).scheduler.view(play.now).weight("a")
    assert (up.way, up.measured, up.load, up.short) == (
        Way({"ram": 2 * GIB}),
        taken[run_id("a#1")],
        3,
        "20 of 33 layers",
    )


def test_counters_are_part_of_what_a_model_is_reckoned_with_though_nothing_is_weighed() -> None:
    view = Play(model("a", cost={"engines": 1})).scheduler.view(0)
    assert (view.weight("a").way, view.weight("a").need) == (Way({"engines": 1}), None)


def test_a_need_that_nobody_told_yet_shows_no_way() -> None:
    assert Play(model("a", cost={}), budget={"ram": GIB}).scheduler.view(0).weight("a").way is None


def test_the_machine_shows_what_there_is_what_is_reckoned_and_what_others_hold() -> None:
    play = Play(model("a", cost={}), budget={"ram": 8 * GIB, "engines": 1}).hears(
        weighed("a", Way({"ram": 2 * GIB}))
    )
    view = play.scheduler.view(play.now)
    assert (view.age, view.resources()) == (None, {"ram": Resource(None, 8 * GIB, 0, None, 0, False)})
    play.up("a")
    gauges = {"ram": Gauge(16 * GIB, 9 * GIB), "CUDA1": Gauge(4 * GIB, 4 * GIB)}
    play.hears(MachineRead(Reading(play.now, gauges, {run_id("a#1"): {"ram": 3 * GIB}}, frozenset({"CUDA0"}))))
    view = play.forgets().after(2).scheduler.view(play.now)
    assert (view.age, view.used) == (2.0, {"ram": 2 * GIB, "engines": 0})
    assert view.resources() == {
        "ram": Resource(16 * GIB, 8 * GIB, 2 * GIB, 9 * GIB, 4 * GIB, False),
        "CUDA1": Resource(4 * GIB, None, 0, 4 * GIB, 0, False),
        "CUDA0": Resource(None, None, 0, None, 0, True),
    }
