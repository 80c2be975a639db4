"""The annals: a scheduler played through swaps, failures and crowds, and what was written down of it."""

from __future__ import annotations

import time

import pytest

from swapd.core import events as fact
from swapd.core.commands import Cause, Grant, Spawn, Terminate, Why
from swapd.core.engine import RunId, State
from swapd.core.refusal import Exit
from swapd.core.scheduler import Scheduler
from swapd.core.shared import SharedStory
from swapd.core.spec import Launch
from swapd.core.told import Story
from swapd.history import answers, spans, swaps, waits
from swapd.history.history import History
from tests.history.play import HERE, Past, answered, swap


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(monkeypatch, "a", "b")


async def test_each_state_has_its_span_with_its_run_and_reason(past: Past) -> None:
    swap(past)
    assert await past.spans("a") == [
        ("starting", 0.0, 5.0, 1, "asked for (1 waiting)"),
        ("ready", 5.0, 26.0, 1, "asked for (1 waiting)"),
        ("stopping", 26.0, 27.0, 1, "makes room for b"),
    ]
    assert [span[:3] for span in await past.spans("b")] == [("starting", 27.0, 36.0), ("ready", 36.0, None)]


async def test_a_failed_start_says_how_it_ended_and_its_rest_ends_by_itself(past: Past) -> None:
    past.asks("a", 1).hears(fact.EngineExited(RunId("a", 1), Exit(code=3)), after=1).leave(1)
    assert (await past.spans("a"))[-1] == ("backoff", 1.0, None, 1, "exited with code 3")
    past.hears(fact.Ticked(), after=100)
    assert (await past.spans("a"))[-1] == ("backoff", 1.0, 101.0, 1, "exited with code 3")


async def test_a_swap_is_told_with_its_parts_and_with_who_waited(past: Past) -> None:
    (found,) = (await swap(past).told())["swaps"]
    assert past.seconds(found["at"]) == 36.0
    assert (found["model"], found["run"], found["evicted"], found["clients"]) == ("b", 1, ["a#1"], ["ann"])
    assert found["seconds"]["stop"] == 1.0
    assert (found["seconds"]["total"], found["waited"]) == (10.0, {"requests": 3, "longest": 10.0})
    assert found["text"].startswith("swap a -> b took 10.0 s")
    told = {"at": found["at"], "text": found["text"]}
    assert past.history.about("a")["last_swap"] == past.history.about("b")["last_swap"] == told


async def test_a_wait_lasts_from_the_first_who_waits_to_the_last(past: Past) -> None:
    past.asks("b", 1).asks("x", 2, after=1)
    (wait,) = (await past.told())["waits"]
    assert (wait["model"], wait["until"], wait["requests"], wait["longest"]) == ("b", None, 2, 1.0)
    past.leave(1, after=1).leave(2, after=3)
    (wait,) = (await past.told())["waits"]
    assert (past.seconds(wait["from"]), past.seconds(wait["until"])) == (0.0, 5.0)
    assert (wait["requests"], wait["longest"]) == (2, 4.0)


async def test_waits_that_follow_at_once_are_one_and_later_ones_are_others(past: Past) -> None:
    past.asks("a", 1).leave(1, after=1).asks("a", 2, after=1).leave(2, after=1).asks("a", 3, after=60)
    told = [(wait["requests"], wait["longest"]) for wait in (await past.told())["waits"]]
    assert told == [(2, 1.0), (1, 0.0)]


async def test_who_is_served_or_refused_at_once_does_not_wait(past: Past) -> None:
    past.asks("nobody knows this", 1).leave(1)
    past.asks("a", 2).hears(fact.EngineReady(RunId("a", 1), HERE), after=1).leave(2)
    past.asks("a", 3, after=60).leave(3)
    assert [wait["requests"] for wait in (await past.told())["waits"]] == [1]


async def test_a_machine_that_slept_did_so_between_what_was_before_and_after(past: Past) -> None:
    past.asks("a", 1).hears(fact.EngineReady(RunId("a", 1), HERE), after=5)
    past.slept = 3600.0
    past.leave(1).asks("b", 2, after=1)
    assert [span[:3] for span in await past.spans("a")] == [
        ("starting", 0.0, 5.0),
        ("ready", 5.0, 3606.0),
        ("stopping", 3606.0, None),
    ]


async def test_only_what_was_not_over_by_then_is_told(past: Past) -> None:
    swap(past).leave(2, 3, 4)
    past.now += 3 * 3600
    told = await past.told(hours=1.0)
    assert (list(told["models"]), told["swaps"], told["waits"]) == (["b"], [], [])
    assert past.seconds(told["until"]) - past.seconds(told["from"]) == 3600.0


async def test_what_is_older_than_a_day_is_forgotten(past: Past) -> None:
    swap(past).leave(2, 3, 4)
    past.now += 25 * 3600
    past.asks("b", 5).hears(fact.Ticked()).leave(5)
    told = await past.told(hours=1000.0)
    assert (list(told["models"]), told["swaps"], told["waits"]) == (["b"], [], [])


