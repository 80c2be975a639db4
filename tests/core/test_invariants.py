"""The bugs that others shipped, each as the rule that forbids it here.

Those about processes are tested where processes are: the layers and context that were got (the second half of I8)
with the engines' logs, adoption after a SIGKILL (I13) with the engine room once it is built, and how a load that
makes no progress is told from a slow one (I17) in the engine room's ``test_stall``.
"""

from __future__ import annotations

from swapd.core.need import Way
from swapd.core.verdict import Stand
from tests.core.play import Play, model


def test_i1_a_busy_engine_is_never_stopped_but_by_patience_and_then_it_drains() -> None:
    play = Play("a", "b").up("a").asks("a", 1).asks("b", 2, client="x").orders("grant 1 on a#1")
    play.after(29.9).ticks().silence()
    play.sleeps().orders("drain a#1: makes room for b")
    play.leaves(1).orders("terminate a#1: drained")


def test_i2_a_model_serves_whom_it_was_loaded_for_before_it_may_go() -> None:
    play = Play("a", "b").asks("a", 1).asks("b", 2, client="x").after(100).ready("a#1")
    play.orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.after(29).ticks().silence()
    play.leaves(1).orders("terminate a#1: makes room for b")


def test_i3_a_drain_is_never_undone() -> None:
    play = Play("a", "b").up("a").asks("a", 1).asks("b", 2, client="x").sleeps().forgets()
    play.asks("a", 3).edits(model("a", ttl=None, priority=9)).leaves(2).ticks().silence()
    play.leaves(1).orders("terminate a#1: drained")


def test_i4_a_draining_engine_admits_nobody_so_it_ends_with_its_longest_request() -> None:
    play = Play(model("a", concurrency=4), "b").up("a").asks("a", 1, 2).asks("b", 3, client="x").sleeps().forgets()
    play.asks("a", 4, 5, 6).leaves(1).silence()
    play.leaves(2).orders("terminate a#1: drained")


def test_i5_a_request_for_a_ready_model_waits_for_no_other_models_load() -> None:
    play = Play(model("a", concurrency=2), "b", "c", budget=2).up("a").asks("a", 9).asks("b", 1)
    play.asks("c", 2, client="x").after(29).forgets()
    play.asks("a", 3).orders("grant 3 on a#1")


def test_i6_what_can_never_fit_is_refused_at_once_and_evicts_nobody() -> None:
    play = Play("a", model("b", cost={"engines": 3}), budget=2).up("a").after(60)
    play.asks("b", 1).orders("refuse 1: NEVER_FITS")
    assert "needs 3 of engines, the budget has 2" in str(play.refusals[1])


def test_i7_many_cold_requests_make_one_process() -> None:
    play = Play(model("a", concurrency=50), budget=9).asks("a", *range(1, 51))
    play.orders("spawn a#1: asked for (1 waiting)")
    play.ready("a#1").orders(*(f"grant {n} on a#1" for n in range(1, 51)))


def seen_full() -> Play:
    models = [model(name, cost={"CUDA0": 16}) for name in "ab"]
    return Play(*models, budget={"CUDA0": 20}).up("a").after(9).reads({"CUDA0": (20, 4)}, {"a#1": {"CUDA0": 16}})


def test_i8_nothing_is_started_before_the_memory_of_the_victim_is_seen_free() -> None:
    play = seen_full().asks("b", 1).exits("a#1").orders("terminate a#1: makes room for b")
    play.after(1).reads({"CUDA0": (20, 4)}).silence()
    play.after(1).reads({"CUDA0": (20, 20)}).orders("spawn b#1: asked for (1 waiting)")


def test_i9_free_is_what_the_meters_leave_less_what_still_loads() -> None:
    models = [model(name, cost={"CUDA0": 6}) for name in "abc"]
    play = Play(*models, budget={"CUDA0": 20}).reads({"CUDA0": (20, 14)}).asks("a", 1).asks("b", 2).asks("c", 3)
    play.orders("spawn a#1: asked for (1 waiting)", "spawn b#1: asked for (1 waiting)")


