"""One mechanism for processes that we started and for those of an earlier life, and no stranger is ever met."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from swapd.engines import identity, leader
from swapd.engines import process as process_module
from swapd.engines import tree as tree_module
from swapd.engines.cgroup import Group
from swapd.engines.environment import HOUSE, MARKER, scrubbed
from swapd.engines.identity import hold, marked
from swapd.engines.leader import Leader
from swapd.engines.logs import Capture, LogBook
from swapd.engines.output import Outputs
from swapd.engines.proc import is_childless
from swapd.engines.process import Process
from swapd.engines.tree import Tree
from tests.bench import cycles
from tests.engines.test_cgroup import inside, ours  # noqa: F401  (fixtures)
from tests.processes import until

pytestmark = pytest.mark.proc
ROOT = Path(__file__).parent.parent.parent
KEEPER = f"""
import os, subprocess, sys
env = {{**os.environ, "{HOUSE}": sys.argv[1], "{MARKER}": sys.argv[2]}}
with subprocess.Popen(sys.argv[3:], env=env, start_new_session=True) as engine:
    print(engine.pid, flush=True)
"""


class Yard:
    """Where processes live that are somebody else's children, and reaped by that."""

    def __init__(self) -> None:
        self.house = uuid.uuid4().hex
        self.outputs = Outputs(None)
        self._keepers: list[subprocess.Popen[bytes]] = []

    def keep(self, *argv: str, marker: str = "run") -> int:
        """The pid of one, just started."""
        words = [sys.executable, "-c", KEEPER, self.house, marker, *argv]
        self._keepers.append(subprocess.Popen(words, stdout=subprocess.PIPE))
        return int(self._keepers[-1].stdout.readline())

    def adopt(self, *argv: str, group: Group | None = None) -> Process:
        """One, taken over."""
        who = identity.of(self.keep(*argv), "run")
        pidfd = hold(who)
        assert pidfd is not None
        return Process.adopted(who, pidfd, self.captured(), group)

    def start(self, *argv: str, marker: str = "run", group: Group | None = None) -> Process:
        """A child of our own."""
        env = scrubbed(os.environ, (), marker, self.house)
        return Process.started(argv, env, None, LogBook(), self.outputs.open("m"), group=group)

    def captured(self) -> Capture:
        """Of what writes nothing."""
        return Capture(LogBook(), self.outputs.open("m"))

    def living(self) -> list[int]:
        return [pid for run in marked(self.house) for pid in run.pids]

    def close(self) -> list[int]:
        """Who was left."""
        left = self.living()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for keeper in self._keepers:
            keeper.wait(5)
            keeper.stdout.close()
        self.outputs.close()
        return left


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    yard = Yard()
    yield yard
    assert yard.close() == []


def tells_ends() -> bool:
    """Whether the kernel tells how a process ended that is not our child."""
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 15)


@pytest.mark.skipif(not tells_ends(), reason="before Linux 6.15 nobody tells how another's child ended")
@pytest.mark.parametrize(("script", "code", "name"), [("exit 42", 42, None), ("kill -SEGV $$", None, "SIGSEGV")])
async def test_how_somebody_elses_child_ended_is_told_by_the_kernel(yard, monkeypatch, script, code, name):
    monkeypatch.setattr(leader, "REAPED", 5.0)  # its parent may have other work to do
    process = yard.adopt("sh", "-c", f"sleep 0.5; {script}")
    end = await asyncio.wait_for(process.wait(), 10)
    assert (end.code, end.signal) == (code, name)


async def test_where_nobody_tells_the_end_is_told_as_unknown(yard, monkeypatch):
    monkeypatch.setattr(leader, "_GET_INFO", 3 << 30 | 64 << 16 | 0xFF << 8 | 0xEE)
    process = yard.adopt("sleep", "0.5")
    end = await asyncio.wait_for(process.wait(), 5)
    assert (end.code, end.signal) == (None, None)
    assert str(end) == "ended, and how is not known: an earlier life of swapd had started it"


