"""How long engines stay, and who is up though nobody asks: ttl, pinned, preload, load, unload."""

from __future__ import annotations

from swapd.core.refusal import Exit
from tests.core.play import Play, model

# -- ttl -------------------------------------------------------------------------------------------------


def test_an_idle_engine_retires_after_its_ttl_counted_from_its_last_lease() -> None:
    play = Play(model("a", ttl=60.0)).up("a")
    play.after(50).asks("a", 1).orders("grant 1 on a#1")
    play.after(100).leaves(1).silence()
    play.sleeps().orders("terminate a#1: idle past its ttl")
    assert play.now == 5 + 50 + 100 + 60
    play.exits("a#1").silence()
    assert (play.state("a"), play.due()) == ("cold", None)


def test_a_busy_engine_does_not_retire_nor_one_without_a_ttl_nor_a_pinned_one() -> None:
    play = Play(model("a", ttl=60.0), model("b", ttl=None), model("p", ttl=60.0, pinned=True), budget=3)
    play.ready("p#1").orders("spawn p#1: pinned")
    play.up("a", "b").asks("a", 1).orders("grant 1 on a#1")
    play.after(1e4).ticks().silence()
    assert play.due() is None


def test_who_asks_in_the_moment_the_ttl_is_over_is_served() -> None:
    play = Play(model("a", ttl=60.0)).up("a")
    play.after(60).asks("a", 1).orders("grant 1 on a#1")


def test_a_ttl_of_nothing_retires_with_the_last_lease() -> None:
    play = Play(model("a", ttl=0.0))
    play.asks("a", 1).ready("a#1").orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.leaves(1).orders("terminate a#1: idle past its ttl")


# -- a client's own ttl ----------------------------------------------------------------------------------


def test_a_client_that_holds_an_engine_says_how_long_it_stays_and_the_next_run_stays_as_ever() -> None:
    play = Play(model("a", ttl=60.0)).up("a").asks("a", 1).keeps("a#1", 5.0).orders("grant 1 on a#1")
    play.leaves(1).after(4).asks("a", 2).leaves(2).orders("grant 2 on a#1")  # it holds for those who say nothing
    play.sleeps().orders("terminate a#1: idle past its ttl")
    assert play.now == 5 + 4 + 5
    play.exits("a#1").up("a").keeps("a#1", 5.0).sleeps().orders("terminate a#2: idle past its ttl")
    assert play.now == 5 + 4 + 5 + 5 + 60


def test_it_stays_for_ever_or_not_at_all_as_its_client_wishes_but_makes_room_all_the_same() -> None:
    play = Play(model("a", ttl=60.0), "b").up("a").asks("a", 1).keeps("a#1", None).leaves(1).forgets()
    assert play.due() is None
    play.asks("a", 2).keeps("a#1", 0.0).orders("grant 2 on a#1")
    play.leaves(2).orders("terminate a#1: idle past its ttl")
    play = Play(model("a", ttl=60.0), "b").up("a").keeps("a#1", None).after(1e6).ticks().silence()
    play.asks("b", 1).orders("terminate a#1: makes room for b")


def test_a_pinned_engine_stays_whatever_a_client_wishes_and_the_operators_new_ttl_is_the_last_word() -> None:
    play = Play(model("p", pinned=True, ttl=60.0)).ready("p#1").keeps("p#1", 0.0).after(1e4).ticks()
    play.orders("spawn p#1: pinned")
    play = Play(model("a", ttl=60.0), "b").up("a").keeps("a#1", 90.0)
    play.edits(model("b", ttl=1.0)).after(89).silence()
    assert play.scheduler.view(play.now).stays_until("a") == 5 + 90
    play.edits(model("a", ttl=100.0))
    assert (play.due(), play.scheduler.view(play.now).stays_until("b")) == (5 + 100, None)


# -- pinned ----------------------------------------------------------------------------------------------


