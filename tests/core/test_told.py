"""What happened, told once: who, why, and what it cost."""

from __future__ import annotations

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.commands import Cause, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.need import Need, Reading, Source, Way
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Alias, Catalog, Launch, Rules
from swapd.core.told import Story, Told
from tests.core.play import model

A, B = RunId("a", 1), RunId("b", 1)
HERE = Endpoint("127.0.0.1", 9300)


class Teller:
    """A scheduler and the story of it."""

    def __init__(self, *names: str) -> None:
        self.scheduler, self.story, self.told, self.now = Scheduler(), Story(), [], 0.0
        specs = {name: model(name) for name in names}
        self.hears(
            fact.CatalogChanged(Catalog(specs, {"x": Alias("x", "b")}, {"engines": 1}, Rules(patience=30.0)))
        )

    def hears(self, *events: fact.Event, after: float = 0.0) -> Teller:
        self.now += after
        for event in events:
            self.told += self.story.hear(event, self.scheduler.handle(event, self.now), self.now)
        return self

    def asks(self, name: str, *tickets: int, client: str = "", after: float = 0.0) -> Teller:
        return self.hears(*(fact.Asked(fact.Ticket(t), name, client) for t in tickets), after=after)

    def of(self, kind: str) -> list[Told]:
        return [told for told in self.told if told.type == kind]


def swapped() -> Teller:
    """a makes room for b, which three wait for: idle at once, stopped in 0.4 s, loaded in 8.8 s."""
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5)
    teller.hears(fact.Left(fact.Ticket(1)), after=1)
    teller.asks("b", 2, client="ann", after=20).asks("x", 3, 4, client="bob", after=0.2)
    return teller.hears(fact.EngineExited(A, Exit(code=0)), after=0.2).hears(fact.EngineReady(B, HERE), after=8.8)


def test_a_swap_says_who_made_room_for_whom_what_it_cost_and_who_waited() -> None:
    (swap,) = swapped().of("swap")
    cost = "(drain 0.0, stop 0.4, freed 0.0, load 8.8)"
    assert swap.text == f"swap a -> b took 9.2 s {cost}, 3 requests waited up to 9.2 s"
    assert swap.data == {
        "evicted": ["a#1"],
        "why": "asked for (1 waiting)" if "1 waiting" in swap.data["why"] else "asked for (3 waiting)",
        "cause": "asked",
        "seconds": {"total": 9.2, "drain": 0.0, "stop": 0.4, "freed": 0.0, "load": 8.8},
        "waited": {"requests": 3, "longest": 9.2},
        "clients": ["ann", "bob"],
    }


def test_a_drain_is_part_of_what_it_cost() -> None:
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5).asks("b", 2)
    teller.hears(fact.Ticked(), after=30).hears(fact.Left(fact.Ticket(1)), after=2)
    teller.hears(fact.EngineExited(A, Exit(code=0)), after=0.5).hears(fact.EngineReady(B, HERE), after=3)
    (swap,) = teller.of("swap")
    cost = "(drain 2.0, stop 0.5, freed 0.0, load 3.0)"
    assert swap.text == f"swap a -> b took 5.5 s {cost}, 1 request waited up to 36 s"
    assert [told.text for told in teller.of("drain")] == ["drain a#1: makes room for b"]


def test_the_parts_of_a_swap_say_how_long_memory_was_not_seen_free_and_a_process_not_heard_of() -> None:
    story = Story()
    story.hear(fact.Ticked(), [order.Terminate(A, (), Why(Cause.EVICTED, "b"))], 0.0)
    story.hear(fact.EngineExited(A, Exit(code=0)), [], 0.5)
    story.hear(fact.MachineRead(Reading(1.25)), [order.Spawn(B, Launch(("b",)), Why(Cause.ASKED))], 1.25)
    (_, swap) = story.hear(fact.EngineReady(B, HERE, listened=6.0), [], 8.25)
    assert swap.data["seconds"] == {
        "total": 8.25,
        "drain": 0.0,
        "stop": 0.5,
        "freed": 0.75,
        "spawn": 1.0,
        "load": 6.0,
    }
    assert "took 8.2 s (drain 0.0, stop 0.5, freed 0.8, spawn 1.0, load 6.0)" in swap.text


