"""What is set before an engine begins: real processes, asked how they stand and what reached them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from swapd.core.spec import Launch, Standing
from swapd.engines import wrap
from swapd.engines.wrap import Lacking, wrapped
from tests.processes import until

ENV = {"PATH": os.environ["PATH"], "HOME": "/x"}
TELL = """
import json, os, pathlib, sys, threading
go = threading.Event()
threads = [threading.Thread(target=go.wait) for _ in range(3)]
for thread in threads:
    thread.start()
tasks = [int(name) for name in os.listdir('/proc/self/task')]
open('made', 'w').close()
print(json.dumps({
    'pid': os.getpid(), 'argv': sys.argv[1:], 'env': dict(os.environ), 'umask': os.stat('made').st_mode & 0o777,
    'nice': [os.getpriority(os.PRIO_PROCESS, t) for t in tasks],
    'cpus': [sorted(os.sched_getaffinity(t)) for t in tasks],
    'oom': int(pathlib.Path('/proc/self/oom_score_adj').read_text()),
    'cgroup': pathlib.Path('/proc/self/cgroup').read_text(),
}), flush=True)
go.set()
"""
STRANGE = (
    "",
    "a b",
    "'",
    '"',
    "$HOME `id` $(id)",
    "two\nlines\n",
    "-n",
    "--",
    "\\",
    "*",
    "ü",
    "\udcff",
    "a=b",
    ";exit",
)
FIRST = min(os.sched_getaffinity(0))


def told(folder: Path, standing: Standing, procs: Path | None = None, args=(), env=ENV) -> tuple[dict, str]:
    """What the process says of itself, and what stands in its log."""
    argv, umask = wrapped((sys.executable, "-c", TELL, *args), standing, procs, env, str(folder))
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder, umask=umask
    ) as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    said = json.loads(out)
    assert said["pid"] == process.pid, "it is the same process all along"
    return said, err.decode()


def test_where_nothing_is_asked_nothing_is_wrapped():
    assert wrapped(("no-such-program", "x"), Standing(), None, {}, None) == (("no-such-program", "x"), -1)
    assert wrapped(("x",), Standing(umask=0o27), None, {}, None) == (("x",), 0o27)


@pytest.mark.proc
def test_every_thread_stands_as_it_was_asked(tmp_path):
    nice = os.getpriority(os.PRIO_PROCESS, 0) + 3
    said, log = told(tmp_path, Standing(nice=nice, cpus=(FIRST,), oom_score_adj=321, umask=0o027))
    assert said["nice"] == [nice] * 4
    assert said["cpus"] == [[FIRST]] * 4
    assert (said["oom"], oct(said["umask"])) == (321, "0o640")
    assert log == ""


@pytest.mark.proc
def test_what_was_not_asked_is_as_it_is_for_us_and_every_word_arrives_unchanged(tmp_path):
    said, log = told(tmp_path, Standing(oom_score_adj=5), args=STRANGE)
    assert tuple(said["argv"]) == STRANGE
    assert set(said["nice"]) == {os.getpriority(os.PRIO_PROCESS, 0)}
    assert said["cpus"][0] == sorted(os.sched_getaffinity(0))
    assert log == ""


def test_an_engine_is_not_spared_because_the_daemon_is(tmp_path, monkeypatch):
    """Root has not always the right to spare itself, so only a file says that it did."""
    monkeypatch.setattr(wrap, "_OWN_SCORE", tmp_path / "oom_score_adj")
    for own, asked, score in [("-100\n", None, "0"), ("-100\n", -50, "-50"), ("-100\n", 50, "50")]:
        (tmp_path / "oom_score_adj").write_text(own)
        assert wrapped(("sh",), Standing(oom_score_adj=asked), None, ENV, None)[0][4:6] == ("", score)
    (tmp_path / "oom_score_adj").write_text("100\n")
    assert wrapped(("sh",), Standing(), None, ENV, None)[0] == ("sh",)
    (tmp_path / "oom_score_adj").unlink()
    assert wrapped(("sh",), Standing(), None, ENV, None)[0] == ("sh",)


@pytest.mark.proc
def test_variables_that_a_shell_would_drop_are_kept(tmp_path):
    env = ENV | {"a.b": "x y", "é": "1", "C": "two\nlines"}
    said, _ = told(tmp_path, Standing(oom_score_adj=5), env=env)
    assert env.items() <= said["env"].items()


@pytest.mark.proc
def test_what_the_kernel_refuses_is_told_in_the_log_and_the_engine_starts_all_the_same(tmp_path):
    said, log = told(tmp_path, Standing(cpus=(8190,), oom_score_adj=7), tmp_path / "gone" / "cgroup.procs")
    assert (said["cpus"][0], said["oom"]) == (sorted(os.sched_getaffinity(0)), 7)
    assert f"swapd cannot put it into its cgroup {tmp_path}/gone/cgroup.procs, the engine starts without" in log
    assert "swapd cannot set cpus to 8190, the engine starts without" in log


@pytest.mark.proc
def test_a_wish_without_the_right_to_it_is_told_too(tmp_path, monkeypatch):
    """Root may do anything: so a program that says no sets it, and the file is one that takes nothing."""
    monkeypatch.setattr(wrap, "_tool", lambda key, env: "/bin/false")
    monkeypatch.setattr(wrap, "_SCRIPT", wrap._SCRIPT.replace("/proc/self/oom_score_adj", "/dev/full"))
    said, log = told(tmp_path, Standing(nice=-5, oom_score_adj=-900))
    assert set(said["nice"]) == {os.getpriority(os.PRIO_PROCESS, 0)}
    assert "swapd cannot set oom_score_adj to -900, the engine starts without" in log
    assert "swapd cannot set nice to -5, the engine starts without" in log


@pytest.fixture
async def cgroup():
    """A fresh cgroup of version 2, where we may make one."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    try:
        group = roots[0] / own.lstrip("/") / f"swapd-test-{os.getpid()}"
        group.mkdir()
    except (IndexError, OSError) as error:
        pytest.skip(f"no cgroup can be made here: {error!r}")
    yield group

    def removed() -> bool:
        try:
            group.rmdir()  # busy for a moment after the last process of it
        except OSError:
            return False
        return True

    await until(removed)