def test_a_pinned_model_is_up_from_the_start_and_comes_back_when_it_leaves() -> None:
    play = Play(model("p", pinned=True)).orders("spawn p#1: pinned")
    play.ready("p#1").silence()
    play.edits(model("p", argv="new", pinned=True)).orders("terminate p#1: its launch changed")
    play.exits("p#1").orders("spawn p#2: pinned")


def test_a_pinned_model_that_the_operator_unloads_stays_down_until_somebody_asks() -> None:
    play = Play(model("p", pinned=True)).ready("p#1").forgets()
    play.unloads("p").exits("p#1").orders("terminate p#1: unload by the operator")
    play.after(1e4).ticks().edits("q").silence()
    play.asks("p", 1).ready("p#2").leaves(1).orders("spawn p#2: asked for (1 waiting)", "grant 1 on p#2")
    play.after(1e4).ticks().silence()
    assert play.state("p") == "ready"


def test_a_pinned_model_makes_room_for_itself_even_from_busy_ones_once_patience_is_over() -> None:
    play = Play("a", "p").up("a").asks("a", 1).orders("grant 1 on a#1")
    play.edits(model("p", pinned=True)).silence()
    play.sleeps().orders("drain a#1: makes room for p")
    assert play.now == 5 + 30
    play.leaves(1).exits("a#1").orders("terminate a#1: drained", "spawn p#1: pinned")


def test_a_model_that_is_pinned_no_more_is_wished_no_more() -> None:
    play = Play("a", "p").up("a").asks("a", 1).orders("grant 1 on a#1")
    play.edits(model("p", pinned=True)).edits("p").after(100).ticks().silence()


def test_more_pinned_than_fit_do_not_block_the_rest() -> None:
    p, q = model("p", cost={"big": 1, "engines": 1}, pinned=True), model("q", cost={"big": 1}, pinned=True)
    play = Play(p, q, "a", budget={"big": 1, "engines": 2}).orders("spawn p#1: pinned")  # the first in the config
    play.after(100).asks("a", 1).orders("spawn a#1: asked for (1 waiting)")


# -- preload ---------------------------------------------------------------------------------------------


def test_what_is_to_be_preloaded_is_started_as_long_as_there_is_room_by_priority() -> None:
    a, b, c = model("a", preload=True), model("b", preload=True, priority=1), model("c", preload=True, priority=2)
    Play(a, b, c, budget=2).orders("spawn c#1: to be preloaded", "spawn b#1: to be preloaded")


def test_a_preload_never_evicts_and_does_not_wait_for_room() -> None:
    play = Play("a").up("a").after(10)
    play.edits(model("b", preload=True)).after(1000).silence()
    play.ticks().exits("a#1").orders("terminate a#1: idle past its ttl")


def test_a_preloaded_model_is_not_preloaded_again() -> None:
    play = Play(model("a", preload=True, ttl=50.0)).ready("a#1").orders("spawn a#1: to be preloaded")
    play.sleeps().exits("a#1").edits("b").orders("terminate a#1: idle past its ttl")


def test_a_relaunched_preload_is_started_anew() -> None:
    play = Play(model("a", preload=True)).ready("a#1").orders("spawn a#1: to be preloaded")
    play.edits(model("a", argv="new", preload=True)).orders("terminate a#1: its launch changed")
    play.exits("a#1").orders("spawn a#2: to be preloaded")


def test_a_preload_is_wanted_until_it_is_up_and_then_an_engine_like_any_other() -> None:
    play = Play(model("a", preload=True), "b").orders("spawn a#1: to be preloaded")
    play.asks("b", 1).after(1).ready("a#1").orders("terminate a#1: makes room for b")


# -- the operator ----------------------------------------------------------------------------------------


def test_the_operators_load_starts_a_model_and_evicts_for_it() -> None:
    play = Play("a", "b").up("a").after(10)
    play.loads("b").orders("terminate a#1: makes room for b")
    play.exits("a#1").orders("spawn b#1: load by the operator")
    play.ready("b#1").loads("b").silence()
    assert play.state("b") == "ready"