def test_i10_victims_make_room_or_nobody_goes() -> None:
    models = [model(name, cost={"CUDA0": cost}) for name, cost in {"a": 4, "b": 4, "c": 8, "d": 16}.items()]
    play = Play(*models, budget={"CUDA0": 16}).up("a", "b", "c").after(60)
    play.asks("c", 1).asks("d", 2, client="x").orders("grant 1 on c#1")  # a and b together are not enough
    play.leaves(1).asks("c", 3).forgets()
    assert play.state("a") == play.state("b") == "ready"


def test_i11_a_crash_loop_backs_off_and_is_refused_meanwhile() -> None:
    play = Play("a")
    for n in range(1, 4):
        play.asks("a", n).exits(f"a#{n}").asks("a", 10 + n).forgets()
        assert play.refusals[10 + n].retry_after == max(1.0, 2.0 ** (n - 1))
        play.sleeps().silence()


def test_i12_a_client_that_is_gone_wants_nothing_but_a_load_past_its_half_may_finish() -> None:
    for waited, order in ((1, ["terminate a#1: makes room for b"]), (3, [])):
        play = Play("a", "b").asks("a", 1).asks("b", 2, client="x").after(waited).forgets()
        play.leaves(1).orders(*order)


def test_i14_what_is_being_loaded_is_reserved_in_the_same_moment() -> None:
    play = Play(model("a", cost={"ram": 6}), model("b", cost={"ram": 6}), budget={"ram": 10})
    play.asks("a", 1).asks("b", 2).orders("spawn a#1: asked for (1 waiting)")


def test_i15_every_wait_has_an_end_and_a_reason() -> None:
    play = Play("a", model("b", cost={}), "c", wait=40.0).up("a").asks("a", 1).asks("c", 2, client="x").forgets()
    assert play.stand("c").stand is Stand.OTHERS_BUSY
    play.after(30).ticks().orders("drain a#1: makes room for c")
    assert play.stand("c").stand is Stand.ROOM_COMING
    play.sleeps().orders("refuse 2: QUEUE_TIMEOUT")


def test_i15_also_the_wait_to_be_weighed() -> None:
    play = Play(model("a", cost={}), budget={"CUDA0": 9}, wait=40.0).asks("a", 1).silence()
    assert play.stand("a").stand is Stand.WEIGHING
    play.sleeps().sleeps().orders("refuse 1: QUEUE_TIMEOUT")


def test_i16_aliases_share_one_process() -> None:
    play = Play(model("a", concurrency=3), budget=9, aliases={"gpt-4o": "a", "cold": "a"})
    play.asks("gpt-4o", 1).asks("cold", 2).asks("a", 3).orders("spawn a#1: asked for (1 waiting)")
    play.ready("a#1").orders("grant 1 on a#1", "grant 2 on a#1", "grant 3 on a#1")


def test_i17_a_load_that_gets_stuck_is_given_up_long_before_its_bound() -> None:
    play = Play(model("a", start=3600.0)).asks("a", 1).at(130).sick("a#1", "stuck")
    play.orders("spawn a#1: asked for (1 waiting)", "refuse 1: START_FAILED", "terminate a#1: unusable (stuck)")


def test_i17_and_one_that_only_takes_long_has_a_bound_in_all() -> None:
    play = Play(model("a", start=60.0)).asks("a", 1).at(60).ticks()
    play.orders("spawn a#1: asked for (1 waiting)", "refuse 1: START_TIMEOUT", "terminate a#1: start overdue")


def test_i9_a_way_is_where_the_engine_is_reckoned() -> None:
    play = Play(model("a", cost={}), budget={"CUDA0": 9, "CUDA1": 9}).weighs("a", Way({"CUDA1": 4}, ("CUDA1",)))
    play.asks("a", 1).forgets()
    assert play.scheduler.book.free() == {"CUDA0": 9, "CUDA1": 5}
