"""Two want one place: who goes, who is next, and who may overtake whom until when."""

from __future__ import annotations

from tests.core.play import Play, model


def test_an_idle_engine_is_stopped_and_its_room_given_only_when_it_is_gone() -> None:
    play = Play("a", "b").up("a").after(10)
    play.asks("b", 1).orders("terminate a#1: makes room for b")
    play.after(2).exits("a#1").orders("spawn b#1: asked for (1 waiting)")
    play.after(5).ready("b#1").orders("grant 1 on b#1")


# -- linger ----------------------------------------------------------------------------------------------


def agent(play: Play, *models: str, pause: float = 1.0, ticket: int = 500) -> Play:
    """An agent that asks these one by one, each time after such a pause, and is answered at once."""
    for n, name in enumerate(models):
        play.after(pause).asks(name, ticket + n, client="agent").after(0.1).leaves(ticket + n)
    return play.forgets()


def test_an_engine_is_kept_a_moment_for_an_agent_that_asks_again_within_a_second() -> None:
    play = agent(Play("a", "b").up("a"), *["a"] * 10)
    play.asks("b", 1, client="x").silence()
    play.after(1).asks("a", 2, client="agent").orders("grant 2 on a#1")
    play.leaves(2).silence()


def test_it_is_not_kept_for_an_agent_that_has_gone_on_to_another_model() -> None:
    play = Play("a", "b").asks("a", 1, client="agent").after(5).ready("a#1").leaves(1)
    agent(play, *["a"] * 10).asks("b", 2, client="agent").orders("terminate a#1: makes room for b")


def test_a_client_of_which_nothing_is_known_gets_the_benefit_of_the_doubt_for_a_moment() -> None:
    play = Play("a", "b").up("a")
    play.asks("b", 1, client="x").silence()
    play.sleeps().orders("terminate a#1: makes room for b")
    assert 5 < play.now <= 5 + 2


def test_it_is_never_kept_longer_than_the_rule_allows() -> None:
    play = agent(Play("a", "b", linger=1.5).up("a", load=100.0), *["a"] * 30, pause=9.0)
    play.asks("b", 1, client="x").silence()
    began = play.now
    play.sleeps().orders("terminate a#1: makes room for b")
    assert play.now == began + 1.5


def test_without_linger_nothing_is_kept() -> None:
    play = agent(Play("a", "b", linger=0.0).up("a"), *["a"] * 10)
    play.asks("b", 1, client="x").orders("terminate a#1: makes room for b")


def test_nothing_is_kept_while_somebody_is_out_of_patience() -> None:
    play = agent(Play("a", "b", linger=30.0).up("a", load=100.0), *["a"] * 10)
    began = play.now
    play.asks("a", 1, client="agent").asks("b", 2, client="x").orders("grant 1 on a#1")
    play.after(29.9).leaves(1).silence()
    play.sleeps().orders("terminate a#1: makes room for b")
    assert play.now == began + 30


# -- giving up -------------------------------------------------------------------------------------------


def test_a_client_that_times_out_and_asks_again_goes_on_from_what_it_has_waited() -> None:
    play = Play("a", "b").up("a").asks("a", 1).orders("grant 1 on a#1")
    play.asks("b", 2, client="x").after(20).leaves(2).after(2).asks("b", 3, client="x").after(7).ticks().silence()
    play.after(1).ticks().orders("drain a#1: makes room for b")


def test_one_that_comes_back_late_or_was_served_meanwhile_begins_anew() -> None:
    play = Play("a", "b").up("a").asks("a", 1).orders("grant 1 on a#1")
    play.asks("b", 2, client="x").after(20).leaves(2).after(11).asks("b", 3, client="x").after(
        29
    ).ticks().silence()
    play = Play("a").up("a").asks("a", 1, client="x").asks("a", 2, client="y").orders("grant 1 on a#1")
    play.after(9).leaves(2).leaves(1).asks("a", 3, client="y").orders("grant 3 on a#1")
    play.after(1).asks("a", 4, client="y")
    assert dict(play.scheduler.book.queue.clocks("a")) == {play.now - 5: 4}  # a load is known to take 5 s


# -- overtaking ------------------------------------------------------------------------------------------