def test_a_load_that_fails_is_wished_no_more() -> None:
    play = Play("a").loads("a").exits("a#1").orders("spawn a#1: load by the operator")
    play.after(1000).ticks().silence()
    assert play.state("a") == "cold"


def test_a_load_wish_can_lose_patience_as_a_caller_can() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).loads("b").orders("grant 1 on a#1")
    play.sleeps().orders("drain a#1: makes room for b")
    assert play.now == 5 + 30


def test_the_load_of_the_unknown_or_of_what_never_fits_is_no_wish() -> None:
    play = Play(model("a", cost={"engines": 2}), "b").loads("a").loads("zzz").silence()
    play.after(100).asks("b", 1).orders("spawn b#1: asked for (1 waiting)")


def test_a_wish_that_an_edit_makes_impossible_is_forgotten_and_blocks_nobody() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", "b", wide, budget=2).up("a", "b")
    play.asks("a", 1).loads("wide").orders("grant 1 on a#1")
    play.edits(budget={"engines": 1}).orders("terminate b#1: the budget was made smaller")
    play.exits("b#1").after(100).leaves(1).asks("b", 2).after(2).ticks()
    play.orders("terminate a#1: makes room for b")
    play.exits("a#1").orders("spawn b#2: asked for (1 waiting)")


def test_unload_stops_an_idle_engine_drains_a_busy_one_and_refuses_its_waiters() -> None:
    play = Play("a", "b", budget=2).up("a", "b")
    play.unloads("a").orders("terminate a#1: unload by the operator")
    play.asks("b", 1, 2).unloads("b")
    play.orders("grant 1 on b#1", "refuse 2: MODEL_UNLOADED", "drain b#1: unload by the operator")
    play.unloads("b").leaves(1).orders("terminate b#1: drained")


def test_unload_now_cuts_those_who_hold_it_whether_it_drains_already_or_not() -> None:
    cut = ("revoke 1 of a#1: unload by the operator", "terminate a#1: unload by the operator")
    play = Play("a").up("a").asks("a", 1, 2).forgets()
    play.unloads("a", now=True).orders("refuse 2: MODEL_UNLOADED", *cut)
    play.unloads("a", now=True).exits("a#1", Exit(code=0)).silence()
    assert play.state("a") == "cold"
    play = Play("a").up("a").asks("a", 1).unloads("a").forgets()
    play.after(1).unloads("a").silence()
    play.unloads("a", now=True).orders(*cut)
    play.exits("a#1", Exit(code=0)).asks("a", 3).orders("spawn a#2: asked for (1 waiting)")


def test_unload_now_of_one_that_loads_stops_it_as_ever() -> None:
    play = Play("a").loads("a").forgets().unloads("a", now=True)
    play.orders("terminate a#1: unload by the operator")


def test_unload_of_the_cold_the_unknown_and_the_resting() -> None:
    play = Play("a").unloads("a").unloads("zzz").silence()
    play.up("a").exits("a#1").unloads("a").silence()
    assert play.state("a") == "cold"


def test_who_asks_after_an_unload_gets_the_next_run() -> None:
    play = Play("a").up("a").unloads("a").asks("a", 1).orders("terminate a#1: unload by the operator")
    play.exits("a#1").orders("spawn a#2: asked for (1 waiting)")


def test_unload_withdraws_a_load() -> None:
    play = Play("a", "b").up("a").asks("a", 1).loads("b").orders("grant 1 on a#1")
    play.unloads("b").after(100).ticks().silence()


def test_load_and_unload_take_an_alias() -> None:
    play = Play("a", aliases={"x": "a"}).loads("x").orders("spawn a#1: load by the operator")
    play.unloads("x").orders("terminate a#1: unload by the operator")
