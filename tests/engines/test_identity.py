"""A pid is nobody: who is meant is told by more than that, and held before it is looked at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swapd.engines import identity
from swapd.engines.environment import scrubbed
from swapd.engines.identity import Identity, hold, marked
from swapd.engines.proc import variables
from tests.processes import until

pytestmark = pytest.mark.proc
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def house() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def start(house: str) -> Iterator[Start]:
    """Starts processes that carry a marker; at the end they are killed."""
    started = []

    def begin(*argv: str, marker: str = "run", **more) -> subprocess.Popen[bytes]:
        env = scrubbed(os.environ, (), marker, house)
        started.append(subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, start_new_session=True, **more))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_is_held_by_a_pidfd_of_its_own(start):
    process = start("sleep", "600")
    pidfd = hold(identity.of(process.pid, "run"))
    assert pidfd is not None
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    assert os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT).si_status == signal.SIGTERM
    os.close(pidfd)


@pytest.mark.parametrize("other", [{"ticks": 1}, {"boot": "another"}, {"marker": "another"}, {"marker": ""}])
def test_who_differs_in_anything_is_another(start, other):
    process = start("sleep", "600")
    before = open_files()
    assert hold(replace(identity.of(process.pid, "run"), **other)) is None
    assert open_files() == before


def test_a_zombie_is_not_held_nor_one_that_is_gone(start):
    process = start("sleep", "600")
    who = identity.of(process.pid, "run")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    before = open_files()
    assert hold(who) is None
    process.wait()
    assert hold(who) is None
    assert open_files() == before
    with pytest.raises(ProcessLookupError):
        identity.of(process.pid, "run")


def test_a_thread_is_no_process():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert hold(Identity(thread.native_id, 1, identity.boot_id(), "run")) is None
    finally:
        done.set()
        thread.join()


def test_without_pidfds_nobody_is_held(start, monkeypatch):
    who = identity.of(start("sleep", "600").pid, "run")
    monkeypatch.delattr(os, "pidfd_open")
    assert hold(who) is None


def test_that_no_descriptor_is_left_is_not_taken_for_an_end(start, monkeypatch):
    who = identity.of(start("sleep", "600").pid, "run")

    def fails(*_: object) -> int:
        raise OSError(24, "Too many open files")

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(identity, "stat", fails)
        with pytest.raises(OSError, match="Too many"):
            hold(who)
    assert open_files() == before
    monkeypatch.setattr(os, "pidfd_open", fails)
    with pytest.raises(OSError, match="Too many"):
        hold(who)


async def test_what_lives_of_a_house_is_told_run_by_run(start, house):
    lone = start("sleep", "600", marker="one")
    script = "setsid sleep 600 & sleep 600 & echo; wait"
    pair = start("sh", "-c", script, marker="two")
    foreign = subprocess.Popen(["sleep", "600"], env=scrubbed(os.environ, (), "two", "another house"))
    try:
        await until(lambda: [len(run.pids) for run in marked(house)] == [1, 3])
        one, two = marked(house)
        assert one.leader == identity.of(lone.pid, "one")
        assert one.pids == (lone.pid,)
        assert two.leader == identity.of(pair.pid, "two"), "not the child that leads a session too, but later"
        assert foreign.pid not in two.pids
    finally:
        for pid in {pid for run in marked(house) for pid in run.pids}:
            os.kill(pid, signal.SIGKILL)
        foreign.kill()
        foreign.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_what_another_user_has_in_its_environment_proves_nothing(start, house):
    process = start("sleep", "600", user=65534)
    await until(lambda: f"SWAPD_HOUSE={house}".encode() in variables(process.pid))
    assert marked(house) == []


def test_a_name_with_all_kinds_of_brackets_is_no_hindrance(start, tmp_path):
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to(sys.executable)
    process = start(str(odd), "-c", "print(flush=True); import time; time.sleep(600)")
    process.stdout.readline()
    assert "R 1" in Path(f"/proc/{process.pid}/stat").read_text()
    assert identity.of(process.pid, "run").ticks > 1
