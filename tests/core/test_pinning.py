"""The operator's own word on what stays: it goes before the config's, for as long as that says the same."""

from __future__ import annotations

import pytest

from swapd.core import explain
from tests.core.play import Play, model


def pinned(play: Play, name: str) -> bool:
    return play.scheduler.view(play.now).models[name].pinned


def test_what_the_operator_pins_is_loaded_at_once_and_stays_as_what_the_config_pins() -> None:
    play = Play(model("a", ttl=60.0), "b", budget=2).pins("a").orders("spawn a#1: pinned")
    play.ready("a#1").after(1e4).ticks().silence()
    play.asks("b", 1).orders("spawn b#1: asked for (1 waiting)")
    play.exits("a#1").forgets()
    assert pinned(play, "a") and not pinned(play, "b")


def test_it_takes_room_from_others_and_gives_none() -> None:
    play = Play("a", "b", "c", budget=2).up("b").pins("a").orders("spawn a#1: pinned")
    play.ready("a#1").asks("c", 1).after(1).orders("terminate b#1: makes room for c")
    play.exits("b#1").ready("c#1").asks("b", 2).forgets()
    play.after(1e3).ticks().forgets()
    assert play.state("a") == "ready"


def test_what_is_up_already_only_stays() -> None:
    play = Play(model("a", ttl=60.0)).up("a").pins("a").silence()
    play.after(1e4).ticks().silence()
    assert play.due() is None
    view = play.scheduler.view(play.now)
    assert view.stays_until("a") is None
    assert explain.words(explain.of(view, "a")) == "is ready and idle, and pinned by the operator: it stays"


@pytest.mark.parametrize("by_config", [True, False])
def test_what_is_unpinned_goes_as_any_other_with_a_ttl_that_begins_then(by_config: bool) -> None:
    play = Play(model("a", ttl=60.0, pinned=by_config), "b")
    play.pins("a", pinned=not by_config) if by_config else play.pins("a")
    play.orders("spawn a#1: pinned").ready("a#1").after(1e4).pins("a", pinned=False).silence()
    assert not pinned(play, "a")
    play.sleeps().orders("terminate a#1: idle past its ttl")
    assert play.now == 1e4 + 60
    play.exits("a#1").silence()  # nor does it come back


def test_an_unpinned_one_makes_room() -> None:
    play = Play(model("a", pinned=True), "b").ready("a#1").pins("a", pinned=False).forgets()
    play.asks("b", 1).orders("terminate a#1: makes room for b")
    play.exits("a#1").ready("b#1").orders("spawn b#1: asked for (1 waiting)", "grant 1 on b#1")


def test_a_pin_lays_no_claim_to_what_never_fits_beside_the_others() -> None:
    play = Play(model("p", pinned=True), "a", budget=1).ready("p#1").orders("spawn p#1: pinned")
    play.pins("a").silence()
    assert not pinned(play, "a")
    play.pins("p", pinned=False).pins("a").orders("terminate p#1: makes room for a")
    assert pinned(play, "a")


def test_who_waits_for_what_a_pin_leaves_no_room_for_is_told_so() -> None:
    play = Play("a", "b").asks("b", 1).orders("spawn b#1: asked for (1 waiting)")
    play.pins("a").orders("refuse 1: NEVER_FITS", "terminate b#1: makes room for a")
    assert "pinned a keep 1" in str(play.refusals[1])


@pytest.mark.parametrize("wish", [True, False])
def test_the_word_holds_through_edits_of_all_else_and_ends_with_one_of_the_pin(wish: bool) -> None:
    play = Play(model("a", pinned=not wish), "b", budget=2).pins("a", pinned=wish).forgets()
    play.edits(model("a", pinned=not wish, ttl=5.0), "b").forgets()
    assert pinned(play, "a") is wish
    play.edits(model("a", pinned=wish), "b").edits(model("a", pinned=not wish), "b").forgets()
    assert pinned(play, "a") is not wish
    play.pins("a", pinned=wish).edits("b", without=("a",)).edits(model("a", pinned=not wish), "b").forgets()
    assert pinned(play, "a") is not wish


def test_a_pin_ends_a_rest_after_failures_and_one_by_the_operator() -> None:
    play = Play("a", "b", budget=2).asks("a", 1).exits("a#1").forgets()
    assert play.state("a") == "backoff"
    play.pins("a").orders("spawn a#2: pinned").ready("a#2").unloads("a").exits("a#2").forgets()
    play.after(1e3).ticks().silence()
    play.pins("a").orders("spawn a#3: pinned")


def test_a_client_cannot_shorten_what_is_pinned_nor_wake_anything_in_a_house_that_closes() -> None:
    play = Play(model("a", ttl=60.0)).up("a").pins("a").keeps("a#1", 0.0).after(1e3).ticks().silence()
    play.closes().forgets()
    play.pins("a", pinned=False).pins("nobody").silence()
    assert pinned(play, "a")


def test_a_model_that_is_away_is_nobodys_pin() -> None:
    play = Play("a").pins("nobody").pins("nobody", pinned=False).silence()
    assert play.scheduler.book.pinning == {}


def test_who_waits_beside_a_pinned_one_of_unknown_need_waits_until_that_is_known() -> None:
    play = Play(model("p", cost={}), model("a", cost={}), budget={"ram": 30})
    play.weighs("p").weighs("a", {"ram": 5}).pins("p").ready("p#1").asks("a", 1).orders("spawn p#1: pinned")
    play.weighs("p", {"ram": 10}).orders("spawn a#1: asked for (1 waiting)")


def test_what_is_pinned_in_vain_since_the_budget_shrank_goes_before_the_pinned_one_that_has_its_place() -> None:
    play = Play("a", "b", budget=2).up("b").pins("b").pins("a").orders("spawn a#1: pinned").ready("a#1")
    play.edits(budget={"engines": 1}).orders("terminate b#1: the budget was made smaller")
    play.exits("b#1").after(60).ticks().silence()


def test_what_is_pinned_in_vain_makes_room_for_one_that_is_not() -> None:
    play = Play("a", "b", budget=2).up("b").pins("b").pins("a").orders("spawn a#1: pinned").exits("a#1")
    play.edits(budget={"engines": 1}).asks("a", 1).after(60).ticks().forgets()
    assert play.state("b") == "stopping"
