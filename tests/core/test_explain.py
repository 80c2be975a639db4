"""Every sentence that people are told about a model."""

from __future__ import annotations

from random import Random

import pytest

from swapd.core import explain
from swapd.core.events import EngineExited, MachineRead, Weighed
from swapd.core.explain import Explanation
from swapd.core.need import Gauge, Need, Reading, Source, Way
from swapd.core.refusal import Exit
from swapd.core.spec import Launch
from tests.core.play import Play, catalog, model, run_id
from tests.core.test_remote import remote
from tests.core.world import Temper, World

GIB = 1 << 30


def of(play: Play, name: str) -> Explanation:
    return explain.of(play.forgets().scheduler.view(play.now), name)


def said(play: Play, name: str) -> str:
    return explain.words(of(play, name))


def test_a_cold_model_that_nobody_wants() -> None:
    play = Play("a")
    assert (said(play, "a"), of(play, "a").stand) == ("is cold: nobody asks for it", None)
    play.up("a", load=3).unloads("a").exits("a#1")
    assert said(play, "a") == "is cold: nobody asks for it; a load takes 3.0 s"


def test_a_load_and_the_one_before() -> None:
    play = Play("a").asks("a", 1).after(2)
    assert said(play, "a") == "loads: 2.0 s so far, how long it takes is not known yet"
    assert (of(play, "a").stand, explain.asked_words(of(play, "a"))) == ("loading", "1 request waits")
    play.after(13).ready("a#1").leaves(1).unloads("a").exits("a#1").asks("a", 2, 3).after(1)
    assert said(play, "a") == "loads: 1.0 s so far, the last load took 15 s"
    assert explain.asked_words(of(play, "a")) == "2 requests wait"


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, "is ready and idle, and stays for another 9 min unless others need its room (ttl)"),
        ({"ttl": 70.0}, "is ready and idle, and stays for another 10 s unless others need its room (ttl)"),
        ({"ttl": None}, "is ready and idle, and stays until others need its room"),
        ({"pinned": True}, "is ready and idle, and pinned: it stays"),
    ],
)
def test_an_idle_engine_and_how_long_it_stays(terms: dict[str, object], text: str) -> None:
    play = Play(model("a", **terms)).up("a").after(60)
    assert (said(play, "a"), of(play, "a").stand) == (text, None)


def test_an_idle_engine_that_somebody_else_runs_makes_no_room() -> None:
    said_of = "is ready and idle, and takes no room here: swapd goes on looking after it"
    assert said(Play(remote("far")).up("far"), "far") == said_of


def test_an_idle_engine_that_a_client_wants_to_stay_stays_for_so_long() -> None:
    assert "for another 59 s" in said(Play("a").up("a").keeps("a#1", 60.0).after(1), "a")


def test_a_busy_engine_and_who_waits_for_a_slot() -> None:
    play = Play(model("a", concurrency=2)).up("a").asks("a", 1)
    assert said(play, "a") == "is ready: 1 request on 2 slots"
    play.asks("a", 2, 3)
    assert (said(play, "a"), of(play, "a").stand) == ("is ready: 2 requests on 2 slots, 1 wait for one", "slots")


def test_the_operators_wish_is_named() -> None:
    play = Play("a", "b").up("a").asks("a", 1).loads("b")
    found = of(play, "b")
    assert explain.asked_words(found) == "it is to be up: load by the operator"
    assert explain.asked_words(of(Play("c"), "c")) == ""


def test_a_model_in_the_way_of_one_with_patience_and_without() -> None:
    play = Play("a", "b").up("a").asks("a", 1).asks("b", 2).after(18)
    assert said(play, "b") == (
        "waits for a to finish 1 request; it may be overtaken for another 12 s, then nobody gets past it"
    )
    assert of(play, "b").stand == "busy"


def test_a_victim_that_drains_and_one_that_was_told_to_stop() -> None:
    play = Play("a", "b").up("a").asks("a", 1).asks("b", 2).after(30).ticks()
    assert said(play, "b") == "waits until a is gone: it finishes 1 request, at most 30 s more"
    assert said(play, "a") == "goes: it finishes 1 request, at most 30 s more"
    play.leaves(1).after(3)
    assert said(play, "b") == "waits until a is gone: 3.0 s since it was told to stop"
    assert (said(play, "a"), of(play, "b").stand) == ("goes: 3.0 s since it was told to stop", "room_coming")
    play.after(7).ticks().after(1)
    assert said(play, "b") == "waits until a is gone: 1.0 s since it was killed"