def test_a_swap_that_nobody_waited_for_says_why_it_was_made() -> None:
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5)
    teller.hears(fact.Left(fact.Ticket(1)), after=1).hears(fact.LoadWished("b"), after=20)
    teller.hears(fact.EngineExited(A, Exit(code=0)), after=0.2).hears(fact.EngineReady(B, HERE), after=1)
    (swap,) = teller.of("swap")
    assert swap.text.endswith(", load by the operator")


def test_what_the_operator_pins_is_told() -> None:
    teller = Teller("a").hears(fact.PinWished("a", pinned=True)).hears(fact.PinWished("a", pinned=False))
    told = [told.text for kind in ("pin", "unpin") for told in teller.of(kind)]
    assert told == ["the operator wants to pin a", "the operator wants to unpin a"]


def test_a_start_into_free_room_is_no_swap() -> None:
    teller = Teller("a").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5)
    assert (teller.of("swap"), [told.text for told in teller.of("ready")]) == (
        [],
        ["a#1 is ready at http://127.0.0.1:9300 after 5.00 s"],
    )


def test_room_made_long_ago_for_somebody_who_left_is_no_part_of_a_later_start() -> None:
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5)
    teller.hears(fact.Left(fact.Ticket(1)), after=1).asks("b", 2, after=20).hears(fact.Left(fact.Ticket(2)))
    teller.hears(fact.EngineExited(A, Exit(code=0))).asks("b", 3, after=1000).hears(
        fact.EngineReady(B, HERE), after=4
    )
    assert len(teller.of("stop")) == 1
    assert teller.of("swap") == []


def test_an_heir_that_died_before_it_was_ready_is_no_swap() -> None:
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5)
    teller.hears(fact.Left(fact.Ticket(1)), after=1).asks("b", 2, after=20)
    teller.hears(fact.EngineExited(A, Exit(code=0))).hears(
        fact.EngineExited(B, Exit(code=1, log=("no",))), after=1
    )
    teller.asks("b", 3, after=2).hears(fact.EngineReady(RunId("b", 2), HERE), after=1)
    assert teller.of("swap") == []
    (failed,) = teller.of("failed")
    assert (failed.text, failed.level, failed.more) == ("b#1 failed: exited with code 1", "warning", ("no",))


def test_an_end_that_was_ordered_is_no_failure() -> None:
    (gone,) = swapped().of("gone")
    assert (gone.text, gone.level, gone.run) == ("a#1 is gone: exited with code 0", "info", 1)


def test_an_engine_that_dies_while_it_drains_is_told_as_a_failure_though_none_is_counted() -> None:
    teller = Teller("a", "b").asks("a", 1).hears(fact.EngineReady(A, HERE), after=5).asks("b", 2)
    teller.hears(fact.Ticked(), after=30).hears(fact.EngineExited(A, Exit(signal="SIGSEGV", log=("ouch",))))
    (failed,) = teller.of("failed")
    assert (failed.text, failed.level, failed.more) == ("a#1 failed: killed by SIGSEGV", "warning", ("ouch",))
    assert (teller.of("gone"), teller.scheduler.book.recall("a").failures) == ([], 0)


def test_a_full_queue_is_told_with_the_way_out() -> None:
    full = "2 requests wait already, for any model (scheduling.queue is 2)"
    told = Story().hear(
        fact.Ticked(), [order.Refuse(fact.Ticket(1), Refusal(Reason.QUEUE_FULL, "a", detail=full))], 0
    )
    assert told[0].text == f"refuse ticket 1: cannot queue a request for model 'a': {full}; try again in a moment"


def test_a_grant_and_a_refusal_name_the_client() -> None:
    teller = swapped()
    granted = teller.of("grant")[-1]
    assert (granted.data["client"], granted.data["queued"], granted.level) == ("ann", 9.2, "debug")
    teller.hears(fact.Closing())
    refused = teller.of("refuse")
    assert [told.data for told in refused] == [{"ticket": n, "client": "bob", "reason": "closing"} for n in (3, 4)]


