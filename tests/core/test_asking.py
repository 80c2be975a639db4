"""Asking, granting, leaving: one model at a time, nobody else in the way."""

from __future__ import annotations

import pytest

from tests.core.play import Play, catalog, endpoint, model, run_id


def test_a_cold_model_is_started_for_the_first_who_asks_and_the_lease_follows_readiness() -> None:
    play = Play("a")
    play.asks("a", 1).orders("spawn a#1: asked for (1 waiting)")
    play.after(3).ready("a#1").orders("grant 1 on a#1")
    play.leaves(1).silence()
    assert play.state("a") == "ready"


def test_a_grant_says_where_with_which_terms_and_how_long_it_took() -> None:
    play = Play(model("a", concurrency=2))
    play.asks("a", 1).after(4).ready("a#1").after(2).asks("a", 2)
    play.orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1", "grant 2 on a#1")
    first, second = play.grants[1], play.grants[2]
    assert (first.queued, first.loaded) == (4.0, 4.0)
    assert (second.queued, second.loaded) == (0.0, 0.0)
    assert first.endpoint == endpoint(run_id("a#1"))
    assert first.spec == play.catalog.models["a"]


def test_many_who_ask_at_once_share_one_start() -> None:
    play = Play(model("a", concurrency=4))
    play.asks("a", 1, 2, 3).orders("spawn a#1: asked for (1 waiting)")
    play.after(1).ready("a#1").orders("grant 1 on a#1", "grant 2 on a#1", "grant 3 on a#1")
    play.leaves(1, 2, 3).silence()


def test_who_exceeds_the_slots_waits_and_is_served_in_order_of_arrival() -> None:
    play = Play(model("a", concurrency=2)).up("a")
    play.asks("a", 1, 2, 3, 4).orders("grant 1 on a#1", "grant 2 on a#1")
    play.leaves(2).orders("grant 3 on a#1")
    play.leaves(1).orders("grant 4 on a#1")


def test_leaving_twice_frees_one_slot_only() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, 3).orders("grant 1 on a#1")
    play.leaves(1).orders("grant 2 on a#1")
    play.leaves(1).silence()


def test_the_leaving_of_a_stranger_is_harmless() -> None:
    play = Play("a")
    play.leaves(7).silence()
    play.up("a").leaves(7).silence()
    assert play.state("a") == "ready"


def test_who_leaves_while_waiting_is_not_granted_later() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, 3).orders("grant 1 on a#1")
    play.leaves(2).silence()
    play.leaves(1).orders("grant 3 on a#1")


def test_within_a_model_whose_client_has_used_the_least_goes_before_an_older_crowd() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, 3, client="crowd").orders("grant 1 on a#1")
    play.after(1).asks("a", 9, client="single")
    play.after(2).leaves(1).orders("grant 9 on a#1")  # the crowd has used three seconds
    play.after(2).leaves(9).orders("grant 2 on a#1")


def test_within_a_model_who_is_out_of_patience_goes_before_whose_client_has_used_less() -> None:
    play = Play("a").up("a")
    play.asks("a", 1, 2, client="crowd").orders("grant 1 on a#1")
    play.after(24).asks("a", 9, client="single")
    play.after(2).leaves(1).orders("grant 2 on a#1")  # its patience ends sooner by the five seconds of a load


def test_an_alias_asks_for_its_model() -> None:
    play = Play("a", aliases={"gpt-4o": "a"})
    play.asks("gpt-4o", 1).orders("spawn a#1: asked for (1 waiting)")
    play.ready("a#1").orders("grant 1 on a#1")