async def test_one_that_was_found_and_whose_end_cannot_be_heard_is_ended(yard, monkeypatch):
    """The desk is told that it is gone, and starts another in its place."""

    def none_left(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Leader, "on_exit", none_left)
        with pytest.raises(OSError, match="No space left"):
            yard.adopt("sleep", "600")
    await until(lambda: yard.living() == [])


async def test_one_that_its_parent_does_not_reap_ends_all_the_same(yard):
    pid = yard.keep("sleep", "600")
    keeper = psutil.Process(pid).parent()
    who = identity.of(pid, "run")
    keeper.suspend()
    try:
        process = Process.adopted(who, hold(who), yard.captured())
        await process.kill()
        end = await asyncio.wait_for(process.wait(), 5)
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert end.signal is None
        assert "not known" in str(end)
    finally:
        keeper.resume()


@pytest.fixture(params=["at once", "one by one"])
def group_signals(request, monkeypatch) -> None:
    """With and without a kernel (6.9) that can signal a group by a pidfd."""
    if request.param == "one by one":
        monkeypatch.setattr(leader, "WHOLE_GROUP", 1 << 20)


@pytest.mark.usefixtures("group_signals")
@pytest.mark.parametrize("born", ["adopt", "start"])
async def test_sigterm_goes_to_the_group_so_that_a_shell_in_front_hides_nobody(yard, born, tmp_path):
    script = (
        f"(trap 'echo heard > {tmp_path}/x; exit' TERM; echo > {tmp_path}/on; while :; do sleep 0.01; done)& wait"
    )
    process = getattr(yard, born)("sh", "-c", script)
    await until((tmp_path / "on").exists)
    await process.terminate()
    await until((tmp_path / "x").exists)
    await asyncio.wait_for(process.wait(), 5)


@pytest.mark.usefixtures("group_signals")
@pytest.mark.parametrize("born", ["adopt", "start"])
async def test_a_deaf_tree_is_gone_a_moment_after_its_kill(yard, born):
    script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600' & sleep 600 & while :; do sleep 600; done"
    process = getattr(yard, born)("sh", "-c", script)
    await until(lambda: len(yard.living()) == 5)
    await process.terminate()
    begun = time.monotonic()
    await process.kill()
    end = await asyncio.wait_for(process.wait(), 5)
    assert time.monotonic() - begun < 2, "0.02 s where nobody else computes"
    assert yard.living() == []
    assert end.hint is None


