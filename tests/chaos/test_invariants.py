"""The suite's own eyes: what is left behind, leaked or told wrongly in a house is seen."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

import pytest

from tests.chaos import procs
from tests.chaos.arena import Arena, until
from tests.chaos.crowd import Crowd
from tests.chaos.invariants import House
from tests.chaos.menu import FAKE
from tests.chaos.verdict import Excuses

# The invariants, at a house in which something is wrong


@pytest.fixture
def house(tmp_path):
    """An arena whose daemon only sleeps, and tells that it has one engine: pid 1 of nobody's run."""
    arena = Arena(tmp_path)
    arena.spawn = lambda: None
    told = {"models": [{"name": "alpha", "state": "cold", "pid": None, "endpoint": None}]}

    async def status():
        return told

    arena.status = status
    sleeping = "import subprocess, sys, time; exec(sys.argv[1]); print(flush=True); time.sleep(60)"

    def begin(work: str = "pass") -> tuple[House, Arena]:
        command = [sys.executable, "-c", sleeping, work]
        environ = {**os.environ, procs.MARK: arena.mark}
        arena.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ)
        arena.process.stdout.readline()
        arena.log.touch()
        return House(arena, Crowd(arena, Excuses(), 1)), arena

    yield begin
    arena.process.stdout.close()
    arena.abandon()


async def test_a_sound_house_has_no_problem(house):
    found, _ = house()
    found.settle()
    assert await found.no_orphan() == found.no_zombie() == await found.no_leaked_port() == []
    assert (
        found.never_two_where_one_fits() == await found.no_leaked_file() == await found.recorded_as_it_is() == []
    )
    assert found.no_bug_in_the_log() == []


async def test_a_process_of_an_engine_that_nobody_knows_is_an_orphan(house):
    sleep = "subprocess.Popen(['sleep', '60'], env={'SWAPD_RUN': 'x', **__import__('os').environ})"
    found, _ = house(sleep)
    (problem,) = await found.no_orphan()
    assert "sleep 60" in problem


async def test_a_child_that_nobody_waits_for_is_a_zombie(house):
    found, _ = house("c = subprocess.Popen(['true'])")
    await until(found.no_zombie, 5.0, "the child ends")


async def test_files_that_stay_open_are_leaked(house):
    found, arena = house("held = [open('/dev/null') for _ in range(40)]")
    found._base = len(procs.fds(arena.pid)) - 40
    (problem,) = await found.no_leaked_file()
    assert "/dev/null" in problem


async def test_threads_that_stay_when_all_is_unloaded_are_leaked(house):
    found, arena = house(
        "import threading as t; [t.Thread(target=time.sleep, args=[60]).start() for _ in range(20)]"
    )
    found._base = len(procs.fds(arena.pid))
    (problem,) = await found._nothing_is_left()
    assert "21 threads" in problem


async def test_a_port_that_no_engine_is_said_to_have_is_leaked(house):
    found, _ = house("import socket; s = socket.create_server(('127.0.0.1', 0))")
    (problem,) = await found.no_leaked_port()
    assert problem.startswith("port ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "is no JSON"), ('{"version": 1, "engines": {"a": {"pid": 1}}}', "pid 1 is recorded, and no engine")],
)
async def test_a_state_file_that_tells_nothing_or_a_lie_is_a_problem(house, text, problem):
    found, arena = house()
    (arena.state / "engines.json").write_text(text)
    assert problem in (await found.recorded_as_it_is())[0]


async def test_a_traceback_in_the_log_is_a_problem_told_once(house):
    found, arena = house()
    arena.log.write_text("INFO fine\nTraceback (most recent call last):\n  boom\n")
    assert "boom" in found.no_bug_in_the_log()[0]
    assert found.no_bug_in_the_log() == []


def test_the_engines_themselves_tell_of_two_where_one_fits(house, tmp_path):
    found, arena = house()
    places = f"--lock {tmp_path}/lock-a --seats {tmp_path}/seats --seat-count 1 --journal {arena.journal}"
    command = [sys.executable, str(FAKE), "--host", f"{tmp_path}/1.sock", *shlex.split(places)]
    environ = {**os.environ, procs.MARK: arena.mark}
    with subprocess.Popen(command, env=environ) as first:
        deadline = time.monotonic() + 10
        while '"ready"' not in (arena.journal.read_text() if arena.journal.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        second = [word.replace("1.sock", "2.sock") for word in command]
        assert subprocess.run(second, env=environ, check=False, stderr=subprocess.DEVNULL).returncode == 99
        other = [word.replace("lock-a", "lock-b") for word in second]
        assert subprocess.run(other, env=environ, check=False, stderr=subprocess.DEVNULL).returncode == 99
        first.terminate()
    assert len(found.never_two_where_one_fits()) == 2
