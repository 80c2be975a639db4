"""Engines that listen on Unix sockets: where those are, that nobody else gets in, that nothing stays."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from swapd.core.commands import Kill, Spawn
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.spec import Launch
from swapd.engines.ports import NoPort, Ports
from swapd.engines.sockets import NoSocket, Sockets
from swapd.engines.supervisor import Supervisor
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


def test_a_path_that_is_too_long_for_a_socket_is_told_with_what_to_do(tmp_path):
    def named(length: int) -> str:
        return Sockets({"RUNTIME_DIRECTORY": str(tmp_path / ("x" * length))}).take()

    room = 107 - len(f"{tmp_path}//engines/12345678.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(named(room))  # the kernel's own opinion of the longest one
    with pytest.raises(NoSocket, match=r"has 108 bytes, and a Unix socket's has 107 .* set RUNTIME_DIRECTORY or"):
        named(room + 1)


def test_a_folder_that_others_may_enter_is_not_used(tmp_path):
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines").chmod(0o755)
    with pytest.raises(NoSocket, match="others may enter it"):
        Sockets({"RUNTIME_DIRECTORY": str(tmp_path)}).take()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NoSocket, match=r"cannot make a folder for sockets: .*Not a directory.*; set RUNTIME"):
        Sockets({"RUNTIME_DIRECTORY": str(tmp_path / "file")}).take()


@pytest.fixture
async def house(tmp_path):
    """A supervisor without a single port, what it posted, and its folder of sockets."""
    events: list[Event] = []
    environ = {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)}
    ports = Ports([9398], start=0)
    with suppress(NoPort):
        ports.take()
    house = Supervisor(events.append, find_binary=lambda: None, environ=environ, ports=ports)
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
async def test_a_start_that_fails_leaves_no_socket_and_one_without_a_place_says_why(house):
    supervisor, events, folder = house
    for n, argv in enumerate([("no-such-binary", "${socket}"), ("x", "${port}")]):
        supervisor.perform(Spawn(RunId("m", n), Launch(argv), WHY))
        await until(lambda: len(events) == n + 1)  # noqa: B023  (awaited here and now)
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    supervisor.perform(Spawn(RunId("m", 3), Launch(("x",), env=(("WHERE", "${socket}"),)), WHY))
    await until(lambda: len(events) == 3)
    assert "others may enter it" in events[2].exit.reason
