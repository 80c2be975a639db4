"""Daemons that die at bad moments, and who sees to their engines then. No loop is in it: one is enough."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from swapd.engines import ground as ground_module
from swapd.engines import house as house_module
from swapd.engines import logfiles, reaper, record
from swapd.engines.cgroup import Group
from swapd.engines.environment import HOUSE, MARKER
from swapd.engines.ground import Watchdog
from swapd.engines.house import DAEMON, WATCHED, House, enter, sign, take
from swapd.engines.output import FLAGS
from tests.processes import MARK, marked, until

SCRIPT = f"""
import os, sys
from pathlib import Path
from subprocess import DEVNULL, Popen
from swapd.engines.ground import Watchdog
from swapd.engines.house import enter

folder, within, command = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
house = enter(folder)
watchdog = Watchdog(house, os.environ, within)
watchdog.begin()
env = {{**os.environ, "{MARKER}": "run", "{HOUSE}": house.id}}
engine = Popen(["sh", "-c", command], env=env, start_new_session=True, stdout=DEVNULL)
print(watchdog.held[0], engine.pid, house.id, flush=True)
sys.stdin.read()
"""


class Dead:
    """A daemon that was killed, with one engine up."""

    def __init__(self, folder: Path, within: float, command: str) -> None:
        argv = [sys.executable, "-c", SCRIPT, str(folder), str(within), command]
        self.daemon = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.daemon.stdout is not None
        watchdog, engine, self.id = self.daemon.stdout.readline().split()
        self.watchdog, self.engine = psutil.Process(int(watchdog)), psutil.Process(int(engine))

    def die(self) -> Dead:
        self.daemon.kill()
        self.daemon.communicate()
        return self


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def daemon(tmp_path, monkeypatch) -> Iterator[Callable[..., Dead]]:
    """Starts one; what is left of it at the end is killed."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    started: list[Dead] = []

    def start(folder: Path = tmp_path / "state", within: float = 0.3, command: str = "sleep 600") -> Dead:
        started.append(Dead(folder, within, command))
        return started[-1]

    yield start
    for each in started:
        each.die()
    for line in marked(mark):
        if int(line.split()[0]) != os.getpid():
            os.kill(int(line.split()[0]), signal.SIGKILL)


async def test_the_engines_of_a_successor_that_dies_before_it_has_a_watchdog_are_ended(daemon, tmp_path):
    first = daemon(within=2)
    first.die()
    house = enter(tmp_path / "state")
    assert house.id == first.id
    await until(lambda: first.watchdog.status() == psutil.STATUS_SLEEPING)
    assert not is_gone(first.engine)
    house.leave()  # as the kernel does for one that was killed, or could not have its address
    await until(lambda: is_gone(first.engine))
    await until(lambda: is_gone(first.watchdog))


async def test_a_watchdog_leaves_once_the_successor_has_one_of_its_own(daemon, tmp_path):
    first = daemon(within=60).die()
    house = enter(tmp_path / "state")
    assert house.lock is not None
    sign(house.lock, WATCHED)
    await until(lambda: is_gone(first.watchdog))
    assert not is_gone(first.engine)
    house.leave()


@pytest.mark.parametrize("happens", ["removed", "replaced"])
async def test_where_the_state_folder_is_another_one_now_the_engines_are_ended_at_once(daemon, tmp_path, happens):
    """Whoever comes finds no trace of them there."""
    first, folder = daemon(within=60), tmp_path / "state"
    shutil.rmtree(folder)
    if happens == "replaced":
        other = enter(folder)
        assert other.id != first.id
    first.die()
    await until(lambda: is_gone(first.engine))
    if happens == "replaced":
        assert house_module.holder(folder).startswith(DAEMON)
        other.leave()


async def test_the_engines_of_a_daemon_that_can_keep_no_record_are_ended_with_it(daemon, tmp_path):
    (tmp_path / "state").touch()
    dead = daemon(within=60).die()
    await until(lambda: is_gone(dead.engine))


async def test_a_watchdog_that_was_killed_is_replaced_with_the_next_engine(tmp_path, caplog):
    house = enter(tmp_path)
    watchdog = Watchdog(house, os.environ, 60)
    watchdog.begin()
    assert watchdog.held is not None
    first = watchdog.held[0]
    watchdog.begin()
    assert watchdog.held[0] == first
    os.kill(first, signal.SIGKILL)
    await until(lambda: is_gone(psutil.Process(first)))
    watchdog.begin()
    assert watchdog.held[0] != first
    assert f"the watchdog (pid {first}) is gone" in caplog.text
    assert house_module.holder(tmp_path) == f"{WATCHED} {os.getpid()}"
    watchdog.end()
    house.leave()


