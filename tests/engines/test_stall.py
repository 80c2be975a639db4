"""A load that gets stuck is told from one that only takes long."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swapd.core.events import EngineSick
from swapd.core.spec import Launch
from swapd.engines import stall

SILENT = "import time; time.sleep(60)"
BUSY = "while True: pass"
GROWING = "import time; held = []\nwhile True: held.append('x' * (1 << 21)); time.sleep(0.05)"


@pytest.fixture
def process(request) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", request.param]) as child:
        yield child
        child.kill()


@pytest.mark.parametrize("process", [SILENT], indirect=True)
async def test_a_process_that_does_nothing_is_stuck(process):
    await asyncio.wait_for(stall.until_stalled(lambda: [process.pid], lambda: 7, 0.3), timeout=20)


@pytest.mark.parametrize("process", [BUSY, GROWING], indirect=True, ids=["computes", "grows"])
async def test_one_that_computes_or_grows_is_not(process):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stall.until_stalled(lambda: [process.pid], lambda: 7, 0.4), timeout=1.0)


@pytest.mark.parametrize("process", [SILENT], indirect=True)
async def test_one_that_writes_is_not(process):
    lines = iter(range(1000))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stall.until_stalled(lambda: [process.pid], lambda: next(lines), 0.3), timeout=0.8)


async def test_one_that_is_gone_has_stalled_too():
    await asyncio.wait_for(stall.until_stalled(list, lambda: 0, 0.2), timeout=20)


@pytest.mark.proc
async def test_an_engine_whose_load_is_stuck_is_told_of(room, monkeypatch):
    monkeypatch.setattr(stall, "STALL", 1.0)
    run = room.fake("--hang-health")
    sick = await room.hears(EngineSick, run)
    assert sick.why == "its load got stuck: for 1 s it wrote, computed and read nothing"


@pytest.mark.proc
async def test_a_stuck_load_that_writes_of_our_looks_alone_is_told_of(room, monkeypatch):
    monkeypatch.setattr(stall, "STALL", 1.0)
    monkeypatch.setattr(stall, "WORK", 0.5)
    monkeypatch.setattr("swapd.engines.probe.FIRST", 0.05)
    script = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True:\n c = s.accept()[0]; c.recv(999); c.sendall(b'HTTP/1.1 503 x\\r\\n\\r\\n'); c.close()\n"
        " print('GET /health 503', flush=True)"
    )
    run = room.spawn(Launch((sys.executable, "-c", script, "${port}")))
    assert (await room.hears(EngineSick, run)).why.startswith("its load got stuck")
    assert room.log().count("GET /health 503") > 4


async def test_a_load_that_cannot_be_looked_at_is_not_called_stuck():
    def blind() -> list[int]:
        raise OSError(24, "Too many open files")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stall.until_stalled(blind, lambda: 7, 0.05), timeout=0.15)
