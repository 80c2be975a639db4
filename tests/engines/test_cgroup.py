"""A cgroup of its own holds an engine together whatever it does; and none is touched that nobody gave us.

Real ones: a group is made by hand and noted as delegated, the way systemd does.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from swapd.engines import cgroup
from swapd.engines.cgroup import Group, around, delegated
from tests.processes import until

pytestmark = pytest.mark.proc
FORK_STORM = "while :; do (setsid sh -c 'sleep 0.05; setsid sleep 600' & ); sleep 0.01; done"


def test_where_cgroup_v2_is_mounted_is_read_whatever_its_name():
    lines = [
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755",
        "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd",
        r"41 31 0:38 /a\040b /sys/fs/c\134d rw,relatime shared:5 - cgroup2 cgroup2 rw",
    ]
    assert list(cgroup._mounts(lines)) == [(Path("/a b"), Path("/sys/fs/c\\d"))]


@pytest.fixture
def inside() -> Iterator[Path]:
    """A cgroup, with the test in it. Not delegated to anybody yet."""
    home = cgroup._path_of(os.getpid())
    made = home and home / f"swapd-test-{uuid.uuid4().hex}"
    try:
        if made is None:
            raise OSError("there is no cgroup v2 here")
        made.mkdir()
        (made / "cgroup.procs").write_text("0")
        if not (made / "cgroup.kill").exists():
            raise OSError("this kernel cannot kill a cgroup")
    except OSError as error:
        if made is not None and made.exists():
            (home / "cgroup.procs").write_text("0")
            made.rmdir()
        pytest.skip(f"cannot make a cgroup: {error}")
    yield made
    (home / "cgroup.procs").write_text("0")
    (made / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 5
    while "populated 1" in (made / "cgroup.events").read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    for folder, _, _ in os.walk(made, topdown=False):
        Path(folder).rmdir()


@pytest.fixture
def ours(inside) -> Group:
    """That, given to us."""
    note(inside)
    group = delegated()
    assert group is not None
    return group


def note(path: Path) -> None:
    for name in ("trusted.delegate", "user.delegate"):
        try:
            os.setxattr(path, name, b"1")
        except OSError as error:
            refused = error
        else:
            return
    pytest.skip(f"cannot note on a cgroup that it is delegated: {refused}")


def joined(group: Group, *argv: str, **more) -> subprocess.Popen[bytes]:
    """A command that is in the group before it begins."""
    join = ["sh", "-c", 'echo 0 > "$0"; exec "$@"', str(group.join_path), *argv]
    return subprocess.Popen(join, start_new_session=True, **more)


def test_a_cgroup_that_nobody_gave_us_is_not_ours_even_if_we_are_root(inside, monkeypatch):
    assert delegated() is None
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert delegated() is None, "it is root's"


def test_what_systemd_noted_as_delegated_is_ours_and_we_stay_where_we_are(inside):
    note(inside)
    group = delegated()
    assert group is not None
    assert group.path == inside
    assert os.getpid() in group.procs()


def test_one_that_belongs_to_our_user_is_ours(inside, monkeypatch):
    os.chown(inside, 65534, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert delegated() is not None


def test_one_that_is_hidden_or_read_only_is_not(inside, monkeypatch):
    note(inside)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        assert delegated() is None
    with monkeypatch.context() as patch:
        patch.setattr(cgroup, "_mounts", lambda _: iter([(Path("/elsewhere"), Path("/sys"))]))
        assert delegated() is None


async def test_a_fork_storm_that_leaves_session_environment_and_parents_dies_at_once(ours):
    group = ours.child("org/model:7b", "run")
    assert group.path.name == "engine-org%2Fmodel%3A7b"
    with joined(group, "env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", FORK_STORM):
        await until(lambda: len(group.procs()) > 10)
        assert group.is_populated()
        group.kill()
        await until(lambda: not group.is_populated())
        assert group.procs() == []
    group.remove()
    assert not group.path.exists()


def test_what_an_engine_made_below_is_of_its_group_and_goes_with_it(ours):
    group = ours.child("m", "run")
    below = group.path / "worker"
    below.mkdir()
    with joined(Group(below), "sleep", "600") as process:
        while process.pid not in group.procs():
            assert process.poll() is None
        group.remove()
        assert below.exists(), "somebody lives there"
        group.kill()
        process.wait(5)
    group.remove()
    assert not group.path.exists()


def test_nobody_moves_in_with_who_lives_there_of_an_earlier_life(ours):
    first = ours.child("m-1", "old")
    with joined(first, "sleep", "600") as process:
        while process.pid not in first.procs():
            assert process.poll() is None
        second = ours.child("m-1", "new")
        assert second.path != first.path
        assert second.procs() == []
        process.kill()
    assert ours.child("m-1", "newer").path == first.path, "it is empty by now"
    assert delegated() is not None
    assert [path for path in ours.path.iterdir() if path.is_dir()] == [], "what is empty is removed at the start"


def test_a_process_is_found_in_the_group_that_was_made_for_its_run_and_in_no_other(ours):
    group = ours.child("m", "run")
    with joined(group, "sleep", "600") as process:
        while process.pid not in group.procs():
            assert process.poll() is None
        assert around(process.pid, "run").path == group.path
        assert around(process.pid, "another") is None
        assert around(os.getpid(), "run") is None, "the daemon's own is nobody's"
        process.kill()
    assert around(process.pid, "run") is None


def test_that_none_can_be_made_is_said_once(ours, caplog):
    gone = Group(ours.path / "gone")
    assert gone.child("m", "run") is None
    assert gone.child("m", "run") is None
    assert len(caplog.records) == 1
    assert "cannot make a cgroup for m" in caplog.text
    assert not gone.is_populated()
    gone.remove()
