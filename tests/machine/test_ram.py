"""Main memory: cgroups on built trees, and real processes that hold what we told them to hold."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from swapd.core.engine import RunId
from swapd.core.need import RAM, Gauge
from swapd.machine.ram import Held, Ram, disk_read, holding
from tests.machine.recorded.kernel import group, rollup, status, write

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
A, B = RunId("a", 1), RunId("b", 2)
SLACK = 4 * MIB
"""What the kernel may be behind with its own counters, and an interpreter's ups and downs."""


@pytest.fixture
def machine(monkeypatch):
    """64 GiB, of which 40 are available."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB, available=40 * GIB))


def test_file_pages_of_our_runs_are_taken_and_not_free(tmp_path, machine):
    status(tmp_path, 10, anon=2 << 20, file=6 << 20)
    status(tmp_path, 20, anon=1 << 20, file=0, shmem=1 << 20)
    reading = Ram(tmp_path).read(1.0, {A: [10], B: [20]})
    assert reading.gauges == {RAM: Gauge(64 * GIB, 34 * GIB)}
    assert reading.taken == {A: {RAM: 8 * GIB}, B: {RAM: 2 * GIB}}
    strangers = 64 * GIB - 34 * GIB - 10 * GIB
    assert strangers == (64 - 40) * GIB - 4 * GIB  # what is not available, less our anonymous pages


def test_free_is_never_below_nothing(tmp_path, machine):
    status(tmp_path, 10, anon=0, file=50 << 20)
    assert Ram(tmp_path).read(0, {A: [10]}).gauges[RAM].free == 0


@pytest.mark.parametrize(("locked", "free"), [(4, 38), (6, 40), (9, 40)])
def test_file_pages_that_are_locked_were_not_available_before(tmp_path, machine, locked, free):
    status(tmp_path, 10, anon=2 << 20, file=6 << 20, locked=locked << 20)
    reading = Ram(tmp_path).read(1.0, {A: [10]})
    assert reading.gauges == {RAM: Gauge(64 * GIB, free * GIB)}
    assert reading.taken == {A: {RAM: 8 * GIB}}


def test_locked_pages_that_a_tree_shares_count_once_too(tmp_path, machine):
    for pid in (10, 11):
        status(tmp_path, pid, anon=0, file=8 << 20, locked=8 << 20)
        rollup(tmp_path, pid, anon=0, file=4 << 20, locked=4 << 20)
    assert holding([10, 11], tmp_path / "proc") == Held(0, 8 * GIB, 8 * GIB)


def test_a_run_whose_processes_are_all_gone_is_left_out(tmp_path, machine):
    write(tmp_path / "proc/11/status", "Name:\tllama-server\nState:\tZ (zombie)")
    assert Ram(tmp_path).read(0, {A: [10], B: [11]}).taken == {}


def test_the_tightest_cgroup_on_our_way_up_bounds_the_machine(tmp_path, machine):
    write(tmp_path / "proc/self/cgroup", "1:name=systemd:/x\n0::/system.slice/swapd.service")
    group(tmp_path, "system.slice/swapd.service", "max", 5 * GIB)
    group(tmp_path, "system.slice", str(16 * GIB), 12 * GIB, file=3 * GIB)
    meter = Ram(tmp_path)
    assert meter.total == 16 * GIB
    assert meter.read(0, {}).gauges == {RAM: Gauge(16 * GIB, 7 * GIB)}


def test_a_cgroup_beyond_the_machine_does_not_enlarge_it(tmp_path, machine):
    write(tmp_path / "proc/self/cgroup", "0::/")
    group(tmp_path, "", str(100 * GIB), GIB)
    assert Ram(tmp_path).read(0, {}).gauges == {RAM: Gauge(64 * GIB, 40 * GIB)}


def test_a_container_sees_its_limit_at_the_top(tmp_path, machine):
    write(tmp_path / "proc/self/cgroup", "0::/")
    group(tmp_path, "", str(8 * GIB), 2 * GIB)
    assert Ram(tmp_path).read(0, {}).gauges == {RAM: Gauge(8 * GIB, 6 * GIB)}


def test_a_small_helper_beside_the_engine_needs_no_walk_over_pages(tmp_path):
    status(tmp_path, 10, anon=1000, file=9000)
    status(tmp_path, 11, anon=100, file=100)
    rollup(tmp_path, 10, anon=1, file=1)
    assert holding([10, 11], tmp_path / "proc") == Held(1100 * KIB, 9100 * KIB)


def test_members_that_could_share_much_share_it_once(tmp_path):
    for pid in (10, 11):
        status(tmp_path, pid, anon=1000, file=9000, shmem=500)
        rollup(tmp_path, pid, anon=1000, file=4500, shmem=250)
    assert holding([10, 11], tmp_path / "proc") == Held(2500 * KIB, 9000 * KIB)


def test_a_member_whose_pages_are_hidden_counts_in_full(tmp_path):
    for pid in (10, 11):
        status(tmp_path, pid, anon=1000, file=9000)
    rollup(tmp_path, 10, anon=1000, file=4500)
    assert holding([10, 11], tmp_path / "proc") == Held(2000 * KIB, 13500 * KIB)


HOLD = """
import mmap, os, sys
kind, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
print(flush=True); sys.stdin.readline()
if kind == "file":
    with open(path, "rb") as f:
        held = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ)
    sum(held[n] for n in range(0, size, 4096))
