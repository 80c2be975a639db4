"""An engine that the kernel killed for want of memory is told from one that somebody killed.

The files are as Linux 6.1 writes them: where tests run, no memory controller may be on, and nothing is to starve.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from swapd.engines import oom
from swapd.engines.oom import Eye

EVENTS = "low 0\nhigh 0\nmax 812\noom 1\noom_kill {kills}\noom_group_kill 0\n"
VMSTAT = "nr_free_pages 1402\nallocstall_normal 3\noom_kill {kills}\nnuma_pte_updates 0\n"
PID = 4711


class Box:
    """A machine with one service, whose engines have groups without a memory controller."""

    def __init__(self, root: Path, group: str) -> None:
        self.vmstat, self.cgroups = root / "vmstat", root / "cgroup"
        self.service = self.cgroups / "system.slice" / "swapd.service"
        self.service.mkdir(parents=True)
        (root / "proc" / str(PID)).mkdir(parents=True)
        (root / "proc" / str(PID) / "cgroup").write_text(f"4:memory:/old\n0::{group}\n")
        self.killed()
        self.eye = Eye(self.vmstat, (root / "nothing", self.cgroups), root / "proc")

    def killed(self, service: int | None = None, machine: int = 0) -> None:
        self.vmstat.write_text(VMSTAT.format(kills=machine))
        if service is not None:
            (self.service / "memory.events").write_text(EVENTS.format(kills=service))


@pytest.fixture
def box(tmp_path) -> Box:
    return Box(tmp_path, "/system.slice/swapd.service/engine-alpha")


def test_a_kill_that_its_group_counted_is_named_for_sure(box):
    box.killed(service=3, machine=7)
    box.eye.note(PID)
    box.killed(service=4, machine=8)
    assert box.eye.starved() == f"the kernel killed it for want of memory: {oom.WHAT_TO_DO}"


def test_the_limit_of_its_group_is_named(box):
    box.killed(service=0)
    box.eye.note(PID)
    for limit, words in [
        ("8589934592\n", "memory (its cgroup may have 8.0 GiB, MemoryMax=): "),
        ("max\n", "memory: "),
    ]:
        (box.service / "memory.max").write_text(limit)
        box.killed(service=1)
        assert words in box.eye.starved()


def test_a_kill_that_only_the_machine_counted_is_probable(box):
    box.eye.note(PID)
    box.killed(machine=1)
    assert box.eye.starved().startswith("the kernel probably killed it: ")


def test_a_kill_of_another_that_the_machine_alone_counted_is_only_probable_where_there_is_a_group(box):
    box.killed(service=0)
    box.eye.note(PID)
    box.killed(service=0, machine=1)
    assert box.eye.starved().startswith("the kernel probably")


def test_what_somebody_killed_is_not_blamed_on_the_kernel(box):
    box.killed(service=3)
    box.eye.note(PID)
    assert box.eye.starved() is None


def test_two_that_were_killed_in_one_go_are_both_named(box):
    box.killed(service=0)
    box.eye.note(PID)
    box.killed(service=2)
    assert box.eye.starved() == box.eye.starved() != None  # noqa: E711  (both are told, and the same)


def test_a_kill_of_long_ago_is_not_held_against_it(box, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(oom.time, "monotonic", lambda: now[0])
    box.killed(service=0, machine=0)
    box.eye.note(PID)
    box.killed(service=1, machine=1)
    box.eye.look()
    now[0] += oom.JUST_NOW
    assert box.eye.starved() is None


@pytest.mark.parametrize(("seconds", "told"), [(oom.FRESH, True), (oom.FRESH + 1, False)])
def test_what_grew_since_a_look_that_is_too_old_may_be_old_too(box, monkeypatch, seconds, told):
    box.eye.note(PID)
    box.killed(machine=1)
    begun = oom.time.monotonic()
    monkeypatch.setattr(oom.time, "monotonic", lambda: begun + seconds - 0.5)
    assert (box.eye.starved() is not None) == told


def test_the_group_of_all_services_does_not_count(tmp_path):
    box = Box(tmp_path, "/system.slice/swapd.service/a/b/c")
    box.killed(service=0)
    box.eye.note(PID)
    box.killed(service=1)
    assert box.eye.starved() is None


def test_a_group_that_is_gone_is_forgotten(box):
    box.killed(service=0)
    box.eye.note(PID)
    (box.service / "memory.events").unlink()
    other = box.service / "engine-alpha"
    other.mkdir()
    (other / "memory.events").write_text(EVENTS.format(kills=0))
    box.eye.note(PID)
    box.killed(service=1)
    assert box.eye.starved() is None, "the service's was forgotten"
    (other / "memory.events").write_text(EVENTS.format(kills=1))
    assert box.eye.starved().startswith("the kernel killed it")


def test_where_the_kernel_tells_nothing_nothing_is_said(tmp_path):
    eye = Eye(tmp_path / "vmstat", (), tmp_path)
    eye.note(PID)
    assert eye.starved() is None
    (tmp_path / "vmstat").write_bytes(b"\xff\xfe oom_kill")
    assert eye.starved() is None


def test_this_kernel_counts():
    oom.EYE.note(os.getpid())
    assert "oom_kill" in Path("/proc/vmstat").read_text()


@pytest.mark.proc
async def test_an_engine_that_was_killed_is_told_of_by_what_the_kernel_counted_unless_it_was_we(room, monkeypatch):
    monkeypatch.setattr(oom.EYE, "starved", lambda: "the kernel killed it")
    killed, ended = room.fake(), room.fake()
    for run in (killed, ended):
        await room.ready(run)
    os.kill(room.supervisor.pid(killed), signal.SIGKILL)
    room.kill(ended)
    assert (await room.exit(killed)).hint == "the kernel killed it"
    assert (await room.exit(ended)).hint is None