async def test_what_many_thousand_events_leave_behind_is_bounded_and_quickly_told(past: Past) -> None:
    stand: list[tuple[RunId, State]] = []
    past.history = History(past.clock, SharedStory(), lambda: stand)
    past.history.hear(fact.CatalogChanged(past.scheduler.book.catalog), ())
    spec = past.scheduler.book.catalog.models["a"]
    for turn in range(6_000):
        (name, other), ticket = ("ab", "ba")[turn % 2], fact.Ticket(turn)
        run, evicted = RunId(name, turn), Why(Cause.EVICTED, other)
        asked, grant = fact.Asked(ticket, name, "ann"), Grant(ticket, run, HERE, spec, 1.0, 1.0)
        for state, event, command in (
            (State.STARTING, asked, Spawn(run, Launch(("x",)), Why(Cause.ASKED))),
            (State.READY, fact.EngineReady(run, HERE), grant),
            (State.STOPPING, fact.Left(ticket), Terminate(run, (), evicted)),
        ):
            stand[:] = [(run, state)]
            past.history.hear(event, [command])
            past.now += 0.9
        stand.clear()
        past.history.hear(fact.EngineExited(run, Exit(code=0)), [])
    annals = past.history._annals
    assert len(annals._spans._past) == spans.MOST
    assert len(annals.waits._kept) == waits.MOST
    assert (len(annals.waits._where), len(annals.waits._lines)) == (0, 2)
    assert len(annals.swaps._kept) == swaps.MOST
    begun = time.process_time()  # of all threads: one of them writes it
    told = await past.told(hours=24.0)
    assert time.process_time() - begun < 0.5  # 40 ms on a machine that has nothing else to do
    assert (len(told["swaps"]), len(told["waits"])) == (swaps.MOST, waits.MOST)
    assert sum(len(found) for found in told["models"].values()) == spans.MOST


async def test_of_models_that_the_config_lost_only_the_last_are_remembered(past: Past) -> None:
    names = [f"m{number}" for number in range(spans.GONE + 50)]
    past.knows(*names)
    for number, name in enumerate(names):
        past.asks(name, number, after=1).leave(number, after=1)
        past.hears(fact.EngineExited(RunId(name, 1), Exit(code=0)), after=1)
    past.knows("a")
    assert list((await past.told())["models"]) == names[50:]


async def test_requests_are_told_one_by_one_the_newest_last(past: Past) -> None:
    past.history.count([answered(past, "a")])
    past.now += 1
    past.history.count([answered(past, "gone", run=None, status=404, code="model_not_found", first_byte=None)])
    first, second = (await past.told())["requests"]
    assert past.seconds(first.pop("at")) == 0.0
    assert first == {
        "id": "r-a",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "code": "",
        "client": "ann",
        "model": "a",
        "run": 7,
        "total": 2.0,
        "queued": 1.0,
        "loaded": 0.5,
        "first_byte": 0.25,
        "prompt": 10,
        "completion": 30,
    }
    assert (second["code"], second["queued"], second["run"]) == ("model_not_found", None, None)
    assert past.history.rows(1) == ([second], 0)


async def test_what_concerns_no_model_is_not_written_down(past: Past) -> None:
    past.history.count([answered(past, "", run=None, route="/admin/reload")])
    assert ((await past.told())["requests"], past.history.answered) == ([], 0)


async def test_the_last_requests_are_kept_and_all_are_counted(past: Past) -> None:
    for _ in range(30):
        past.history.count([answered(past, "a") for _ in range(50)])
    assert past.history.answered == 1500
    assert len((await past.told())["requests"]) == answers.KEPT
    assert past.history.rows(0)[1] == 1500 - answers.KEPT
    about = past.history.about("a")
    assert (about["requests"], about["tokens"]["prompt"], about["tokens"]["completion"]) == (1500, 15_000, 45_000)


async def test_the_speed_is_that_of_the_last_minute(past: Past) -> None:
    assert past.history.about("a")["tokens"]["per_second"] is None
    past.history.count([answered(past, "a"), answered(past, "a", total=4.0)])
    assert past.history.about("a")["tokens"]["per_second"] == 15.0  # 60 tokens in 1 and 3 seconds
    past.now += 30
    past.history.count([answered(past, "a", completion=99, total=2.0)])
    assert past.history.about("a")["tokens"]["per_second"] == 31.8
    past.now += 31
    assert past.history.about("a")["tokens"]["per_second"] == 99.0
    past.now += 60
    assert past.history.about("a")["tokens"]["per_second"] is None


async def test_counts_are_only_kept_of_models_of_the_config(past: Past) -> None:
    past.history.count([answered(past, "a"), answered(past, "gone")])
    assert past.history.about("gone")["requests"] == 0
    past.knows("b")
    past.knows("a", "b")
    assert past.history.about("a")["requests"] == 0


def test_a_shared_story_is_told_to_each_ear_as_its_own_would_be(past: Past) -> None:
    shared, own, told = SharedStory(), Story(), 0
    scheduler = Scheduler()
    for event in (
        fact.CatalogChanged(past.scheduler.book.catalog),
        fact.Asked(fact.Ticket(1), "a", "ann"),
        fact.EngineReady(RunId("a", 1), HERE),
        fact.Left(fact.Ticket(1)),
        fact.Asked(fact.Ticket(2), "x", "ann"),
    ):
        commands = scheduler.handle(event, 1.0)
        first, second = shared.hear(event, commands, 1.0), shared.hear(event, commands, 2.0)
        assert first is second
        assert list(first) == list(own.hear(event, commands, 1.0))
        told += len(first)
    assert told >= 4