elif kind == "shared":
    held = mmap.mmap(-1, size); held.write(b"x" * 4096 * (size // 4096))
    if os.fork() == 0:
        sum(held[n] for n in range(0, size, 4096)); os.write(1, b"\\n"); os.read(0, 1); os._exit(0)
else:
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for n in range(0, size, 4096): held[n] = 1
if kind != "shared":
    print(flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(kind, path, size):
    """A process that stands still before it takes ``size`` bytes and after; each step is asked for by a line."""
    command = [sys.executable, "-c", HOLD, kind, str(path), str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()  # a child of its own sees the pipe close


def take(child):
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.stdout.readline()


@pytest.mark.parametrize(("kind", "anon", "file"), [("file", 0, 64 * MIB), ("anon", 64 * MIB, 0)])
def test_a_real_process_holds_what_it_took_and_mapped_files_are_told_apart(tmp_path, kind, anon, file):
    path = tmp_path / "weights"
    path.write_bytes(b"w" * 64 * MIB)
    with holder(kind, path, 64 * MIB) as child:
        before = holding([child.pid])
        take(child)
        after = holding([child.pid])
    assert after.anon - before.anon == pytest.approx(anon, abs=SLACK)
    assert after.file - before.file == pytest.approx(file, abs=SLACK)


def test_memory_that_a_real_tree_shares_counts_once(tmp_path):
    with holder("shared", tmp_path, 64 * MIB) as child:
        before = holding([child.pid])
        take(child)
        tree = [child.pid, *(process.pid for process in psutil.Process(child.pid).children())]
        assert len(tree) == 2
        assert holding(tree).anon - before.anon == pytest.approx(64 * MIB, abs=3 * SLACK)


READ = "import sys, pathlib; pathlib.Path(sys.argv[1]).read_bytes(); print(flush=True); sys.stdin.read()"


def fetched(path):
    """Bytes that a process which reads the whole file fetches from storage."""
    command = [sys.executable, "-c", READ, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        told = disk_read([child.pid])
        child.stdin.close()
    return told


def test_a_cold_file_is_fetched_from_storage_and_a_warm_one_is_not(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(16 * MIB))
    fetched(path)  # the interpreter itself is in the page cache from here on
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    cold, warm = fetched(path), fetched(path)
    if not cold:
        pytest.skip("the filesystem of the temporary folder is in memory, or does not count")
    assert cold >= 15 * MIB
    assert warm < 4 * MIB


def test_a_dead_process_tells_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert disk_read([child.pid]) is None
    assert disk_read([]) is None
    assert holding([child.pid]) is None
