"""Engines that listen on Unix sockets: where those are, that nobody else gets in, that nothing stays."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import socket
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from swapd.core.commands import Kill, Spawn
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, EngineSick, Event
from swapd.core.spec import Launch
from swapd.engines import vanishing
from swapd.engines.furnished import furnished
from swapd.engines.places import Places
from swapd.engines.ports import NoPort, Ports
from swapd.engines.sockets import NoSocket, Sockets
from tests.engines.conftest import WHY
from tests.processes import FAKE, until

LISTENING = (sys.executable, str(FAKE), "--host", "${socket}")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"RUNTIME_DIRECTORY": "{}/run:{}/other", "XDG_RUNTIME_DIR": "{}/user"}, "run/engines"),
        ({"XDG_RUNTIME_DIR": "{}/user"}, "user/swapd/engines"),
    ],
)
def test_sockets_are_in_a_folder_of_our_own_that_nobody_else_may_enter(tmp_path, environ, folder):
    (tmp_path / "run").mkdir()
    (tmp_path / "user").mkdir()
    sockets = Sockets({name: value.format(tmp_path, tmp_path) for name, value in environ.items()})
    first, second = Path(sockets.take()), Path(sockets.take())
    assert first.parent == second.parent == tmp_path / folder
    assert first != second
    assert first.suffix == ".sock"
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700


def test_without_a_runtime_folder_a_temporary_one_is_made_and_goes_again():
    sockets = Sockets({})
    folder = Path(sockets.take()).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    sockets.close()
    assert not folder.exists()
    assert Path(sockets.take()).parent.is_dir()
    sockets.close()


def test_a_path_that_is_too_long_for_a_socket_is_told_and_not_used(tmp_path, caplog):
    def named(length: int) -> Path:
        (tmp_path / ("x" * length)).mkdir()
        sockets = Sockets({"RUNTIME_DIRECTORY": str(tmp_path / ("x" * length)), "XDG_RUNTIME_DIR": str(tmp_path)})
        return Path(sockets.take())

    room = 107 - len(f"{tmp_path}//engines/12345678.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(named(room)))  # the kernel's own opinion of the longest one
    assert named(room + 1).parent == tmp_path / "swapd" / "engines"
    assert "has 108 bytes, and a Unix socket's has 107 at most" in caplog.text


def unusable(kind: str, tmp_path: Path) -> str:
    """A value of $RUNTIME_DIRECTORY that will not do."""
    base = tmp_path / kind
    match kind:
        case "missing":
            return str(base)
        case "file":
            base.touch()
            return str(base)
        case "relative":
            return kind
    base.mkdir()
    match kind:
        case "entered by others":
            (base / "engines").mkdir()
            (base / "engines").chmod(0o755)
        case "a link":
            (tmp_path / "target").mkdir(0o700)
            (base / "engines").symlink_to(tmp_path / "target")
        case "unwritable":
            (base / "engines").mkdir()
            (base / "engines").chmod(0o500)
    return str(base)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("missing", "No such file"),
        ("file", "Not a directory"),
        ("relative", "no absolute path"),
        ("entered by others", "not ours alone to enter"),
        ("a link", "Not a directory"),
        ("unwritable", "not ours alone to enter and to write to"),
    ],
)
def test_a_place_that_will_not_do_is_told_once_and_the_next_is_used(tmp_path, monkeypatch, caplog, kind, why):
    if kind == "unwritable":
        monkeypatch.setattr(os, "access", lambda path, mode: kind not in str(path))  # root may write anywhere
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user").mkdir()
    environ = {"RUNTIME_DIRECTORY": unusable(kind, tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "user")}
    sockets = Sockets(environ)
    assert Path(sockets.take()).parent == tmp_path / "user" / "swapd" / "engines"
    shutil.rmtree(tmp_path / "user" / "swapd")
    assert Path(sockets.take()).parent.is_dir()
    assert [r.getMessage().partition(": ")[0] for r in caplog.records] == [
        f"cannot have a folder for sockets in $RUNTIME_DIRECTORY ({environ['RUNTIME_DIRECTORY']})"
    ]
    assert why in caplog.text
    assert not (tmp_path / "relative").exists()


def test_without_any_place_it_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setattr("swapd.engines.sockets.SHORTEST", str(tmp_path / "gone"))
    with pytest.raises(
        NoSocket, match=r"cannot have a folder for sockets in .*: .*No such file.*; set RUNTIME_DIR"
    ):
        Sockets({}).take()


def leave(path: Path) -> None:
    """What an engine leaves that was killed."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def test_what_a_killed_daemon_left_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "engines"
    folder.mkdir(0o700)
    leave(folder / "0123abcd.sock")
    leave(folder / "another.sock")
    leave(tmp_path / "target")
    (folder / "89abcdef.sock").symlink_to(tmp_path / "target")
    (folder / "00000000.sock").touch()
    first = Sockets({"RUNTIME_DIRECTORY": str(tmp_path)})
    living = Path(first.take())
    kept = ["00000000.sock", "89abcdef.sock", "another.sock"]
    assert sorted(path.name for path in folder.iterdir()) == kept
    assert (tmp_path / "target").exists()
    leave(living)
    Sockets({"RUNTIME_DIRECTORY": str(tmp_path)}).take()
    assert living.exists(), "the daemon that gave it out lives"