@pytest.mark.proc
async def test_a_process_is_in_its_cgroup_before_it_begins(tmp_path, cgroup):
    said, log = told(tmp_path, Standing(), cgroup / "cgroup.procs")
    assert said["cgroup"].splitlines()[-1].endswith(f"/{cgroup.name}")
    assert log == ""


NOWHERE = {"PATH": "/nowhere"}


@pytest.mark.parametrize(
    ("program", "env", "cwd"),
    [
        ("no-such-program", ENV, "{}"),
        ("./no-such-program", ENV, "{}"),
        ("/no/such/program", ENV, None),
        ("./notes", ENV, "{}"),
        ("notes", {"PATH": "/nowhere:{}"}, None),
        ("sh", NOWHERE, None),
        ("sh", ENV, "/no/such/folder"),
        ("/bin", ENV, None),
    ],
)
def test_what_cannot_be_started_is_left_to_who_says_so_best(tmp_path, program, env, cwd):
    (tmp_path / "notes").touch(0o644)
    env = {name: value.replace("{}", str(tmp_path)) for name, value in env.items()}
    folder = None if cwd is None else cwd.format(tmp_path)
    assert wrapped((program,), Standing(nice=3), None, env, folder) == ((program,), -1)
    with pytest.raises((FileNotFoundError, PermissionError)):
        subprocess.Popen([program], env=env, cwd=folder)


def test_a_program_is_found_where_the_engine_would_find_it(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").touch(0o755)
    places = [("./bin/tool", NOWHERE), ("tool", {"PATH": f"/nowhere:{tmp_path}/bin"}), ("tool", {"PATH": "bin"})]
    for program, env in places:
        argv, _ = wrapped((program, "-x"), Standing(oom_score_adj=3), None, env, str(tmp_path))
        assert (argv[0], *argv[-2:]) == ("/bin/sh", program, "-x")


def test_a_tool_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(wrap.shutil, "which", lambda name, path: None)
    why = "renice is not installed, which sets 'nice': install util-linux, or remove 'nice'"
    with pytest.raises(Lacking, match=why):
        wrapped(("sh",), Standing(nice=3), None, ENV, None)
    with pytest.raises(Lacking, match="taskset is not installed, which sets 'cpus'"):
        wrapped(("sh",), Standing(cpus=(0,)), None, ENV, None)
    assert wrapped(("sh",), Standing(oom_score_adj=1), None, ENV, None)[0][0] == "/bin/sh"


@pytest.mark.proc
async def test_an_engine_stands_as_its_launch_says_and_its_log_tells_what_was_refused(room):
    standing = Standing(cpus=(8190,), oom_score_adj=77, umask=0o077)
    run = room.fake(standing=standing)
    await room.ready(run)
    process = Path("/proc", str(room.supervisor.pid(run)))
    assert (process / "oom_score_adj").read_text() == "77\n"
    assert "Umask:\t0077" in (process / "status").read_text()
    assert await room.says("swapd cannot set cpus to ") == "8190, the engine starts without"
    room.kill(run)
    await room.exit(run)


@pytest.mark.proc
async def test_without_the_tool_that_it_needs_an_engine_is_not_started_and_the_client_is_told_why(
    room, monkeypatch
):
    monkeypatch.setattr(wrap.shutil, "which", lambda name, path: None)
    end = await room.exit(room.spawn(Launch(("true", "${port}"), standing=Standing(nice=5))))
    why = "renice is not installed, which sets 'nice': install util-linux, or remove 'nice'"
    assert end.reason == f"cannot start 'true': {why}"