@pytest.mark.parametrize("lacking", ["pipe2", "popen"])
def test_without_a_watchdog_engines_are_served_all_the_same(tmp_path, monkeypatch, caplog, lacking):
    def fails(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    house = enter(tmp_path)
    before = set(Path("/proc/self/fd").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(*((os, "pipe2") if lacking == "pipe2" else (ground_module, "_popen")), fails)
        Watchdog(house, os.environ, 60).begin()
    assert "cannot start the watchdog: Too many open files" in caplog.text
    assert set(Path("/proc/self/fd").iterdir()) == before
    house.leave()


# Logs that nobody reads.


async def test_what_engines_write_meanwhile_stays_within_bounds(daemon, tmp_path):
    log = tmp_path / "state" / "logs" / "m.log"
    words = f"mkdir -p {log.parent}; exec >> {log}; head -c 12000000 /dev/zero; echo last words; exec sleep 600"
    daemon(within=60, command=words).die()
    await until(lambda: log.exists() and log.stat().st_size > 12_000_000 and log.stat().st_blocks * 512 < 1 << 20)
    assert log.read_bytes().endswith(b"last words\n")


@pytest.mark.parametrize("can_free", [True, False])
def test_what_is_in_memory_stays_within_bounds_too_and_what_is_small_is_let_be(tmp_path, monkeypatch, can_free):
    if not can_free:
        monkeypatch.setattr(logfiles, "free", lambda *_: False)
    first = os.memfd_create(f"{logfiles.MEMORY}m")
    fd = os.open(f"/proc/self/fd/{first}", FLAGS)
    engine = subprocess.Popen(["sleep", "600"], stdout=fd)
    for size, left in [(2 * logfiles.LIMIT, 2 * logfiles.LIMIT), (1 << 20, logfiles.LAST if can_free else 0)]:
        os.write(fd, b"x" * size)
        logfiles.keep_in_bounds(tmp_path, [engine.pid])
        assert left <= os.fstat(fd).st_blocks * 512 <= left + logfiles.BLOCK
    engine.kill()
    engine.wait()
    os.close(first)
    os.close(fd)


def test_what_only_has_the_name_of_a_log_is_not_touched(tmp_path):
    logs, victim = tmp_path / "logs", tmp_path / "victim"
    logs.mkdir()
    victim.write_bytes(b"x" * (3 * logfiles.LIMIT))
    (logs / "link.log").symlink_to(victim)
    (logs / "folder.log").mkdir()
    os.mkfifo(logs / "pipe.log")
    logfiles.keep_in_bounds(tmp_path, [])
    assert victim.stat().st_blocks * 512 >= 3 * logfiles.LIMIT


# Reaping.


async def test_who_reaps_waits_for_a_watchdogs_look_and_not_for_a_daemon(tmp_path):
    lock = take(tmp_path, DAEMON)
    sign(lock, WATCHED)
    with pytest.raises(BlockingIOError, match=rf"another swapd \(pid {os.getpid()}\) uses"):
        take(tmp_path, DAEMON)
    later = threading.Timer(0.2, os.close, [lock])
    later.start()
    os.close(take(tmp_path, DAEMON))
    later.join()


def test_a_disk_that_takes_no_record_is_said_and_all_are_ended_all_the_same(tmp_path, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "write", full)
    house = enter(tmp_path)
    engine = subprocess.Popen(["sleep", "600"], env={MARKER: "run", HOUSE: house.id}, start_new_session=True)
    assert reaper.reap(house) == 1
    assert engine.wait() == -signal.SIGTERM, "asked first, though it is in no record"
    assert "No space left on device" in caplog.text
    house.leave()


def test_a_stranger_who_was_given_the_pid_of_one_of_the_cgroup_is_not_killed():
    stranger = subprocess.Popen(["sleep", "600"])
    group = SimpleNamespace(procs=list)
    assert reaper._kill_all([stranger.pid, 1 << 22], group) == set()  # type: ignore[arg-type]
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_who_carries_the_mark_of_an_engine_in_its_own_shell_does_not_end_itself(tmp_path):
    """Somebody copied an engine's environment, to try its command by hand, and then starts swapd there."""
    code = "import sys; from swapd.engines.identity import marked; print(marked(sys.argv[1]))"
    env = {**os.environ, MARKER: "run", HOUSE: "here", "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = ["sh", "-c", '"$0" -c "$1" here; exit', sys.executable, code]
    assert subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout == "[]\n"


# The house.


def test_a_folder_in_the_place_of_one_that_was_removed_is_another_house(tmp_path):
    """Its number may be the same, which file systems give anew at once; the lock's cannot while it is held."""
    first = enter(tmp_path / "state")
    shutil.rmtree(tmp_path / "state")
    second = enter(tmp_path / "state")
    assert second.folder is not None
    assert second.lock is not None
    assert first.id != second.id
    shutil.rmtree(tmp_path / "state")
    handed = enter(tmp_path / "state", second.lock)
    assert handed.id == second.id, "whoever executes itself anew finds its engines all the same"
    assert handed.folder is not None
    assert handed.folder.is_dir()
    first.leave()
    second.leave()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path, caplog):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").symlink_to(victim)
    assert enter(tmp_path / "state").folder is None
    assert "engines do not outlive this daemon" in caplog.text
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_reaps_as_the_one_whose_engines_they_are(tmp_path):
    os.chown(tmp_path, 12345, 54321)
    code = (
        "import os, sys; from pathlib import Path; from swapd.engines.house import become_owner;"
        "become_owner(Path(sys.argv[1])); print(os.getresuid(), os.getresgid(), os.getgroups())"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", code, str(tmp_path)]
    told = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    assert told == f"{(12345,) * 3} {(54321,) * 3} []\n"


def test_groups_whose_names_are_cut_are_not_shared(tmp_path):
    group, name = Group(tmp_path), "名" * 50
    one, two = group.child(f"{name}-1", "a" * 32), group.child(f"{name}-2", "b" * 32)
    assert one is not None
    assert two is not None
    assert one.path != two.path


def test_a_house_that_is_nobodys_has_a_name_of_its_own():
    assert House(None, None).id != House(None, None).id