def test_an_unknown_model_is_refused_and_close_names_are_suggested() -> None:
    play = Play("qwen-coder", aliases={"gpt-4o": "qwen-coder"})
    play.asks("qwen-code", 1).asks("gpt-4", 2).asks("zzz", 3)
    play.orders("refuse 1: UNKNOWN_MODEL", "refuse 2: UNKNOWN_MODEL", "refuse 3: UNKNOWN_MODEL")
    assert str(play.refusals[1]) == "cannot find model 'qwen-code'; did you mean 'qwen-coder'?"
    assert str(play.refusals[2]) == "cannot find model 'gpt-4'; did you mean 'gpt-4o'?"
    assert str(play.refusals[3]) == "cannot find model 'zzz'; GET /v1/models lists what there is"


def test_what_can_never_fit_is_refused_at_once_with_the_arithmetic() -> None:
    play = Play(model("a", cost={"CUDA0": 24 << 30}), budget={"CUDA0": 22 << 30})
    play.asks("a", 1).orders("refuse 1: NEVER_FITS")
    said = (
        "cannot load model 'a': it needs 24.0 GiB of CUDA0, the budget has 22.0 GiB; raise budget.CUDA0 or lower "
        "its needs (a smaller context, or a smaller quantization)"
    )
    assert str(play.refusals[1]) == said
    assert play.refusals[1].retry_after is None


def test_what_the_pinned_ones_leave_no_room_for_can_never_fit_either() -> None:
    play = Play(model("a", cost={"engines": 2}), model("p", pinned=True), budget=2)
    play.orders("spawn p#1: pinned")
    play.asks("a", 1).orders("refuse 1: NEVER_FITS")
    assert "has 2 and pinned p keep 1" in str(play.refusals[1])


def test_what_costs_nothing_starts_even_when_the_budget_is_overdrawn() -> None:
    free = model("free", cost={"engines": 0})
    play = Play("a", "b", free, budget=2).up("a", "b")
    play.edits(budget={"engines": 1}).orders("terminate a#1: the budget was made smaller")
    play.asks("free", 1).orders("spawn free#1: asked for (1 waiting)")


def test_a_resource_that_the_budget_does_not_name_is_unbounded() -> None:
    play = Play(model("a", cost={"moons": 9}), model("b", cost={}), budget=1)
    play.asks("a", 1).asks("b", 2)
    play.orders("spawn a#1: asked for (1 waiting)", "spawn b#1: asked for (1 waiting)")


def test_the_queue_has_an_end_but_a_free_slot_is_no_queue() -> None:
    play = Play("a", model("b", concurrency=2), budget=2, queue=2).up("a", "b")
    play.asks("a", 1, 2, 3).orders("grant 1 on a#1")
    play.asks("a", 4).orders("refuse 4: QUEUE_FULL")
    play.asks("b", 5, 6).orders("grant 5 on b#1", "grant 6 on b#1")
    play.asks("b", 7).orders("refuse 7: QUEUE_FULL")
    assert play.refusals[7].retry_after == 1.0
    assert "2 requests wait already, for any model (scheduling.queue is 2)" in str(play.refusals[7])


def test_nobody_waits_longer_than_the_queue_allows() -> None:
    play = Play("a", wait=50.0).up("a")
    play.asks("a", 1).after(10).asks("a", 2).after(5).asks("a", 3).orders("grant 1 on a#1")
    play.sleeps().orders("refuse 2: QUEUE_TIMEOUT")
    assert play.now == 65.0
    assert "waited 50 s for its turn" in str(play.refusals[2])
    play.leaves(1).orders("grant 3 on a#1")


def test_without_a_bound_a_ticket_waits_on() -> None:
    play = Play("a", wait=None).up("a")
    play.asks("a", 1, 2).orders("grant 1 on a#1")
    play.at(1e6).ticks().silence()
    play.leaves(1).orders("grant 2 on a#1")


@pytest.mark.parametrize("name", ["a", "alias", "a:latest", "alias:latest"])
def test_a_name_resolves_to_its_spec(name: str) -> None:
    found = catalog("a", budget={}, aliases={"alias": "a"}).resolve(name)
    assert found is not None and found[0].name == "a"
    assert (found[1] is not None) == name.startswith("alias")