def test_a_ready_engine_serves_later_tickets_past_an_older_one_until_its_patience_is_over() -> None:
    play = Play(model("a", concurrency=2), "b").up("a")
    play.asks("a", 1).asks("b", 2).orders("grant 1 on a#1")
    play.after(29).asks("a", 3).orders("grant 3 on a#1")
    play.sleeps().orders("drain a#1: makes room for b")
    play.leaves(1).asks("a", 4).silence()
    play.leaves(3).orders("terminate a#1: drained")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_a_drain_has_an_end_and_then_the_leases_are_cut() -> None:
    play = Play(model("a", drain=15.0), "b").up("a")
    play.asks("a", 1).asks("b", 2).orders("grant 1 on a#1")
    play.sleeps().orders("drain a#1: makes room for b")
    play.sleeps().orders("revoke 1 of a#1: makes room for b (drain overdue)", "terminate a#1: drain overdue")
    assert play.now == 5 + 30 + 15
    play.leaves(1).exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_a_drain_without_an_end_waits_for_its_leases() -> None:
    play = Play(model("a", drain=None), "b", wait=None).up("a")
    play.asks("a", 1).asks("b", 2).sleeps().orders("grant 1 on a#1", "drain a#1: makes room for b")
    play.after(1e5).ticks().silence()
    play.leaves(1).orders("terminate a#1: drained")


def test_a_drain_is_never_undone_late_traffic_queues_even_when_the_one_it_was_for_has_left() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).asks("b", 2).sleeps().orders("grant 1 on a#1", "drain a#1: makes room for b")
    play.leaves(2).asks("a", 3).silence()
    play.leaves(1).orders("terminate a#1: drained")
    play.exits("a#1").orders("spawn a#2: asked for (1 waiting)")


def test_late_traffic_does_not_take_back_the_room_that_was_made() -> None:
    play = Play(model("a", priority=9), "b").up("a").after(3)
    play.asks("b", 1).orders("terminate a#1: makes room for b")
    play.asks("a", 2, 3, 4).silence()
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_the_same_holds_for_room_that_several_must_make() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play(model("a", priority=9), "b", wide, budget=2).up("a", "b").after(3)
    play.asks("wide", 1).orders("terminate a#1: makes room for wide", "terminate b#1: makes room for wide")
    play.asks("a", 2).exits("a#1").silence()
    play.exits("b#1").orders("spawn wide#1: asked for (1 waiting)")


def test_room_on_its_way_to_the_first_in_line_is_not_lost_to_one_whose_waiting_grows_faster() -> None:
    play = Play("a", "quick", model("wide", cost={"engines": 2}), budget=2).up("quick", load=0.1).up("a")
    play.unloads("a").unloads("quick").exits("quick#1").forgets()
    play.asks("wide", 1).after(1).asks("quick", 2).silence()
    play.after(5).ticks().silence()
    play.exits("a#1").orders("spawn wide#1: asked for (1 waiting)")


def test_room_made_for_one_who_left_is_free_for_all() -> None:
    play = Play("a", "b", "c").up("a").after(3)
    play.asks("b", 1).asks("c", 2).orders("terminate a#1: makes room for b")
    play.leaves(1).exits("a#1").orders("spawn c#1: asked for (1 waiting)")


# -- the quantum -----------------------------------------------------------------------------------------


def test_who_an_engine_was_loaded_for_is_served_before_it_may_go_but_nobody_else() -> None:
    play = Play("a", "b")
    play.asks("a", 1, 2).orders("spawn a#1: asked for (1 waiting)")
    play.exits("a#1").orders("refuse 1: START_FAILED", "refuse 2: START_FAILED")
    play.after(2).ticks().asks("a", 3).orders("spawn a#2: asked for (1 waiting)")
    play.asks("a", 4).asks("b", 5)
    play.after(31).ready("a#2").orders("grant 3 on a#2")
    play.leaves(3).orders("terminate a#2: makes room for b")  # 4 came after the spawn: it waits its turn


def test_the_quantum_is_as_many_of_the_waiters_as_the_model_serves_at_once() -> None:
    play = Play("b", model("a", concurrency=2)).up("b")
    play.asks("b", 1).asks("a", 2, 3, 4).orders("grant 1 on b#1")
    play.sleeps().orders("drain b#1: makes room for a")
    play.leaves(1).exits("b#1").orders("terminate b#1: drained", "spawn a#1: asked for (3 waiting)")
    play.asks("b", 5).after(40).ready("a#1").orders("grant 2 on a#1", "grant 3 on a#1")
    play.leaves(2).silence()
    play.leaves(3).orders("terminate a#1: makes room for b")


def test_one_of_the_quantum_that_is_served_for_as_long_as_patience_lasts_keeps_the_engine_no_longer() -> None:
    play = Play("a", "b")
    play.asks("a", 1).asks("b", 2, client="x").after(25).ready("a#1")
    play.orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.sleeps().silence()  # b is out of patience
    assert play.now == 30
    play.sleeps().orders("drain a#1: makes room for b")
    assert play.now == 25 + 30


