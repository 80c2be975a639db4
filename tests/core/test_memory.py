"""Needs and meters: what fits where, what strangers hold, and memory that is gone but not seen free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swapd.core import events as fact
from swapd.core.need import Need, Source, Way
from swapd.core.refusal import Exit
from swapd.core.verdict import Stand, Verdict
from tests.core.play import Play, model

SPAWN = "spawn {}#1: asked for (1 waiting)"
ROOM = "terminate {}: makes room for {}"


def gpu(n: int, amount: int, **more: int) -> Way:
    return Way({f"CUDA{n}": amount, **more}, (f"CUDA{n}",))


def house(*names: str, pinned: tuple[str, ...] = (), **budget: int) -> Play:
    """Models whose needs the operator does not name."""
    budget = budget or {"CUDA0": 20}
    return Play(*(model(n, cost={}, pinned=n in pinned) for n in names), budget=budget, patience=10.0)


def way_of(play: Play, name: str) -> Way:
    return play.scheduler.book.engines[name].way


# -- needs -----------------------------------------------------------------------------------------------


def test_a_model_that_is_not_weighed_yet_waits_and_is_served_when_it_is() -> None:
    play = house("a").asks("a", 1).silence()
    assert play.stand("a") == Verdict(Stand.WEIGHING)
    play.after(3).weighs("a", gpu(0, 9)).orders(SPAWN.format("a"))
    play.ready("a#1").orders("grant 1 on a#1")


def test_a_weight_of_another_launch_is_no_news() -> None:
    play = house("a").asks("a", 1)
    told = Need((gpu(0, 9),), Source.HEADER)
    old, _ = play.catalog.models["a"].launch, play.edits(model("a", argv="new", cost={}))
    play.hears(fact.Weighed("a", old, told)).silence()
    play.weighs("a", gpu(0, 9)).orders(SPAWN.format("a"))


def test_one_that_waits_to_be_weighed_keeps_no_room_from_others() -> None:
    house("a", "b").asks("a", 1).after(60).weighs("b", gpu(0, 20)).asks("b", 2).orders(SPAWN.format("b"))


def test_two_that_fit_together_stay_together_and_a_third_takes_the_place_of_one() -> None:
    play = house("a", "b", "c").weighs("a", gpu(0, 8)).weighs("b", gpu(0, 8)).weighs("c", gpu(0, 8))
    play.up("a").up("b").after(3)
    play.asks("c", 1).orders(ROOM.format("a#1", "c"))
    assert play.stand("c").stand is Stand.ROOM_COMING


def test_the_operators_needs_win_by_name() -> None:
    play = Play(model("a", cost={"CUDA0": 3}), budget={"CUDA0": 20, "ram": 9})
    play.weighs("a", gpu(0, 99, ram=2)).asks("a", 1).orders(SPAWN.format("a"))
    assert way_of(play, "a") == gpu(0, 3, ram=2)


def test_with_the_operators_needs_nobody_waits_for_the_scales() -> None:
    play = Play(model("a", cost={"CUDA0": 3}), budget={"CUDA0": 20}).asks("a", 1).orders(SPAWN.format("a"))
    assert way_of(play, "a") == Way({"CUDA0": 3})


def test_where_only_counters_are_budgeted_nothing_is_weighed() -> None:
    Play(model("a", cost={}), budget={"big": 1}).asks("a", 1).orders(SPAWN.format("a"))


def test_an_unknown_need_loads_alone_and_once_it_is_known_others_join() -> None:
    play = house("a", "b", CUDA0=20, ram=30).weighs("b", gpu(0, 4, ram=1)).weighs("a").up("b").after(3)
    play.asks("a", 1).orders(ROOM.format("b#1", "a"))
    play.exits("b#1").orders(SPAWN.format("a"))
    assert way_of(play, "a") == Way({"CUDA0": 20, "ram": 30})
    play.ready("a#1").asks("b", 2).orders("grant 1 on a#1")
    play.after(1).weighs("a", Way({"CUDA0": 9, "ram": 2})).orders("spawn b#2: asked for (1 waiting)")


def test_an_unknown_need_leaves_the_pinned_where_they_are() -> None:
    play = house("p", "a", pinned=("p",)).weighs("p", gpu(0, 6)).ready("p#1").weighs("a").asks("a", 1)
    play.orders("spawn p#1: pinned", SPAWN.format("a"))
    assert way_of(play, "a").cost == {"CUDA0": 14}


def test_a_load_that_was_seen_in_an_earlier_life_counts_until_one_is_seen_in_this() -> None:
    play = house("a").weighs("a", gpu(0, 4), load=2.0).asks("a", 1)
    assert dict(play.scheduler.book.queue.clocks("a")) == {-2.0: 1}
    play.after(1).ready("a#1").leaves(1).weighs("a", gpu(0, 4), load=9.0).forgets()
    assert play.scheduler.book.recall("a").load == 1.0


def test_what_a_living_engine_is_found_to_take_is_reckoned_at_once() -> None:
    play = house("a", "b").weighs("a", gpu(0, 5)).weighs("b", gpu(0, 12)).up("a").weighs("a", gpu(0, 9)).after(3)
    play.asks("b", 1).orders(ROOM.format("a#1", "b"))


@pytest.mark.parametrize("late", [False, True])
def test_what_never_fits_is_refused_with_the_arithmetic_even_when_that_is_told_late(late: bool) -> None:
    play = Play(model("a", cost={}), budget={"CUDA0": 20 << 30})
    told = Way({"CUDA0": 24 << 30})
    _ = play.asks("a", 1).weighs("a", told) if late else play.weighs("a", told).asks("a", 1)
    play.orders("refuse 1: NEVER_FITS")
    assert "it needs 24.0 GiB of CUDA0, the budget has 20.0 GiB" in str(play.refusals[1])


def test_one_way_that_can_be_had_is_enough_not_to_be_refused() -> None:
    house("a", CUDA0=8, CUDA1=20).weighs("a", gpu(0, 9), gpu(1, 9)).asks("a", 1).orders(SPAWN.format("a"))


# -- placement -------------------------------------------------------------------------------------------


def two_gpus(*names: str) -> Play:
    play = house(*names, CUDA0=10, CUDA1=10)
    for name in names:
        play.weighs(name, gpu(0, 8), gpu(1, 8))
    return play


def test_the_first_way_that_fits_is_taken_then_the_next() -> None:
    play = two_gpus("a", "b").asks("a", 1).asks("b", 2).orders(SPAWN.format("a"), SPAWN.format("b"))
    assert (way_of(play, "a").devices, way_of(play, "b").devices) == (("CUDA0",), ("CUDA1",))


def test_where_none_fits_the_gpu_with_the_cheapest_eviction_is_taken() -> None:
    play = two_gpus("a", "b", "c").up("a", load=90.0).up("b", load=2.0).after(90)
    play.asks("c", 1).orders(ROOM.format("b#1", "c"))
    play.exits("b#1").orders(SPAWN.format("c"))
    assert way_of(play, "c").devices == ("CUDA1",)


def test_the_spawn_says_where_and_the_engine_is_reckoned_there() -> None:
    play = two_gpus("a", "b").up("a").weighs("a", gpu(1, 9), gpu(0, 7))
    assert way_of(play, "a") == gpu(0, 7), "it runs where it was started, whatever would be best today"


def test_one_that_needs_two_gpus_evicts_on_both() -> None:
    play = two_gpus("a", "b", "wide").weighs("wide", Way({"CUDA0": 9, "CUDA1": 9}, ("CUDA0", "CUDA1")))
    play.up("a", "b").after(3)
    play.asks("wide", 1).orders(ROOM.format("a#1", "wide"), ROOM.format("b#1", "wide"))


# -- strangers -------------------------------------------------------------------------------------------


def test_a_game_evicts_nobody_in_vain_and_who_waits_for_its_memory_is_served_when_it_ends() -> None:
    play = house("a", "b").weighs("a", gpu(0, 4)).weighs("b", gpu(0, 17)).up("a")
    for _ in range(3):
        play.after(1).reads({"CUDA0": (24, 12)}, {"a#1": {"CUDA0": 4}})  # 8 are a stranger's
    play.after(9).asks("b", 1).silence()
    assert play.stand("b") == Verdict(Stand.STRANGERS, (), {"CUDA0": 5})
    play.after(60).ticks().silence()
    play.reads({"CUDA0": (24, 20)}, {"a#1": {"CUDA0": 4}}).orders(ROOM.format("a#1", "b"))


def test_who_fits_once_an_idle_one_is_gone_evicts_it_though_strangers_are_there() -> None:
    play = house("a", "b").weighs("a", gpu(0, 4)).weighs("b", gpu(0, 14)).up("a").after(9)
    play.reads({"CUDA0": (24, 12)}, {"a#1": {"CUDA0": 4}}).asks("b", 1).orders(ROOM.format("a#1", "b"))


def test_strangers_hold_the_least_of_three_readings_in_a_row() -> None:
    play = house("a").weighs("a", gpu(0, 18))
    for free in (20, 2, 2):
        play.after(1).reads({"CUDA0": (24, free)})
    play.asks("a", 1).orders(SPAWN.format("a"))
    play = house("a").weighs("a", gpu(0, 18))
    for free in (20, 2, 2, 2):
        play.after(1).reads({"CUDA0": (24, free)})
    play.asks("a", 1).silence()
    play.after(1).reads({"CUDA0": (24, 24)}).orders(SPAWN.format("a"))


def test_a_model_that_loads_is_no_stranger_even_where_the_driver_does_not_tell_what_it_holds() -> None:
    play = house("a", "b").weighs("a", gpu(0, 10)).weighs("b", gpu(0, 10)).asks("a", 1).orders(SPAWN.format("a"))
    play.after(1).reads({"CUDA0": (20, 13)}).asks("b", 2).orders(SPAWN.format("b"))


def test_strangers_stop_nobody_who_is_up() -> None:
    play = house("a").weighs("a", gpu(0, 16)).up("a")
    for _ in range(4):
        play.after(1).reads({"CUDA0": (24, 0)}, {"a#1": {"CUDA0": 12}}).silence()
    play.asks("a", 1).orders("grant 1 on a#1")


def test_on_a_gpu_that_is_lost_nothing_is_placed_until_it_is_back() -> None:
    play = house("a", "b", CUDA0=10, CUDA1=10).weighs("a", gpu(0, 8), gpu(1, 8)).weighs("b", gpu(0, 4))
    play.reads({"CUDA1": (10, 10)}, lost=("CUDA0",)).asks("a", 1).asks("b", 2).orders(SPAWN.format("a"))
    assert way_of(play, "a").devices == ("CUDA1",)
    assert play.stand("b").stand is Stand.STRANGERS
    play.after(5).reads({"CUDA0": (10, 10), "CUDA1": (10, 2)}).orders(SPAWN.format("b"))


def test_while_a_meter_fails_its_last_figures_stand() -> None:
    play = house("a").weighs("a", gpu(0, 18)).reads({"CUDA0": (24, 2)}).reads({})
    play.asks("a", 1).silence()
    play.reads({"CUDA0": (24, 23)}).orders(SPAWN.format("a"))


def test_a_model_that_outgrew_a_budget_that_nobody_wrote_loads_alone_and_what_the_operator_wrote_is_a_limit() -> (
    None
):
    need = Need((Way({"ram": 12}),), Source.LEARNED)
    for given, expected in ((frozenset(), SPAWN.format("a")), (frozenset({"ram"}), "refuse 1: NEVER_FITS")):
        play = Play(model("a", cost={}), budget={"ram": 10})
        play.hears(fact.CatalogChanged(replace(play.catalog, measured=True, given=given)))
        play.hears(fact.Weighed("a", play.catalog.models["a"].launch, need)).asks("a", 1).orders(expected)


def test_an_estimate_that_is_too_large_by_less_than_its_margin_loads_alone() -> None:
    play = Play(model("a", cost={}), model("b", cost={}), budget={"ram": 300}).weighs("b", {"ram": 10})
    need = Need((Way({"ram": 331}),), Source.HEADER, margin=256)
    play.hears(fact.Weighed("a", play.catalog.models["a"].launch, need)).asks("a", 1).orders(SPAWN.format("a"))
    assert play.scheduler.book.engines["a"].cost == {"ram": 300}


def test_engines_that_grow_beyond_the_budget_together_are_left_alone() -> None:
    play = Play(model("a", cost={}), model("b", cost={}), budget={"ram": 10})
    play.weighs("a", {"ram": 5}).weighs("b", {"ram": 5}).asks("a", 1).asks("b", 2).ready("a#1").ready(
        "b#1"
    ).forgets()
    play.weighs("a", {"ram": 8}).silence()


def test_who_is_held_up_by_a_pinned_one_that_runs_elsewhere_does_not_keep_room_from_others() -> None:
    p, u, b = model("p", cost={}, pinned=True), model("u", cost={}), model("b", cost={})
    play = Play(p, u, b, budget={"CUDA0": 24, "CUDA1": 24}, patience=10.0)
    play.weighs("p", Way({"CUDA1": 20}, ("CUDA1",))).ready("p#1").forgets()
    play.weighs("p", Way({"CUDA0": 20}, ("CUDA0",)), Way({"CUDA1": 20}, ("CUDA1",))).forgets()
    play.weighs("u", Way({"CUDA1": 20}, ("CUDA1",))).weighs("b", Way({"CUDA0": 4}, ("CUDA0",)))
    play.asks("u", 1).forgets()
    play.after(30).asks("b", 2).orders(SPAWN.format("b"))


# -- freed means seen free -------------------------------------------------------------------------------


def swap() -> Play:
    """a is up and read, b wants its room, and a has exited at the moment 10."""
    play = house("a", "b", CUDA0=20, ram=40)
    play.weighs("a", gpu(0, 16, ram=2)).weighs("b", gpu(0, 16, ram=2)).up("a").after(3)
    play.reads({"CUDA0": (20, 4), "ram": (40, 38)}, {"a#1": {"CUDA0": 16, "ram": 2}})
    play.asks("b", 1).after(2).exits("a#1").orders(ROOM.format("a#1", "b"))
    assert (play.now, play.stand("b").stand) == (10, Stand.ROOM_COMING)
    return play


def test_nothing_is_started_on_a_device_before_it_is_seen_free() -> None:
    play = swap().after(0.5).reads({"CUDA0": (20, 4)}).silence()
    play.after(0.5).reads({"CUDA0": (20, 19)}).orders(SPAWN.format("b"))


def test_a_reading_that_was_begun_before_the_exit_says_nothing_of_it() -> None:
    play = swap().after(0.1).reads({"CUDA0": (20, 20)}, ago=0.5).silence()
    play.after(0.4).reads({"CUDA0": (20, 20)}).orders(SPAWN.format("b"))


def test_nine_tenths_of_it_are_enough() -> None:
    swap().after(1).reads({"CUDA0": (20, 18)}).silence().reads({"CUDA0": (20, 19)}).orders(SPAWN.format("b"))


def test_memory_that_is_not_seen_free_is_waited_for_five_seconds_then_it_goes_on_and_says_so() -> None:
    play = swap().after(3).reads({"CUDA0": (20, 4)}).silence()
    play.sleeps().orders(
        "note a#1: its memory was not seen free in time; going on without", "spawn b#1: asked for (1 waiting)"
    )
    assert play.now == 15


def test_without_a_meter_of_the_device_nobody_waits_to_see() -> None:
    play = house("a", "b").weighs("a", gpu(0, 16)).weighs("b", gpu(0, 16)).up("a").after(3).asks("b", 1)
    play.exits("a#1").orders(ROOM.format("a#1", "b"), SPAWN.format("b"))


def test_ram_needs_no_seeing() -> None:
    play = house("a", "b", ram=40).weighs("a", Way({"ram": 30})).weighs("b", Way({"ram": 30})).up("a").after(3)
    play.reads({"ram": (40, 10)}, {"a#1": {"ram": 30}}).asks("b", 1).exits("a#1")
    play.orders(ROOM.format("a#1", "b"), SPAWN.format("b"))


def test_a_second_exit_meanwhile_is_waited_for_from_its_own_moment() -> None:
    models = house("a", "b", "c", CUDA0=20).weighs("c", gpu(0, 20))
    play = models.weighs("a", gpu(0, 8)).weighs("b", gpu(0, 8)).up("a", "b").after(3)
    play.reads({"CUDA0": (20, 4)}, {"a#1": {"CUDA0": 8}, "b#1": {"CUDA0": 8}}).asks("c", 1)
    play.exits("a#1").orders(ROOM.format("a#1", "c"), ROOM.format("b#1", "c"))
    play.after(2).exits("b#1").reads({"CUDA0": (20, 20)}, ago=0.5).silence()  # of a this is news, of b it is not
    play.after(1).reads({"CUDA0": (20, 20)}).orders(SPAWN.format("c"))


def test_an_engine_that_is_killed_and_stays_is_counted_on_for_ten_seconds_only() -> None:
    play = Play("a", "b", "c", budget=2, patience=100.0).up("a", "b").asks("b", 1, client="x").after(9)
    play.unloads("a").sleeps().asks("c", 2).orders(
        "grant 1 on b#1", "terminate a#1: unload by the operator", "kill a#1"
    )
    assert play.stand("c").stand is Stand.ROOM_COMING
    play.leaves(1).after(5).ticks().orders("kill a#1")
    play.after(5).ticks().orders("kill a#1", ROOM.format("b#1", "c"))


def test_nobody_goes_for_what_is_missing_unless_it_came_up_meanwhile_or_costs_nobody() -> None:
    play = Play(model("a"), model("b"), budget={"engines": 1})
    first, second, third = (
        fact.Asked(fact.Ticket(number), name, missing=Exit(reason="there is no file"))
        for number, name in ((1, "a"), (2, "b"), (3, "a"))
    )
    play.hears(first).orders("spawn a#1: asked for (1 waiting)").ready("a#1").leaves(1).forgets()
    play.hears(second).orders("refuse 2: START_FAILED")
    assert str(play.refusals[2]) == "cannot start the engine of model 'b': there is no file"
    play.hears(third).orders("grant 3 on a#1")


def test_nobody_goes_for_a_model_whose_file_is_none_and_once_it_is_whole_it_is_served() -> None:
    play = Play(model("a", cost={}), model("b", cost={}), budget={"ram": 10})
    play.weighs("a", {"ram": 8}).asks("a", 1).ready("a#1").leaves(1).forgets()
    launch = play.catalog.models["b"].launch
    play.asks("b", 2).silence()
    play.hears(fact.Weighed("b", launch, Need((), Source.UNKNOWN, "its header is cut short", broken=True)))
    play.orders("refuse 2: START_FAILED").asks("b", 3).orders("refuse 3: START_FAILED")
    assert "its header is cut short" in str(play.refusals[3])
    play.weighs("b", {"ram": 8}).asks("b", 4).orders("terminate a#1: makes room for b")
