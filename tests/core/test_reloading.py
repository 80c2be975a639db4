"""An edit of the config disturbs nobody whom it does not mean."""

from __future__ import annotations

from tests.core.play import Play, model


def test_an_untouched_model_keeps_its_run_its_leases_and_its_queue() -> None:
    play = Play("a", "b", budget=2).up("a")
    play.asks("a", 1, 2).orders("grant 1 on a#1")
    play.edits("c").edits(without=("b",)).silence()
    play.leaves(1).orders("grant 2 on a#1")


def test_an_added_model_can_be_asked_for() -> None:
    play = Play("a", budget=2)
    play.asks("b", 1).orders("refuse 1: UNKNOWN_MODEL")
    play.edits("b").asks("b", 2).orders("spawn b#1: asked for (1 waiting)")


def test_a_removed_model_drains_its_waiters_are_refused_and_its_name_is_unknown() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1, 2).edits(without=("a",))
    play.orders("grant 1 on a#1", "refuse 2: MODEL_REMOVED", "drain a#1: removed from the config")
    play.asks("a", 3).orders("refuse 3: UNKNOWN_MODEL")
    play.leaves(1).exits("a#1").orders("terminate a#1: drained")
    assert play.scheduler.view(play.now).quiet


def test_removed_models_that_are_idle_starting_or_resting_go_at_once() -> None:
    play = Play("idle", "starting", "resting", budget=3).up("idle").up("resting").exits("resting#1")
    play.asks("starting", 1).edits("x", without=("idle", "starting", "resting"))
    play.orders(
        "spawn starting#1: asked for (1 waiting)",
        "refuse 1: MODEL_REMOVED",
        "terminate idle#1: removed from the config",
        "terminate starting#1: removed from the config",
    )
    assert "resting" not in play.scheduler.book.engines


def test_a_removed_model_that_comes_back_while_it_drains_gets_a_new_run() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).edits(without=("a",)).orders("grant 1 on a#1", "drain a#1: removed from the config")
    play.edits("a").asks("a", 2).silence()
    play.leaves(1).exits("a#1").orders("terminate a#1: drained", "spawn a#2: asked for (1 waiting)")


def test_a_relaunched_model_that_is_busy_drains_and_its_waiters_get_the_new_run() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2).edits(model("a", argv="new")).orders("grant 1 on a#1", "drain a#1: its launch changed")
    play.leaves(1).exits("a#1").orders("terminate a#1: drained", "spawn a#2: asked for (1 waiting)")
    play.ready("a#2").orders("grant 2 on a#2")


def test_a_relaunched_model_that_is_starting_starts_anew_and_its_waiters_stay() -> None:
    play = Play("a")
    play.asks("a", 1).edits(model("a", argv="new"))
    play.orders("spawn a#1: asked for (1 waiting)", "terminate a#1: its launch changed")
    play.ready("a#1").exits("a#1").orders("spawn a#2: asked for (1 waiting)")


def test_a_relaunched_model_that_is_idle_stays_cold_until_it_is_asked_for() -> None:
    play = Play("a").up("a").edits(model("a", argv="new")).exits("a#1").orders("terminate a#1: its launch changed")
    assert play.state("a") == "cold"


def test_retuned_terms_apply_to_the_living_engine() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, 3).orders("grant 1 on a#1")
    play.edits(model("a", concurrency=2, ttl=20.0)).orders("grant 2 on a#1")
    play.edits(model("a", concurrency=1, ttl=20.0)).leaves(1).silence()
    play.leaves(2).orders("grant 3 on a#1")
    play.leaves(3).sleeps().orders("terminate a#1: idle past its ttl")
    assert play.now == 5 + 20


def test_more_slots_are_given_to_the_impatient_and_then_the_engine_goes() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1, client="x").asks("a", 2, client="y").asks("b", 3).orders("grant 1 on a#1")
    play.after(6).asks("a", 4, client="z").after(24).ticks().silence()  # known to load for 5 s
    play.edits(model("a", concurrency=3)).orders("grant 2 on a#1", "drain a#1: makes room for b")


def test_terms_do_not_reach_an_engine_on_its_way_out() -> None:
    play = Play(model("a", drain=50.0)).up("a")
    play.asks("a", 1).unloads("a").orders("grant 1 on a#1", "drain a#1: unload by the operator")
    play.edits(model("a", drain=1.0, cost={"engines": 0})).after(49).ticks().silence()


# -- the budget ------------------------------------------------------------------------------------------


def test_a_smaller_budget_sheds_the_cheapest_and_no_more_than_it_must() -> None:
    play = Play("a", "b", "c", budget=3).up("a", "b", "c")
    play.edits(budget={"engines": 2}).orders("terminate a#1: the budget was made smaller")
    play.edits(budget={"engines": 1}).orders("terminate b#1: the budget was made smaller")
    play.exits("a#1").exits("b#1").silence()
    assert play.state("c") == "ready"


def test_what_leaves_already_counts_towards_a_smaller_budget() -> None:
    play = Play("a", "b", "c", budget=3).up("a", "b", "c")
    play.unloads("c").edits(budget={"engines": 1})
    play.orders("terminate c#1: unload by the operator", "terminate a#1: the budget was made smaller")
    assert play.state("b") == "ready"


def test_a_smaller_budget_spares_the_pinned_even_if_others_are_busy() -> None:
    play = Play("a", model("p", pinned=True), budget=2).ready("p#1").after(500).up("a").forgets()
    play.asks("a", 1).edits(model("p", pinned=True), model("z", cost={}), budget={"engines": 1})
    play.orders("grant 1 on a#1", "drain a#1: the budget was made smaller")


def test_a_busy_engine_that_is_shed_drains() -> None:
    play = Play("a", "b", budget=2).up("a", "b")
    play.asks("a", 1).asks("b", 2).edits(budget={"engines": 1})
    play.orders("grant 1 on a#1", "grant 2 on b#1", "drain a#1: the budget was made smaller")
    play.leaves(1).orders("terminate a#1: drained")


def test_who_waits_for_what_can_never_fit_any_more_is_refused() -> None:
    play = Play("a", model("b", cost={"engines": 2}), budget=2).up("a")
    play.asks("a", 1).asks("b", 2).edits(budget={"engines": 1}).orders("grant 1 on a#1", "refuse 2: NEVER_FITS")


def test_a_larger_budget_is_used_at_once() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).asks("b", 2).orders("grant 1 on a#1")
    play.edits(budget={"engines": 2}).orders("spawn b#1: asked for (1 waiting)")


def test_changed_rules_hold_at_once() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).asks("b", 2).after(5).orders("grant 1 on a#1")
    play.edits(patience=5.0).orders("drain a#1: makes room for b")
