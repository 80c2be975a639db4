"""Which model is next, and which engines must go for it."""

from __future__ import annotations

from tests.core.play import Play, model

# -- which next ------------------------------------------------------------------------------------------


def test_who_is_out_of_patience_is_next_by_deadline_whatever_the_priorities() -> None:
    play = Play("a", "b", model("c", priority=9)).up("a")
    play.asks("a", 1).asks("b", 2).after(1).asks("c", 3).orders("grant 1 on a#1")
    play.sleeps().orders("drain a#1: makes room for b")
    play.after(10).leaves(1).orders("terminate a#1: drained")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_before_that_priority_decides() -> None:
    play = Play("a", "b", model("c", priority=1)).up("a")
    play.asks("a", 1).asks("b", 2).after(1).asks("c", 3).orders("grant 1 on a#1")
    play.leaves(1).orders("terminate a#1: makes room for c")


def test_then_the_oldest_callers_wait_per_second_of_load() -> None:
    play = Play("slow", "quick", "a").up("slow", load=20.0).after(9)
    play.asks("quick", 1).orders("terminate slow#1: makes room for quick")
    play.exits("slow#1").after(1).ready("quick#1").leaves(1).after(9)
    play.orders("spawn quick#1: asked for (1 waiting)", "grant 1 on quick#1")
    play.asks("a", 2).exits("quick#1").after(5).ready("a#1")
    play.orders("terminate quick#1: makes room for a", "spawn a#1: asked for (1 waiting)", "grant 2 on a#1")
    play.asks("slow", 3).after(1).asks("quick", 4).after(3).leaves(2)
    play.orders("terminate a#1: makes room for quick")


def test_more_who_wait_weigh_no_more_than_one() -> None:
    play = Play("a", "b", "c", linger=0.0).up("a")
    play.asks("a", 1).asks("b", 2, client="x").after(1).asks("c", 3, 4, 5, client="y").orders("grant 1 on a#1")
    play.after(9).leaves(1).orders("terminate a#1: makes room for b")


def test_five_hundred_of_one_client_are_one_impatient_caller() -> None:
    play = Play(model("a", concurrency=1), "b", queue=1000).up("a")
    crowd = range(100, 600)
    play.asks("a", *crowd, client="crowd").after(1).asks("b", 1).orders("grant 100 on a#1")
    play.after(10).leaves(100).orders("grant 101 on a#1")
    play.after(25).leaves(101).orders("terminate a#1: makes room for b")


def test_a_better_placed_one_keeps_the_room_that_is_free_while_the_rest_is_being_made() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", wide, "c", budget=2).up("a").after(3)
    play.asks("wide", 1).orders("terminate a#1: makes room for wide")
    play.asks("c", 2).silence()
    play.exits("a#1").orders("spawn wide#1: asked for (1 waiting)")


def test_a_wide_model_out_of_patience_is_not_starved_by_narrow_ones() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", "b", "c", wide, budget=2).up("b")
    play.asks("a", 1).asks("wide", 2).after(5).ready("a#1")
    play.orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.after(1).asks("c", 3).orders("terminate b#1: makes room for c")
    play.exits("b#1").ready("c#1").leaves(3).orders("spawn c#1: asked for (1 waiting)", "grant 3 on c#1")
    play.after(24).asks("b", 4).silence()  # c is idle, but wide is out of patience: a must go as well, and is owed
    play.leaves(1).orders("terminate c#1: makes room for wide", "terminate a#1: makes room for wide")


# -- whom to evict ---------------------------------------------------------------------------------------


def test_who_idles_longest_goes_first() -> None:
    play = Play("a", "b", "c", budget=2).up("a", "b").after(3)
    play.asks("c", 1).orders("terminate a#1: makes room for c")


def test_who_is_quick_to_reload_goes_before_who_idles_longer() -> None:
    play = Play("a", "b", "c", budget=2).up("a", load=60.0).up("b", load=2.0).after(60)
    play.asks("c", 1).orders("terminate b#1: makes room for c")


