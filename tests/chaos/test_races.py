"""The suite's own patience: what is right is not called wrong because something else happened at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import time

import pytest

from swapd import tasks
from tests.chaos import drive, on_engines, procs
from tests.chaos.arena import Arena, until
from tests.chaos.calls import Ask, Seen
from tests.chaos.crowd import Crowd
from tests.chaos.drive import LONGER, Drive
from tests.chaos.invariants import House
from tests.chaos.on_daemon import _went_rightly
from tests.chaos.on_engines import _served_from_a_stray
from tests.chaos.plan import Plan, Step
from tests.chaos.scene import NotNow, Scene
from tests.chaos.table import FAULTS, Fault
from tests.chaos.verdict import OK, Excuses
from tests.chaos.wire import LINGER_0, Connection, Cut

UNLOADED = Seen(Ask("whole", "alpha"), "refused", code="model_unloaded", began=1.0, ended=time.monotonic() + 1000)


@pytest.fixture
def arena(tmp_path):
    return Arena(tmp_path)


@pytest.fixture
def scene(arena):
    excuses = Excuses()
    return Scene(arena, Crowd(arena, excuses, 1, lambda line: None), excuses, random.Random(1))


# The run


async def test_a_chore_that_ends_just_as_the_run_does_does_not_keep_it_up(arena, monkeypatch):
    over = asyncio.Event()

    async def act(scene: Scene) -> str:
        await over.wait()
        return ""

    monkeypatch.setattr(drive, "CHORES", {"short": Fault("short", act)})
    run = Drive(arena, Plan(1, 60.0, (), (Step("short", {}, 0.0), Step("short", {}, 30.0))))
    run._may_do_chores.set()
    chores = tasks.spawn(run._do_chores(), name="chores")
    while not over._waiters:
        await asyncio.sleep(0)
    over.set()
    await asyncio.sleep(0)
    chores.cancel()
    assert (await asyncio.wait([chores], timeout=5.0))[0], "it went on to the next"


def test_a_slow_run_goes_on_until_enough_happened_but_not_for_ever(arena):
    run = Drive(arena, Plan(1, 60.0, (), ()), least=2)
    some = list(FAULTS)[:2]
    run._begun = time.monotonic() - 50
    run.report.injected.update(some)
    assert not run._is_enough(), "it has time left"
    run._begun = time.monotonic() - 61
    assert run._is_enough()
    del run.report.injected[some[0]]
    run.report.injected[some[1]] = 7
    run.report.injected["unload"] = 7
    assert not run._is_enough(), "the same fault again, and a chore, are none"
    run._begun = time.monotonic() - 61 - LONGER
    assert run._is_enough()


async def test_a_fault_that_breaks_off_is_told_and_the_run_goes_on(arena, scene):
    async def act(scene: Scene) -> str:
        raise FileNotFoundError("/proc/1/cmdline")

    run = Drive(arena, Plan(1, 60.0, (), ()))
    await run._happens(Fault("broken", act), Step("broken", {}, 0.0), scene)
    assert "FileNotFoundError" in run.report.problems[0]["problem"]


# The crowd


async def test_who_vanishes_on_a_dead_connection_vanishes_on_another(arena):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1) == b"!":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        arena.port = server.sockets[0].getsockname()[1]
        kept = await Connection.open(arena.port)
        await kept.send(b"!")
        kept.status = 200  # it had an answer before
        await until(kept._writer.transport.is_closing, 5.0, "the connection is dead")
        crowd = Crowd(arena, Excuses(), 1, lambda line: None)
        seen, _ = await crowd._bounded(Ask("vanished", "alpha"), kept, None)
        assert (seen.how, seen.retried, crowd.tally.verdicts) == ("cancelled", True, {OK: 1})


# What is read while it is written


def test_a_line_of_the_journal_is_an_event_once_it_is_whole(arena):
    assert arena.events() == []
    first, second = ({"event": event, "pid": 1} for event in ("started", "ready"))
    arena.journal.write_text(json.dumps(first) + "\n" + json.dumps(second)[:9])
    assert arena.events() == [first]
    arena.journal.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    assert arena.events(1) == [second]
    arena.journal.write_text(json.dumps(first)[:9] + json.dumps(second) + "\n" + json.dumps(second) + "\n")
    assert arena.events(1) == [second], "a line that an engine was killed in is still one"


def test_a_line_of_the_log_is_looked_at_once_it_is_whole(arena):
    house = House(arena, Crowd(arena, Excuses(), 1))
    arena.log.write_text("INFO fine\nTrace")
    assert house.no_bug_in_the_log() == []
    arena.log.write_text("INFO fine\nTraceback (most recent call last):\n  boom\n")
    assert "boom" in house.no_bug_in_the_log()[0]


def test_who_stands_in_for_a_daemon_has_not_begun_to_serve(arena):
    at = "2026-01-01 12:00:00 INFO    swapd 0.1.0 is listening on http://127.0.0.1:1"
    arena.log.write_text(f"{at} until the daemon is there again\n")
    assert arena.listened() == 0
    arena.log.write_text(f"{at}\n{at} until the daemon is there again\n{at}\n")
    assert (arena.listened(), arena.listened(len(at) + 1)) == (2, 1)


async def test_a_daemon_that_only_says_why_it_tells_no_status_is_away(arena):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 503 X\r\nContent-Length: 13\r\n\r\n{"error": {}}')
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        arena.port = server.sockets[0].getsockname()[1]
        with pytest.raises(Cut, match="503"):
            await arena.model("alpha")


# Numbers of processes, used again


async def test_a_signal_is_for_a_process_of_ours_and_for_nobody_else():
    with subprocess.Popen(["sleep", "60"], env={**os.environ, procs.MARK: "ours"}) as child:
        try:
            await until(lambda: procs.marked("ours"), 5.0, "it is executed")
            assert not procs.signal_to(child.pid, signal.SIGKILL, "another's")
            assert child.poll() is None
            assert procs.signal_to(child.pid, signal.SIGKILL, "ours")
        finally:
            child.kill()
    assert not procs.signal_to(child.pid, signal.SIGKILL, "ours")


@pytest.mark.parametrize(
    ("events", "strayed"),
    [
        ("started 1, daemonized 2, request 3", False),
        ("started 1, daemonized 2, request 2", True),
        ("started 1, daemonized 2, started 2, request 2", False),
    ],
)
def test_a_stray_is_known_by_its_number_until_that_is_another_engines(events, strayed):
    told = [event.split() for event in events.split(", ")]
    assert _served_from_a_stray([{"event": event, "pid": int(pid)} for event, pid in told]) is strayed


def test_a_process_that_has_ended_or_is_still_a_fork_says_no_port():
    with pytest.raises(NotNow, match="says no port"):
        on_engines._port_of(os.getpid())
    with subprocess.Popen(["true"]) as child:
        child.wait()
    with pytest.raises(NotNow, match="says no port"):
        on_engines._port_of(child.pid)


# What others do meanwhile


async def test_what_others_do_explains_an_answer_and_the_faults_own_excuse_does_not(scene):
    scene.excuse_all("the daemon is restarted")
    assert not scene.explained(UNLOADED)
    scene._all.give("unloaded", models=("alpha",), codes=("model_unloaded",))
    assert scene.explained(UNLOADED)


async def test_a_model_that_is_taken_away_is_asked_for_until_it_is_back(scene, monkeypatch):
    answers = [UNLOADED] * 5 + [Seen(UNLOADED.ask, "ok")]

    async def ask(asked: Ask) -> Seen:
        return answers.pop(0)

    monkeypatch.setattr(scene.crowd, "ask", ask)
    scene._all.give("half of the config is written", codes=("model_unloaded",))
    assert (await scene.served("alpha")).how == "ok"
    answers.append(UNLOADED)
    scene._all = Excuses()
    assert (await scene.served("alpha")).code == "model_unloaded", "nobody took it away: that is an answer"


async def test_a_whim_is_not_left_to_an_engine_of_later(scene, arena):
    arena.port = 9  # nobody is there
    with pytest.raises(NotNow, match="cannot wish"):
        await scene.fresh("alpha", exit_code=1)
    assert not (arena.folder / "whim-alpha").exists()


def test_an_engine_is_wanted_as_the_config_says_it_now(arena):
    menu = arena.menu
    old = menu._command("alpha").split()
    assert menu.starts("alpha", old)
    assert not menu.relaunched("alpha").starts("alpha", old)
    assert menu.relaunched("beta").starts("alpha", old)
    assert not menu.starts("guest", old)
    assert menu.starts("alpha", ["a-true-engine"])


@pytest.mark.parametrize(
    ("decided", "said", "rightly"),
    [
        ("", "", False),
        ("stop alpha#1: removed from the config", "", True),
        ("stop alpha#12: removed from the config", "", False),
        ("", "stop alpha#1: removed from the config", False),
        ("", "drain alpha#1: makes room for beta", True),
    ],
)
def test_an_engine_that_was_told_to_go_before_the_daemon_was_killed_need_not_be_taken_over(decided, said, rightly):
    assert _went_rightly("alpha#1", decided, said) is rightly
