"""Who waits, and whose patience runs."""

from __future__ import annotations

from swapd.core.events import Ticket
from swapd.core.queue import Queue, Waiting


def queue(*places: tuple[int, str, str, float]) -> Queue:
    out = Queue()
    for ticket, model, client, since in places:
        out.add(Waiting(Ticket(ticket), model, client, since))
    return out


def clocks(q: Queue, model: str = "a") -> dict[int, float]:
    return {ticket: clock for clock, ticket in q.clocks(model)}


def test_an_empty_queue_answers_with_nothing() -> None:
    q = queue()
    assert (len(q), q.models(), q.count("a"), q.of("a"), q.first("a"), q.oldest()) == (0, [], 0, [], None, None)
    assert (q.pop(Ticket(1)), clocks(q), q.waited("a", 5.0)) == (None, {}, 0.0)


def test_tickets_stand_in_order_of_arrival_by_model() -> None:
    q = queue((1, "a", "x", 0.0), (2, "b", "x", 1.0), (3, "a", "y", 2.0))
    assert [w.ticket for w in q.of("a")] == [1, 3]
    assert (q.first("b"), q.oldest()) == (Waiting(Ticket(2), "b", "x", 1.0), Waiting(Ticket(1), "a", "x", 0.0))
    assert (len(q), q.count("a"), q.models(), Ticket(3) in q) == (3, 2, ["a", "b"], True)


def test_each_client_of_a_model_has_one_clock_that_of_its_first_ticket() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "x", 1.0), (3, "a", "y", 2.0), (4, "b", "x", 3.0))
    assert clocks(q) == {1: 0.0, 3: 2.0}


def test_after_a_grant_the_next_of_the_lane_begins_its_patience_anew() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "x", 1.0))
    q.pop(Ticket(1), granted_at=9.0)
    assert clocks(q) == {2: 9.0}


def test_after_a_withdrawal_it_inherits_what_it_has_waited_itself() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "x", 1.0), (3, "a", "x", 5.0))
    q.pop(Ticket(1))
    assert clocks(q) == {2: 1.0}
    q.pop(Ticket(2))
    assert clocks(q) == {3: 5.0}


def test_a_withdrawal_does_not_bring_back_what_was_waited_before_the_last_grant() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "x", 1.0), (3, "a", "x", 2.0))
    q.pop(Ticket(1), granted_at=9.0)
    q.pop(Ticket(2))
    assert clocks(q) == {3: 9.0}


def test_the_leaving_of_one_who_is_not_first_moves_no_clock() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "x", 1.0))
    q.pop(Ticket(2))
    assert clocks(q) == {1: 0.0}


def test_a_lane_that_was_empty_begins_anew() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "y", 0.5))
    q.pop(Ticket(1))
    q.add(Waiting(Ticket(3), "a", "x", 7.0))
    assert clocks(q) == {2: 0.5, 3: 7.0}


def test_waiting_seconds_add_up() -> None:
    q = queue((1, "a", "x", 0.0), (2, "a", "y", 4.0), (3, "b", "y", 4.0))
    assert q.waited("a", 10.0) == 16.0
    q.pop(Ticket(1))
    assert q.waited("a", 10.0) == 6.0
    q.pop(Ticket(2))
    assert (q.waited("a", 10.0), q.models()) == (0.0, ["b"])