def test_idle_ones_go_before_busy_ones_even_when_patience_is_over() -> None:
    play = Play("a", "b", "c", budget=2, linger=60.0).up("a", load=1.0).up("b", load=100.0)
    play.asks("a", 1).asks("b", 2, client="agent").asks("c", 3).orders("grant 1 on a#1", "grant 2 on b#1")
    play.after(29).leaves(2).silence()
    play.sleeps().orders("terminate b#1: makes room for c")


def test_a_pinned_one_is_never_evicted() -> None:
    play = Play(model("p", pinned=True), "a", "b", budget=2).orders("spawn p#1: pinned")
    play.ready("p#1").after(500).up("a").after(3)
    play.asks("b", 1).orders("terminate a#1: makes room for b")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")
    play.asks("a", 2).after(300).ticks().silence()


def test_nobody_goes_when_that_would_not_make_room_enough() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", "b", wide, budget=2).up("a", "b").after(3)
    play.asks("b", 1).asks("wide", 2).orders("grant 1 on b#1")
    play.after(10).ticks().silence()
    assert play.state("a") == "ready"


def test_only_those_go_whose_room_is_of_the_kind_that_lacks() -> None:
    models = [model("x", cost={"CUDA0": 4}), model("y", cost={"CUDA1": 4}), model("z", cost={"CUDA1": 2})]
    play = Play(*models, budget={"CUDA0": 4, "CUDA1": 4}).up("x", "y").after(3)
    play.asks("z", 1).orders("terminate y#1: makes room for z")


def test_one_that_is_large_enough_goes_rather_than_two() -> None:
    models = [model(n, cost={"ram": c}) for n, c in {"a": 2, "b": 2, "large": 4, "new": 4}.items()]
    play = Play(*models, budget={"ram": 8}).up("large", "a", "b").after(3)
    play.asks("new", 1).orders("terminate large#1: makes room for new")


def test_what_is_leaving_already_counts_and_nobody_else_goes() -> None:
    play = Play("a", "b", "c", budget=2).up("a", "b").after(3)
    play.unloads("a").orders("terminate a#1: unload by the operator")
    play.asks("c", 1).silence()
    play.exits("a#1").orders("spawn c#1: asked for (1 waiting)")


def test_who_retires_this_very_moment_counts_as_leaving_too() -> None:
    play = Play(model("a", ttl=50.0), model("b", ttl=None), "c", budget=2).up("a", load=100.0).up("b", load=1.0)
    play.at(151.0).asks("c", 1).orders("terminate a#1: idle past its ttl")


def test_who_waits_behind_a_held_engine_evicts_no_more_than_it_needs() -> None:
    models = [model("x", cost={"engines": 1, "big": 1}), model("new", cost={"engines": 1, "big": 1})]
    play = Play(*models, "y", "z", "c", budget={"engines": 3, "big": 1}).up("y", "z")
    play.asks("x", 1).asks("new", 2).after(5).ready("x#1")
    play.orders("spawn x#1: asked for (1 waiting)", "grant 1 on x#1")
    play.after(26).ticks().silence()  # x has its quantum to serve, and is held for new
    play.asks("c", 3).orders("terminate y#1: makes room for c")


def test_what_is_held_for_one_out_of_patience_is_not_evicted_for_another() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", "b", wide, model("c", priority=9), budget=2).up("b")
    play.asks("b", 9).asks("a", 1).asks("wide", 2).after(5).ready("a#1")
    play.orders("grant 9 on b#1", "spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.after(26).leaves(9).asks("c", 3).silence()
    play.leaves(1).orders("terminate b#1: makes room for wide", "terminate a#1: makes room for wide")


def test_the_smallest_set_is_found_among_many_engines_as_well() -> None:
    names = [f"m{i:02}" for i in range(14)]
    play = Play(*names, model("wide", cost={"engines": 3}), budget=14).up(*names).after(3)
    play.asks("wide", 1).orders(*(f"terminate {name}#1: makes room for wide" for name in names[:3]))