@pytest.mark.parametrize("known", [True, False], ids=["by its list of children", "without such lists"])
async def test_a_child_that_left_session_and_environment_is_found_by_its_parent(yard, monkeypatch, known):
    if not known:
        monkeypatch.setattr(tree_module, "is_childless", lambda pid: False)
    process = yard.start("sh", "-c", "env -i setsid sleep 600 & wait")
    assert await until(lambda: len(process.tree.members()) == 2)
    await process.kill()
    await asyncio.wait_for(process.wait(), 5)


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="a kernel without CONFIG_PROC_CHILDREN"
)
def test_only_who_has_no_child_in_any_thread_is_surely_childless():
    script = (
        "import subprocess, threading\n"
        "threading.Thread(target=lambda: (subprocess.Popen(['sleep', '600']), print(flush=True), input())).start()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline()
        (child,) = psutil.Process(parent.pid).children()
        assert (is_childless(parent.pid), is_childless(child.pid)) == (False, True)
        child.kill()
        parent.communicate(b"\n")
    assert not is_childless(parent.pid), "nothing is sure of one that is gone"


async def settled(group: Group, count: int) -> None:
    """So many are in it, each the sleeper that its shell had to become."""
    await until(lambda: [_name(pid) for pid in group.procs()] == ["sleep"] * count)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it is gone


async def test_what_lost_session_environment_and_parent_unseen_is_found_by_its_cgroup(yard, ours):  # noqa: F811
    group = ours.child("m", "run")
    script = f"echo 0 > {group.join_path}; (env -i setsid sleep 600 &); exec sleep 600"
    process = yard.start("sh", "-c", script, group=group)
    await settled(group, 2)
    os.kill(process.pid, signal.SIGKILL)
    end = await asyncio.wait_for(process.wait(), 5)
    assert end.signal == "SIGKILL"
    assert not group.path.exists()


async def test_an_adopted_one_is_ended_with_its_cgroup(yard, ours):  # noqa: F811
    group = ours.child("m", "run")
    script = f"echo 0 > {group.join_path}; (env -i setsid sleep 600 &); exec sleep 600"
    process = yard.adopt("sh", "-c", script, group=group)
    await settled(group, 2)
    assert process.tree.known({}) == sorted(group.procs())
    await process.kill()
    await asyncio.wait_for(process.wait(), 5)
    assert not group.path.exists()


async def test_orphans_of_a_cgroup_that_come_to_us_are_reaped(yard, ours):  # noqa: F811
    group = ours.child("m", "run")
    script = f"echo 0 > {group.join_path}; (setsid sleep 600 &); (env -i setsid sleep 600 &); exec sleep 600"
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    try:
        process = yard.start("sh", "-c", script, group=group)
        await settled(group, 3)
        await process.kill()
        await asyncio.wait_for(process.wait(), 5)
        assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []
    finally:
        libc.prctl(36, 0)


async def test_a_command_that_cannot_be_started_leaves_no_cgroup(yard, ours):  # noqa: F811
    group = ours.child("m", "run")
    with pytest.raises(process_module.CannotStart):
        yard.start("no-such-binary", group=group)
    assert not group.path.exists()


async def test_a_stranger_who_was_given_the_pid_is_not_met(yard):
    """A real one: the kernel is told which pid was the last, and gives the next."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    pid = yard.keep("sleep", "600")
    who = identity.of(pid, "run")
    ours = Process.adopted(who, hold(who), yard.captured())  # noqa: F811
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not psutil.pid_exists(pid))
    stranger = None
    for _ in range(200):  # others take pids too
        try:
            last.write_text(str(pid - 1))
        except OSError as error:
            await ours.wait()
            pytest.skip(f"cannot choose a pid: {error}")
        # A session of two, so that its members would be met as well.
        candidate = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True)
        if candidate.pid == pid:
            stranger = candidate
            break
        os.killpg(candidate.pid, signal.SIGKILL)
        candidate.wait()
    assert stranger is not None
    try:
        members = await until(lambda: [p for p in psutil.pids() if p != pid and _session(p) == pid])
        assert hold(who) is None
        assert ours.tree.members() == set()
        ours._leader_gone.clear()  # as if the news were not here yet
        await ours.terminate()
        await ours.kill()
        ours._leader_gone.set()
        await asyncio.wait_for(ours.wait(), 5)
        assert stranger.poll() is None
        assert [psutil.Process(member).status() != psutil.STATUS_ZOMBIE for member in members] == [True]
    finally:
        os.killpg(pid, signal.SIGKILL)
        stranger.wait()


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


async def test_a_session_whose_leader_is_gone_is_ours_while_one_of_ours_is_in_it(yard):
    pid = yard.keep("sh", "-c", "sleep 600 & env -i sleep 600 & wait")
    lost = Tree(pid, "another", lambda: False)
    assert lost.members() == set(), "nobody of it is surely ours"
    tree = Tree(pid, "run", lambda: False)
    while len(tree.members()) < 3:
        pass
    while tree.kill():
        pass


SECOND_LIFE = """
import asyncio, os, sys
from swapd.engines import identity
from swapd.engines.environment import scrubbed
from swapd.engines.logs import Capture, LogBook
from swapd.engines.output import Outputs
from swapd.engines.process import Process

async def first():
    environ = scrubbed(os.environ, (), "run", "house")
    child = Process.started(("sleep", "600"), environ, None, LogBook(), Outputs(None).open("m"))
    who = child.identity
    os.execv(sys.executable, [sys.executable, *sys.argv, str(who.pid), str(who.ticks), who.boot, who.marker])

async def second(pid, ticks, boot, marker):
    who = identity.Identity(int(pid), int(ticks), boot, marker)
    child = Process.adopted(who, identity.hold(who), Capture(LogBook(), Outputs(None).open("m")))
    os.kill(child.pid, 15)
    print(await child.wait())
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child is left")

words = sys.argv[1:]
asyncio.run(second(*words) if words else first())
"""


def test_a_daemon_that_executed_itself_anew_reaps_its_children_still(tmp_path):
    (tmp_path / "life.py").write_text(SECOND_LIFE)
    told = run_alone(tmp_path / "life.py")
    assert told == "killed by SIGTERM\nno child is left\n"


IGNORANT = """
import asyncio, os, signal
from swapd.engines.environment import scrubbed
from swapd.engines.leader import expect_children
from swapd.engines.logs import LogBook
from swapd.engines.output import Outputs
from swapd.engines.process import Process

assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
expect_children()

async def main():
    environ = scrubbed(os.environ, (), "run", "house")
    output = Outputs(None).open("m")
    print(await Process.started(("sh", "-c", "exit 3"), environ, None, LogBook(), output).wait())

asyncio.run(main())
"""


def test_a_parent_that_ignores_children_does_not_keep_an_end_from_us(tmp_path):
    (tmp_path / "life.py").write_text(IGNORANT)
    assert run_alone(tmp_path / "life.py", "--ignore") == "exited with code 3\n"


def run_alone(script: Path, *how: str) -> str:
    """What it prints, in a process of its own."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN) if how else signal.getsignal(signal.SIGCHLD)
    try:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            restore_signals=False,
        )
    finally:
        signal.signal(signal.SIGCHLD, before)
    told, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    return told


