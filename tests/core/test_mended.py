"""Plays that once failed: what the laws and the walks found when memory came into the house."""

from __future__ import annotations

from swapd.core.need import Way
from swapd.core.verdict import Stand
from tests.core.play import Play, model


def test_a_pinned_model_that_turns_out_too_large_does_not_block_the_rest() -> None:
    play = Play(model("p", cost={}, pinned=True), model("a", cost={}), budget={"CUDA0": 22})
    play.weighs("a", {"CUDA0": 4}).weighs("p", {"CUDA0": 30}).silence()
    play.asks("a", 1).orders("spawn a#1: asked for (1 waiting)")


def test_a_model_of_unknown_need_loads_alone_beside_what_strangers_hold() -> None:
    play = Play(model("a", cost={}), budget={"CUDA0": 22}).weighs("a")
    play.reads({"CUDA0": (24, 20)}).asks("a", 1).orders("spawn a#1: asked for (1 waiting)")


def test_one_out_of_patience_holds_the_engine_on_the_gpu_that_can_be_had_not_the_pinned_one() -> None:
    p, a, b = (model(n, cost={}, pinned=n == "p") for n in "pab")
    play = Play(p, a, b, budget={"CUDA0": 8, "CUDA1": 8}, patience=10.0)
    play.weighs("p", Way({"CUDA0": 8}, ("CUDA0",))).ready("p#1").weighs("a", Way({"CUDA1": 8}, ("CUDA1",)))
    play.weighs("b", Way({"CUDA0": 8}, ("CUDA0",)), Way({"CUDA1": 8}, ("CUDA1",))).asks("a", 1).forgets()
    play.asks("b", 2, client="x").after(11).ready("a#1").orders("grant 1 on a#1")
    play.edits(model("a", cost={}, concurrency=2)).asks("a", 3, client="y").silence()  # b is out of patience
    assert (play.stand("b").stand, play.stand("b").models) == (Stand.HELD, ("a",))


def test_who_used_the_box_alone_is_no_worse_off_than_a_newcomer_who_came_while_it_paused() -> None:
    play = Play("a", patience=300.0).up("a")
    play.asks("a", 1, client="old").after(100).leaves(1).forgets()
    play.asks("a", 2, client="new").asks("a", 3, client="old").asks("a", 4, 5, 6, client="new").forgets()
    play.after(5).leaves(2).orders("grant 3 on a#1")


def test_a_lease_that_still_lasts_counts_for_its_clients_share() -> None:
    play = Play("a", "b", budget=2).up("a", "b")
    play.asks("b", 1, client="streams").asks("a", 2, client="x").forgets()
    play.after(20).asks("a", 3, client="streams").after(0.1).asks("a", 4, client="new").forgets()
    play.after(0.1).leaves(2).orders("grant 4 on a#1")


def test_who_is_told_late_that_its_model_never_fits_is_not_asked_to_try_again() -> None:
    play = Play(model("a", cost={}), budget={"CUDA0": 20}).asks("a", 1).weighs("a", {"CUDA0": 24})
    play.orders("refuse 1: NEVER_FITS")
    assert play.refusals[1].retry_after is None


def test_memory_that_strangers_hold_does_not_keep_what_is_left_from_models_that_fit_there() -> None:
    play = Play(model("big", cost={}), model("small", cost={}), budget={"CUDA0": 20}, patience=10.0)
    play.weighs("big", {"CUDA0": 16}).weighs("small", {"CUDA0": 4}).reads({"CUDA0": (20, 10)})
    play.asks("big", 1).after(11).asks("small", 2).orders("spawn small#1: asked for (1 waiting)")


def test_nobody_is_evicted_for_room_that_only_an_engine_held_for_another_could_make() -> None:
    models = [model(n, cost={"CUDA0": c}) for n, c in {"a": 12, "idle": 6, "b": 9, "c": 7}.items()]
    play = Play(*models, budget={"CUDA0": 18}, patience=10.0).up("idle")
    play.asks("a", 1).asks("b", 2, client="x").after(9).ready("a#1").after(2).ticks().forgets()
    assert play.stand("b").models == ("a",)  # a is held, and has its quantum to serve
    play.asks("c", 3, client="y").silence()  # six and nothing that is on its way are not seven