def test_its_own_old_engine_is_in_the_way() -> None:
    play = Play("a").up("a").unloads("a").after(2).asks("a", 1)
    assert said(play, "a") == "waits until its old engine is gone: 2.0 s since it was told to stop"
    assert of(play, "a").stand == "leaving"


def test_an_engine_that_serves_its_quantum_before_it_goes() -> None:
    play = Play("a", "b").asks("a", 1).asks("b", 2).after(40).ready("a#1").ticks()
    assert said(play, "b") == "is next: a finishes the requests it was loaded for, then goes"
    play.asks("a", 3, client="z")
    assert (said(play, "a"), of(play, "a").stand) == (
        "gives way to b: it serves those whose turn it is, then goes",
        "yields",
    )


def test_an_engine_kept_for_its_client() -> None:
    play = Play("a", "b", linger=5.0).up("a").asks("b", 1, client="y")
    assert of(play, "b").stand == "lingering"
    text = said(play, "b")
    assert text.startswith("waits: a is kept for a client expected back, for another ")
    assert text.endswith(" s at most")


def test_failures_rest_and_the_way_out_is_named() -> None:
    play = Play("a").asks("a", 1).exits("a#1")
    assert said(play, "a") == (
        "failed once, 0.0 s ago: exited with code 1; it rests for another 1.0 s; `swapd load` tries at once"
    )
    for n in range(2, 6):
        play.forgets().sleeps().asks("a", n).exits(f"a#{n}")
    assert said(play, "a") == (
        "failed 5 times, last 0.0 s ago: exited with code 1; it rests for another 5 min, as that was too often; "
        "`swapd load` tries at once"
    )


def test_a_crashed_model_that_is_waited_for_rests_too() -> None:
    play = Play("a").up("a").asks("a", 1).exits("a#1").asks("a", 2)
    assert (of(play, "a").stand, said(play, "a")[:23]) == ("resting", "failed once, 0.0 s ago:")


def test_a_failure_is_told_once_the_rest_is_over_until_a_run_succeeds_or_it_is_forgiven() -> None:
    end = Exit(code=1, hint="the model file is cut short")
    play = Play("a").asks("a", 1).hears(EngineExited(run_id("a#1"), end)).sleeps().asks("a", 2)
    play.hears(EngineExited(run_id("a#2"), end)).sleeps().after(4)
    assert play.scheduler.view(play.now).models["a"].state == "cold"
    assert said(play, "a") == (
        "failed 2 times, last 6.0 s ago: exited with code 1 (the model file is cut short); nobody asks"
    )
    play.unloads("a")
    assert said(play, "a") == "is cold: nobody asks for it"
    play.asks("a", 3).exits("a#3").sleeps().up("a", load=2)
    play.after(600).ticks().exits("a#4")
    assert said(play, "a") == "is cold: nobody asks for it; a load takes 2.0 s"


def test_a_load_that_outlasts_the_last_one_says_so() -> None:
    play = Play("a").up("a", load=2.1).unloads("a").exits("a#1").asks("a", 1).after(15)
    assert said(play, "a") == "loads: 15 s so far, longer than usual (the last load took 2.1 s)"


def test_a_drain_that_outlasts_what_requests_last_says_so_and_when_it_ends_at_the_latest() -> None:
    play = Play("a", "b").up("a").asks("a", 1).asks("b", 2).after(30).ticks().after(18)
    assert said(play, "b") == (
        "waits until a is gone: it finishes 1 request, 18 s so far, longer than usual, at most 12 s more"
    )
    assert said(play, "a") == "goes: it finishes 1 request, 18 s so far, longer than usual, at most 12 s more"


def test_a_drain_without_an_end_promises_none() -> None:
    play = Play(model("a", drain=None), "b").up("a").asks("a", 1).asks("b", 2).after(30).ticks()
    assert said(play, "b") == "waits until a is gone: it finishes 1 request"