def test_who_waits_is_not_taken_for_another_who_is_granted_in_the_same_moment() -> None:
    story = Story()
    story.hear(fact.Asked(fact.Ticket(1), "a", "ann"), [], 0)
    lease = order.Grant(fact.Ticket(1), A, HERE, model("a"), 2.0, 0.0)
    (granted,) = story.hear(fact.Asked(fact.Ticket(2), "a", "bob"), [lease], 2)
    assert (granted.data["ticket"], granted.data["client"]) == (1, "ann")
    assert {ticket: client for ticket, (_, client, _) in story._waiting.items()} == {2: "bob"}


def test_a_grant_at_once_leaves_no_wait_behind_and_names_its_client() -> None:
    lease, story = order.Grant(fact.Ticket(1), A, HERE, model("a"), 0.0, 0.0), Story()
    (granted,) = story.hear(fact.Asked(fact.Ticket(1), "a", "ann"), [lease], 0)
    assert (granted.data["client"], story._waiting) == ("ann", {})


def test_an_engines_last_lines_are_no_part_of_what_outsiders_read() -> None:
    end = Exit(code=1, log=("what the user wrote",))
    refuse = order.Refuse(fact.Ticket(1), Refusal(Reason.START_FAILED, "a", end))
    told = Story().hear(fact.EngineExited(A, end), [refuse], 0)
    assert all("what the user wrote" not in t.text + str(dict(t.data)) for t in told)
    assert told[1].text == "refuse ticket 1: cannot start the engine of model 'a': exited with code 1"


def test_all_that_can_be_ordered_or_noted_has_its_line() -> None:
    way = Way({"CUDA0": 9 << 30}, ("CUDA0",))
    weighed = fact.Weighed("a", Launch(("a",)), Need((way,), Source.LEARNED, "3 runs"))
    spawn = order.Spawn(A, Launch(("a",)), Why(Cause.PRELOAD), way)
    story = Story()
    told = story.hear(weighed, [spawn, order.Kill(A), order.Note(A, Why(Cause.UNSEEN))], 0)
    told += story.hear(
        fact.EngineShort(A, "20 of 33 layers"), [order.Revoke(fact.Ticket(1), A, order.Why(order.Cause.SICK))], 0
    )
    told += story.hear(fact.UnloadWished("a"), [], 0)
    told += story.hear(fact.Weighed("b", Launch(("b",)), Need((), Source.UNKNOWN, "no file")), [], 0)
    assert [(t.type, t.level, t.text) for t in told] == [
        ("weighed", "debug", "a needs 9216 MiB of CUDA0, learned from earlier runs"),
        ("start", "info", "start a#1: to be preloaded"),
        ("kill", "warning", "kill a#1: it did not stop in time"),
        ("unseen", "warning", "a#1 is gone: its memory was not seen free in time; going on without"),
        ("short", "warning", "a#1 loaded less than was asked for: 20 of 33 layers"),
        ("cut", "warning", "cut ticket 1 off from a#1"),
        ("unload", "info", "the operator wants to unload a"),
        ("weighed", "debug", "what b needs is not known yet: no file"),
    ]
    assert told[1].data == {"cause": "preload", "for": None, "detail": "", "needs": way.cost, "devices": ["CUDA0"]}


def test_an_engine_found_alive_is_told_as_taken_over_and_as_no_load() -> None:
    run, way = RunId("a", 7), Way({"engines": 1})
    story = Story()
    told = list(story.hear(fact.Ticked(), [order.Adopt(run, Launch(("a",)), Why(Cause.FOUND), way)], 0))
    told += story.hear(fact.EngineReady(run, HERE), [], 0.04)
    assert [(t.type, t.level, t.text) for t in told] == [
        ("adopt", "info", "take over a#7: found alive"),
        ("ready", "info", "a#7, found alive, is taken over: it answers at http://127.0.0.1:9300 after 0.04 s"),
    ]
    assert [t.data.get("found") for t in told] == [None, True]


def test_nothing_of_those_who_left_is_kept() -> None:
    teller = swapped().hears(*(fact.Left(fact.Ticket(n)) for n in (2, 3, 4)))
    assert not teller.story._waiting
    assert not teller.story._departures
