"""Who answers, what, and whether it is ours."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest

from swapd.core.events import EngineReady, EngineSick
from swapd.core.spec import Launch
from swapd.engines import listener
from swapd.engines.probe import Stranger, until_ready
from tests.processes import until

OK = b"HTTP/1.1 200 OK\r\n\r\n"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives one answer a connection, the last one for ever; and what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(answers[min(len(asked), len(answers)) - 1])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(
    "early",
    [b"HTTP/1.1 503 Loading\r\n\r\n", b"", b"HTTP/1.1\r\n", b"HTTP/1.1 two\r\n", b"junk\r\n", b"x" * 100_000],
    ids=["loading", "nothing", "no status", "no number", "no http", "no end"],
)
async def test_only_a_200_is_ready_and_nonsense_is_survived(early):
    async with asyncio.timeout(5), answering(early, early, OK) as (port, asked):
        await until_ready("127.0.0.1", port, "/up?x=1", None)
        assert asked == [b"GET /up?x=1 HTTP/1.1\r\n"] * 3


async def test_a_refused_connection_is_asked_again():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        probing = asyncio.ensure_future(until_ready("127.0.0.1", port, "/health", None))
        await asyncio.sleep(0.02)
        assert not probing.done()
    server = await asyncio.start_server(lambda _, w: (w.write(OK), w.close()), "127.0.0.1", port)
    async with asyncio.timeout(5), server:
        await probing


async def test_the_owner_is_asked_once_and_at_the_first_answer_of_any_kind():
    owners: Iterator[None] = iter([None])
    async with asyncio.timeout(5), answering(b"junk\r\n", OK) as (port, _):
        await until_ready("127.0.0.1", port, "/health", lambda: next(owners))
    async with asyncio.timeout(5), answering(b"junk\r\n") as (port, asked):
        with pytest.raises(Stranger, match=rf"port {port} is answered by another process \(pid 7, x\)"):
            await until_ready("127.0.0.1", port, "/health", lambda: "pid 7, x")
        assert len(asked) == 1


def test_a_listener_of_the_tree_is_no_stranger_and_one_of_another_tree_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener.stranger_on(port, {psutil.Process()}) is None
        assert listener.stranger_on(port, set()).startswith(f"pid {os.getpid()}, ")
    assert listener.stranger_on(port, set()) is None


def test_a_listener_that_the_kernel_hides_is_judged_by_its_user(monkeypatch, tmp_path):
    row = "  0: 0100007F:2454 00000000:0000 {} 00000000:00000000 00:00000000 00000000 {} 0 1 1 0 100 0 0 10 0"
    table = tmp_path / "tcp"
    table.write_text("\n".join(["head", row.format("01", 1), row.format("0A", 4711)]))
    assert listener._owner(0x2454, (str(tmp_path / "none"), str(table))) == 4711
    assert listener._owner(1, (str(table),)) is None
    monkeypatch.setattr(listener, "_owner", lambda port: 4711)
    assert listener._by_uid(0x2454, set()) == "of user 4711"
    monkeypatch.setattr(listener, "_owner", lambda port: os.getuid())
    assert listener._by_uid(0x2454, set()) is None


@pytest.mark.proc
async def test_a_containers_port_is_answered_from_outside_of_our_tree(room, tmp_path):
    """The client of a container is our child, its server is not."""
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho port is $1\nexec sleep 60\n")
    client.chmod(0o755)
    run = room.spawn(Launch((str(client), "${port}")))
    port = int((await until(lambda: [x for x in room.log() if x.startswith("port is ")]))[0].split()[-1])
    server = await asyncio.start_server(lambda _, w: (w.write(OK), w.close()), "127.0.0.1", port)
    async with server:
        assert await room.ready(run) == port
    assert not [e for e in room.events if isinstance(e, EngineSick)]


@pytest.mark.proc
async def test_a_stranger_that_never_answers_is_a_stranger(room, monkeypatch):
    monkeypatch.setattr("swapd.engines.probe.BOUND", 0.1)
    run = room.spawn(Launch(("sh", "-c", "echo port is ${port}; sleep 60")))
    port = int((await until(lambda: [x for x in room.log() if x.startswith("port is ")]))[0].split()[-1])
    with socket.create_server(("127.0.0.1", port)):
        assert f"pid {os.getpid()}" in (await room.hears(EngineSick, run)).why
    assert not [e for e in room.events if isinstance(e, EngineReady)]