def test_two_daemons_that_begin_at_once_share_the_folder(tmp_path, monkeypatch, caplog):
    (tmp_path / "engines").mkdir(0o700)
    other = os.open(tmp_path / "engines", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it sweeps
    monkeypatch.setattr(time, "sleep", lambda _: os.close(other))
    assert Path(Sockets({"RUNTIME_DIRECTORY": str(tmp_path)}).take()).parent == tmp_path / "engines"
    assert not caplog.records


def test_a_folder_that_somebody_keeps_for_himself_is_not_waited_for_long(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("swapd.engines.folders.SWEEP", 0.005)
    (tmp_path / "engines").mkdir(0o700)
    other = os.open(tmp_path / "engines", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sockets = Sockets({"RUNTIME_DIRECTORY": str(tmp_path)})
    assert Path(sockets.take()).parent != tmp_path / "engines"
    assert "temporarily unavailable" in caplog.text
    sockets.close()
    os.close(other)


def test_temporary_folders_of_killed_daemons_are_swept_and_those_of_the_living_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, full = tmp_path / "swapd-engines-dead0000", tmp_path / "swapd-engines-full0000"
    for folder in (dead, full, tmp_path / "target"):
        folder.mkdir(0o700)
        leave(folder / "0123abcd.sock")
    (full / "notes").touch()
    for folder in (dead, full):
        os.utime(folder, (0, 0))
    fresh = tmp_path / "swapd-engines-fresh000"  # its daemon has not locked it yet
    fresh.mkdir(0o700)
    (tmp_path / "swapd-engines-link0000").symlink_to(tmp_path / "target")
    first, second = Sockets({}), Sockets({})
    living = Path(first.take()).parent
    assert Path(second.take()).parent != living
    assert living.is_dir()
    assert not dead.exists()
    assert fresh.is_dir()
    assert [path.name for path in full.iterdir()] == ["notes"]
    assert (tmp_path / "target" / "0123abcd.sock").exists()
    first.close()
    second.close()
    assert not living.exists()


def engine_at(path: Path) -> socket.socket:
    """One that outlived its daemon."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(0)
    return server


def die(sockets: Sockets) -> None:
    """As a daemon does that is killed: its locks go, and nothing else."""
    for folder in sockets._folders:
        os.close(folder._fd)


def test_no_sweep_removes_a_socket_that_somebody_listens_on(tmp_path):
    folder = tmp_path / "engines"
    folder.mkdir(0o700)
    leave(folder / "00000000.sock")
    full = str(folder / "22222222.sock")
    callers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    sockets = Sockets({"RUNTIME_DIRECTORY": str(tmp_path)})
    with engine_at(folder / "11111111.sock"), engine_at(Path(full)), callers[0], callers[1]:
        for caller in callers:  # nobody is accepted: there is no place left to wait in
            caller.setblocking(False)
        assert [caller.connect_ex(full) for caller in callers] == [0, errno.EAGAIN]
        sockets.take()
        assert sorted(path.name for path in folder.iterdir()) == ["11111111.sock", "22222222.sock"]
    sockets.close()
    sockets.take()
    assert list(folder.iterdir()) == [], "when the engine is gone too, the next sweep takes it away"
    sockets.close()


def test_a_successor_keeps_the_sockets_it_claims_and_hands_out_others_beside_them(tmp_path):
    folder = tmp_path / "engines"
    folder.mkdir(0o700)
    for name in ("00000000", "11111111", "22222222"):  # 1 and 2 do not listen yet
        leave(folder / f"{name}.sock")
    sockets = Sockets({"RUNTIME_DIRECTORY": str(tmp_path)})
    claimed = [folder / "11111111.sock", folder / "22222222.sock"]
    sockets.claim(map(str, claimed))
    assert sorted(folder.iterdir()) == claimed
    assert Path(sockets.take()).parent == folder
    Sockets({"RUNTIME_DIRECTORY": str(tmp_path)}).take()
    assert sorted(folder.iterdir()) == claimed, "another daemon sees that it is held"
    sockets.give_back(str(claimed[0]))
    assert list(folder.iterdir()) == claimed[1:]
    sockets.close()


def test_a_temporary_folder_outlives_its_daemon_with_the_engine_and_is_held_by_the_successor(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = Sockets({})
    path = Path(first.take())
    with engine_at(path):
        die(first)
        os.utime(path.parent, (0, 0))
        stranger = Sockets({})
        stranger.take()
        assert path.exists(), "it was swept by another daemon of the user, and spared"
        second = Sockets({})
        second.claim([str(path)])
        assert Path(second.take()).parent == path.parent
    os.utime(path.parent, (0, 0))
    Sockets({}).take()
    assert path.exists(), "it is held"
    second.give_back(str(path))
    second.close()
    stranger.close()
    assert not path.parent.exists()


def test_a_claimed_folder_that_somebody_sweeps_just_now_is_waited_for(tmp_path, monkeypatch, caplog):
    folder = tmp_path / "swapd-engines-dead0000"
    folder.mkdir(0o700)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    monkeypatch.setattr(time, "sleep", lambda _: os.close(other))
    sockets = Sockets({})
    sockets.claim([str(folder / "00000000.sock")])
    assert Path(sockets.take()).parent == folder
    assert not caplog.records
    sockets.close()


def test_a_claimed_folder_that_cannot_be_kept_is_told_and_another_one_is_used(tmp_path, caplog):
    sockets = Sockets({"RUNTIME_DIRECTORY": str(tmp_path)})
    sockets.claim([f"{tmp_path}/gone/00000000.sock"])
    assert "cannot keep the folder of the sockets of engines that run: [Errno 2]" in caplog.text
    assert Path(sockets.take()).parent == tmp_path / "engines"


def test_places_that_engines_have_already_are_given_to_no_other(tmp_path):
    ports = Ports()
    two = sorted(ports.take() for _ in range(2))
    places = Places(Ports(two, start=0), Sockets({"RUNTIME_DIRECTORY": str(tmp_path)}))
    folder = tmp_path / "engines"
    folder.mkdir(0o700)
    leave(folder / "00000000.sock")
    by_port, by_path = Endpoint("127.0.0.1", two[0]), Endpoint("localhost", 0, str(folder / "00000000.sock"))
    places.claim(by_port, by_path)
    assert (folder / "00000000.sock").exists()
    assert places.take(Launch(("x", "${port}"))) == {"port": str(two[1])}
    with pytest.raises(NoPort):
        places.take(Launch(("x", "${port}")))
    places.give_back(by_port)
    places.give_back(by_path)
    assert places.take(Launch(("x", "${port}"))) == {"port": str(two[0])}
    assert list(folder.iterdir()) == []
    places.close()


@pytest.fixture
async def house(tmp_path):
    """A supervisor without a single port, what it posted, and its folder of sockets."""
    events: list[Event] = []
    environ = {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)}
    ports = Ports([9398], start=0)
    with suppress(NoPort):
        ports.take()
    house = furnished(events.append, find_binary=lambda: None, environ=environ, ports=ports)
    yield house, events, tmp_path / "engines"
    await house.aclose()


@pytest.mark.proc
async def test_an_engine_answers_on_its_socket_takes_no_port_and_leaves_no_file(house):
    supervisor, events, folder = house
    supervisor.perform(Spawn(RunId("m", 1), Launch((*LISTENING, "--load-seconds", "0.05")), WHY))
    where = (await until(lambda: [e for e in events if isinstance(e, EngineReady)]))[0].endpoint
    assert str(where) == f"unix:{where.path}"
    assert [str(path) for path in folder.iterdir()] == [where.path]
    reader, writer = await asyncio.open_unix_connection(where.path)
    writer.write(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await reader.readline()
    writer.close()
    supervisor.perform(Kill(RunId("m", 1)))
    await until(lambda: [e for e in events if isinstance(e, EngineExited)])
    assert list(folder.iterdir()) == []


@pytest.mark.proc
async def test_a_start_that_fails_leaves_no_socket_and_one_without_a_place_says_why(house, monkeypatch):
    supervisor, events, folder = house
    for n, argv in enumerate([("no-such-binary", "${socket}"), ("x", "${port}")]):
        supervisor.perform(Spawn(RunId("m", n), Launch(argv), WHY))
        await until(lambda: len(events) == n + 1)  # noqa: B023  (awaited here and now)
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(supervisor._workshop._places._sockets, "_places", ())
    shutil.rmtree(folder)
    supervisor.perform(Spawn(RunId("m", 3), Launch(("x",), env=(("WHERE", "${socket}"),)), WHY))
    await until(lambda: len(events) == 3)
    assert "or let the engine listen on a port" in events[2].exit.reason


@pytest.mark.proc
async def test_an_engine_whose_socket_is_removed_is_sick_and_the_next_one_is_reached(house, monkeypatch):
    monkeypatch.setattr(vanishing, "LOOK", 0.02)
    monkeypatch.setattr(vanishing, "AGAIN", 0.02)
    supervisor, events, folder = house
    supervisor.perform(Spawn(RunId("m", 1), Launch(LISTENING), WHY))
    where = (await until(lambda: [e for e in events if isinstance(e, EngineReady)]))[0].endpoint
    shutil.rmtree(folder)
    sick = (await until(lambda: [e for e in events if isinstance(e, EngineSick)]))[0]
    assert sick == EngineSick(RunId("m", 1), f"its socket {where.path} is gone: somebody removed the file")
    supervisor.perform(Kill(RunId("m", 1)))
    supervisor.perform(Spawn(RunId("m", 2), Launch(LISTENING), WHY))
    await until(lambda: [e for e in events if isinstance(e, EngineReady) and e.run.n == 2])


async def test_a_socket_that_is_not_there_yet_or_only_for_a_moment_is_not_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(vanishing, "LOOK", 0.0)
    looks = 0
    answers = [False, False, True, False, True, True, False, False]

    def look(path: str) -> bool:
        nonlocal looks
        looks += 1
        return answers[looks - 1]

    monkeypatch.setattr(vanishing, "AGAIN", 0.0)
    monkeypatch.setattr(vanishing, "_is_socket", look)
    async with asyncio.timeout(5):
        await vanishing.until_gone("x", lambda: False)
    assert looks == len(answers)


@pytest.mark.proc
async def test_an_engine_that_ends_by_itself_is_not_sick_for_removing_its_socket(house, monkeypatch):
    monkeypatch.setattr(vanishing, "LOOK", 0.01)
    monkeypatch.setattr(vanishing, "AGAIN", 5.0)
    supervisor, events, _ = house
    script = (
        "import os, socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
        "c = s.accept()[0]; c.recv(999); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n'); "
        "time.sleep(0.5); os.unlink(sys.argv[1])"
    )
    supervisor.perform(Spawn(RunId("m", 1), Launch((sys.executable, "-c", script, "${socket}")), WHY))
    await until(lambda: [e for e in events if isinstance(e, EngineExited)])
    assert [type(event) for event in events] == [EngineReady, EngineExited]