# -- memory ------------------------------------------------------------------------------------------------


def told(name: str, much: int) -> Weighed:
    return Weighed(name, Launch((name,)), Need((Way({"CUDA0": much}, ("CUDA0",)),), Source.HEADER))


def gpu(*models: str, free: int = 10 * GIB) -> Play:
    """A card of 10 GiB, and so much of it free as the meters say."""
    specs = [model(name, cost={}) for name in models]
    play = Play(*specs, budget={"CUDA0": 10 * GIB})
    return play.hears(MachineRead(Reading(play.now, {"CUDA0": Gauge(10 * GIB, free)})))


def test_until_a_need_is_told_nothing_starts() -> None:
    play = gpu("a").asks("a", 1)
    assert (said(play, "a"), of(play, "a").stand) == ("waits until it is known what it needs", "weighing")


def test_what_strangers_hold_is_told_with_the_arithmetic() -> None:
    play = gpu("a", free=2 * GIB).hears(told("a", int(9.1 * GIB))).asks("a", 1)
    assert said(play, "a") == "waits: 7270 MiB of CUDA0 are missing: other programs hold 8192 MiB"
    assert of(play, "a").stand == "strangers"


def test_what_can_never_be_loaded_says_so_first_with_the_arithmetic() -> None:
    play = gpu("a").hears(told("a", 24 * GIB))
    assert said(play, "a") == (
        "can never be loaded: it needs 24.0 GiB of CUDA0, the budget has 10.0 GiB; raise budget.CUDA0 or lower "
        "its needs (a smaller context, or a smaller quantization)"
    )


def test_what_is_up_and_could_not_be_loaded_again_says_both() -> None:
    play = gpu("a").hears(told("a", 6 * GIB)).up("a").asks("a", 1).hears(told("a", 24 * GIB))
    text = said(play, "a")
    assert text.startswith("can never be loaded: it needs 24.0 GiB of CUDA0")
    assert text.endswith("; it is ready: 1 request on 1 slot")


def test_a_device_that_is_gone_is_named() -> None:
    play = gpu("a").hears(told("a", GIB))
    play.hears(MachineRead(Reading(play.now, lost=frozenset({"CUDA0"})))).asks("a", 1)
    assert said(play, "a") == "waits: CUDA0 cannot be read any more: the device is gone"


def test_memory_that_is_not_seen_free_yet() -> None:
    play = gpu("a", "b").hears(told("a", 6 * GIB)).hears(told("b", 6 * GIB)).up("a").after(10)
    play.asks("b", 1).exits("a#1").after(1)
    assert said(play, "b") == "waits until the memory of a is seen free: 1.0 s since it is gone"


def test_others_whose_turn_is_sooner() -> None:
    play = Play(model("a", cost={"engines": 2}), "b", "c", budget=2).up("b", "c").asks("b", 1).asks("c", 2)
    play.asks("a", 3).after(31).ticks().forgets()  # a drains both: what c asks for now comes after
    play.asks("c", 4)
    assert said(play, "c").startswith("waits ")
    assert of(play, "c").stand in ("leaving", "behind")


def test_every_stand_has_its_words() -> None:
    """No verdict of a long walk leaves its reader without a sentence."""
    stands = set()
    for seed in range(6):
        models = [model(name) for name in "abcd"]
        temper = Temper(fails=0.1, crashes=0.1, deaf=0.3, gives_up=0.1, meddles=0.05, pace=1.0)
        world = World(Random(seed), catalog(*models, budget={"engines": 2}, patience=10.0), temper)
        for _ in range(200):
            if not world.step():
                break
            view = world.scheduler.view(world.now)
            for name, shown in view.models.items():
                found = explain.of(view, name)
                assert explain.words(found)
                assert "None" not in explain.words(found)
                assert (found.stand is not None) or not shown.waiting
                stands.add(found.stand)
    assert {"busy", "held", "room_coming", "loading", "slots"} <= stands


# -- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (1.44, "1.4 s"), (9.96, "10 s"), (119, "119 s"), (200, "3 min")]
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert explain.span(seconds) == text