async def test_a_look_that_hangs_holds_up_neither_signal_nor_end(yard, monkeypatch, caplog):
    """Reading /proc waits for a process whose memory a driver holds; anybody's."""
    monkeypatch.setattr(process_module, "SCAN_BOUND", 0.05)
    monkeypatch.setattr(process_module, "KILL_BOUND", 0.1)
    process = yard.start("sh", "-c", "trap '' TERM; sleep 600 & while :; do sleep 600; done")
    await until(lambda: len(yard.living()) == 3)
    until_the_end = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(tree_module, "variables", lambda _: [b"" for _ in [until_the_end.wait()]])
        await process.kill()
        end = await asyncio.wait_for(process.wait(), 5)
        assert process.tree.known({}) == [], "and it can be asked meanwhile"
        until_the_end.set()
    assert end.signal == "SIGKILL"
    assert "they do not react" in caplog.text
    await until(lambda: yard.living() == [])


async def test_without_a_thread_for_the_look_the_group_is_ended_all_the_same(yard, monkeypatch, caplog):
    process = yard.start("sh", "-c", "sleep 600 & wait")
    await until(lambda: len(yard.living()) == 2)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        await process.kill()
        assert (await asyncio.wait_for(process.wait(), 5)).signal == "SIGKILL"
    assert "can't start new thread" in caplog.text
    await until(lambda: yard.living() == [])


async def test_an_engine_may_open_as_many_files_as_we_might_at_first(yard, monkeypatch):
    monkeypatch.setattr(process_module, "OPEN_FILES", 77)
    process = yard.start("sleep", "600")
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == 77
    await process.kill()
    await process.wait()


async def test_an_umask_of_its_own(yard, tmp_path):
    env = scrubbed(os.environ, (), "run", yard.house)
    touch = ("touch", str(tmp_path / "x"))
    process = Process.started(touch, env, None, LogBook(), yard.outputs.open("m"), umask=0o077)
    assert (await process.wait()).code == 0
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


async def test_a_leader_that_was_let_go_meets_nobody(yard):
    pid = yard.keep("sleep", "600")
    held = Leader(pid, hold(identity.of(pid, "run")))
    assert held.is_held()
    held.close()
    held.close()
    assert not held.is_held()
    assert held.signal_group(signal.SIGKILL), "nothing is left to be done by other means"
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not psutil.pid_exists(pid))


def test_thirty_lives_leave_no_descriptor_no_thread_and_no_zombie():
    found = cycles.measure(rounds=30, deaf=1)
    early, late = found["early"], found["late"]
    assert late["files"] == early["files"]
    assert late["threads"] == early["threads"]
    assert late["children"] == early["children"], "the watchdog, and whoever else this process has"
    assert max(found["kills"]) < 2, "0.02 s where nobody else computes"
