"""The architect itself, in this very process: however it ends, no engine outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid

import pytest

from swapd import address, doors
from swapd.cli.target import find_target
from swapd.config import load
from swapd.daemon import Daemon
from swapd.engines.house import is_lived_in
from tests.processes import MARK, fake, marked, until

pytestmark = pytest.mark.e2e


async def test_a_daemon_that_is_cancelled_takes_its_engines_along(tmp_path):
    mark = uuid.uuid4().hex
    path = tmp_path / "swapd.yaml"
    path.write_text(f'listen: 127.0.0.1:0\nmodels: {{a: {{command: "{fake("--deaf")}", preload: true}}}}\n')
    daemon = Daemon(path, {**os.environ, MARK: mark}, load(path, os.environ))
    running = asyncio.ensure_future(daemon.run())
    await until(lambda: marked(mark))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert marked(mark) == []


async def test_a_unix_socket_is_served_and_removed_at_the_end(tmp_path, connect):
    path, door = tmp_path / "swapd.yaml", tmp_path / "door"
    path.write_text(f"listen: unix:{door}\nmodels: {{}}\n")
    daemon = Daemon(path, os.environ, load(path, os.environ))
    running = asyncio.ensure_future(daemon.run())
    assert await daemon.listening() == [f"unix:{door}"]
    reader, writer = await asyncio.open_unix_connection(door)
    writer.write(b"GET /admin/status HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    daemon.stop()
    assert await running == 0
    assert not door.exists()


async def test_where_it_listens_is_written_in_its_state_folder_while_it_does(tmp_path):
    path, state = tmp_path / "swapd.yaml", tmp_path / "state"
    path.write_text(f"listen: 127.0.0.1:0\nstate_dir: {state}\nmodels: {{}}\n")
    daemon = Daemon(path, os.environ, load(path, os.environ))
    running = asyncio.ensure_future(daemon.run())
    urls = await daemon.listening()
    assert (list(address.look(state, path)), is_lived_in(state)) == (urls, True)
    assert find_target(str(path), None, {}).url == urls[0]
    daemon.stop()
    assert await running == 0
    assert (address.look(state, path), is_lived_in(state)) == ((), False)


def test_connections_leave_file_descriptors_for_everything_else():
    assert 1 <= doors.most_connections() < 1 << 30