def test_a_client_that_has_used_less_may_catch_up_with_what_it_asked_before_the_others() -> None:
    play = Play("a", "b").up("b")
    play.asks("b", 1, client="rich").after(20).leaves(1).orders("grant 1 on b#1")
    play.asks("a", 2, client="poor").asks("a", 3, client="poor").asks("b", 4, client="rich").orders(
        "grant 4 on b#1"
    )
    play.after(30).ticks().orders("drain b#1: makes room for a")
    play.asks("b", 5, client="rich").leaves(4).exits("b#1").orders(
        "terminate b#1: drained", "spawn a#1: asked for (2 waiting)"
    )
    play.after(1).asks("a", 6, client="poor").after(27).ready("a#1").orders("grant 2 on a#1")
    # b is out of patience, but its client has used more; 6 asked later than b
    play.leaves(2).orders("grant 3 on a#1", "drain a#1: makes room for b")


def test_a_quantum_member_who_leaves_is_owed_no_more() -> None:
    play = Play("a", "b")
    play.asks("a", 1).asks("b", 2).after(40).ready("a#1")
    play.orders("spawn a#1: asked for (1 waiting)", "grant 1 on a#1")
    play.leaves(1).orders("terminate a#1: makes room for b")


def test_a_load_whose_callers_gave_up_serves_who_came_meanwhile_else_nobody_is_ever_served() -> None:
    play = Play("a", "b")
    play.asks("a", 1).after(1).asks("a", 2).leaves(1).asks("b", 3).orders("spawn a#1: asked for (1 waiting)")
    play.after(40).ready("a#1").orders("grant 2 on a#1")
    play.leaves(2).orders("terminate a#1: makes room for b")


def test_an_engine_held_for_one_out_of_patience_still_serves_whose_patience_was_over_sooner() -> None:
    wide = model("wide", cost={"engines": 2})
    play = Play("a", "b", wide, budget=2)
    play.asks("a", 1).orders("spawn a#1: asked for (1 waiting)")
    play.asks("b", 2, client="x").orders("spawn b#1: asked for (1 waiting)")
    play.after(1).asks("b", 3, client="y").after(1).asks("wide", 4).after(1).asks("b", 5, client="z")
    play.after(40).ready("b#1").orders("grant 2 on b#1")
    play.leaves(2).orders("grant 3 on b#1")
    play.leaves(3).silence()  # z asked after wide did
    play.ready("a#1").orders("grant 1 on a#1")
    play.leaves(1).orders("terminate a#1: makes room for wide", "terminate b#1: makes room for wide")


def test_a_grant_that_ends_a_models_impatience_lets_the_next_in_line_have_its_engine_at_once() -> None:
    play = Play("a", "b").up("a")
    play.asks("a", 1).after(1).asks("a", 2).after(1).asks("b", 3).orders("grant 1 on a#1")
    play.after(40).leaves(1).orders("grant 2 on a#1", "drain a#1: makes room for b")


# -- an abandoned load -----------------------------------------------------------------------------------


def test_an_abandoned_load_goes_on_if_nobody_needs_its_room() -> None:
    play = Play("a", "b", budget=2)
    play.asks("a", 1).leaves(1).asks("b", 2)
    play.orders("spawn a#1: asked for (1 waiting)", "spawn b#1: asked for (1 waiting)")
    play.ready("a#1").silence()
    assert play.state("a") == "ready"


def test_an_abandoned_load_is_stopped_when_somebody_does() -> None:
    play = Play("a", "b")
    play.asks("a", 1).asks("b", 2).orders("spawn a#1: asked for (1 waiting)")
    play.leaves(1).orders("terminate a#1: makes room for b")
    play.ready("a#1").silence()
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_an_abandoned_load_past_its_half_may_finish_for_callers_that_come_back() -> None:
    play = Play("a", "b", linger=0.0)
    play.asks("a", 1).asks("b", 2).orders("spawn a#1: asked for (1 waiting)")
    play.after(2.5).leaves(1).silence()  # nobody has seen it load: five seconds are expected
    play.after(2).ready("a#1").orders("terminate a#1: makes room for b")


def test_an_abandoned_load_that_takes_twice_as_long_as_expected_is_spared_no_more() -> None:
    play = Play("a", "b")
    play.asks("a", 1).asks("b", 2).orders("spawn a#1: asked for (1 waiting)")
    play.after(2.5).leaves(1).silence()
    play.sleeps().orders("terminate a#1: makes room for b")
    assert play.now == 10


def test_a_load_that_somebody_waits_for_is_not_stopped_even_for_one_out_of_patience() -> None:
    play = Play("a", "b")
    play.asks("a", 1).asks("b", 2).orders("spawn a#1: asked for (1 waiting)")
    play.after(100).ticks().silence()


def test_a_load_that_the_operator_joined_is_not_abandoned() -> None:
    play = Play("a", "b")
    play.asks("a", 1).loads("a").asks("b", 2).leaves(1).orders("spawn a#1: asked for (1 waiting)")
    play.ready("a#1").orders("terminate a#1: makes room for b")
