"""Who answers, what, and whether it is ours."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from swapd.core.engine import Endpoint
from swapd.core.events import EngineReady, EngineSick
from swapd.core.spec import Launch
from swapd.engines import listener, listening, probe
from swapd.engines.news import News
from swapd.engines.probe import Question, Stranger, until_ready
from tests.processes import until


def at(port: int, path: str = "/health") -> Question:
    """A question on loopback."""
    return Question(Endpoint("127.0.0.1", port), path)


def news() -> News:
    """Of an engine that writes nothing."""
    return News(time.monotonic)


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
        await until_ready(at(port, "/up?x=1"), news(), None)
        assert asked == [b"GET /up?x=1 HTTP/1.1\r\n"] * 3


async def test_for_how_long_it_said_that_it_loads_is_told():
    loading = b"HTTP/1.1 503 Loading\r\n\r\n"
    async with asyncio.timeout(5), answering(*[loading] * 5, OK) as (port, _):
        begun = time.monotonic()
        listened = await until_ready(at(port), news(), None)
        assert 4 * probe.FIRST <= listened <= time.monotonic() - begun
    async with asyncio.timeout(5), answering(OK) as (port, _):
        assert await until_ready(at(port), news(), None) == 0.0


async def test_a_refused_connection_is_asked_again():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        probing = asyncio.ensure_future(until_ready(at(port), news(), None))
        await asyncio.sleep(0.02)
        assert not probing.done()
    server = await asyncio.start_server(lambda _, w: (w.write(OK), w.close()), "127.0.0.1", port)
    async with asyncio.timeout(5), server:
        await probing


async def test_what_the_engine_writes_is_reason_enough_to_look(monkeypatch):
    """The pause itself would be longer than this test may take."""
    monkeypatch.setattr(probe, "FIRST", 0.0)
    monkeypatch.setattr(probe, "LATE", 1e9)
    monkeypatch.setattr(probe, "SOON", 0.0)
    monkeypatch.setattr(probe, "SLOWEST", 60.0)
    log = news()
    async with asyncio.timeout(5), answering(b"HTTP/1.1 503 Loading\r\n\r\n", OK) as (port, asked):
        probing = asyncio.ensure_future(until_ready(at(port), log, None))
        await until(lambda: asked)
        log.heard()
        await probing
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("age", "chatty", "most"), [(0.1, False, 100), (10, False, 800), (600, False, 3200), (600, True, 3200)]
)
async def test_a_load_is_looked_at_densely_at_first_and_never_hammered(age, chatty, most):
    """Played: each pause moves the clock by as much as it would have lasted."""
    wrote, now, gaps = asyncio.Event(), 0.0, []
    pace = probe.Pace(wrote, lambda: now)
    while now < age:
        if chatty:
            wrote.set()
        least, longest = pace.bounds()
        gaps.append(least if chatty else longest)
        now += gaps[-1]
    assert len(gaps) < most
    assert all(gap <= max(probe.FIRST, 0.01 * sum(gaps[:n])) + 1e-9 for n, gap in enumerate(gaps))


@pytest.mark.parametrize("latency", [0.0, 0.004, 0.03, 0.3])
async def test_an_engine_that_logs_each_look_is_not_looked_at_for_that(latency):
    """Played, a load of a minute: the probe must not wake itself."""
    wrote, now, looks, echoes = asyncio.Event(), 0.0, 0, []
    pace = probe.Pace(wrote, lambda: now)
    while now < 60:
        looks += 1
        echoes.append(now + latency)
        least, most = pace.bounds()
        soon = [at for at in echoes if at <= now + most]
        now = max(now + least, min(now + most, soon[0] if soon else 1e9))
        echoes = [at for at in echoes if at > now]
        if soon:
            wrote.set()
    assert looks < 1400, "without a word it is looked at 700 times"


async def test_news_after_a_silence_is_looked_at_soon_and_densely():
    wrote, now = asyncio.Event(), 0.0
    pace = probe.Pace(wrote, lambda: now)
    while now < 10:
        now += (await_ := pace.bounds())[1]
    assert await_ == (pytest.approx(0.01, rel=0.1), pytest.approx(0.1, rel=0.1))
    wrote.set()
    assert pace.bounds()[1] == pytest.approx(0.01, rel=0.1)


def test_what_comes_about_a_look_is_no_sign_of_life_and_anything_else_is():
    now = 5.0
    heard = News(lambda: now)
    heard.heard()
    assert heard.signs == 1, "nobody has looked yet"
    heard.looked()
    for now in (5.0, 5.09, 5.11):  # noqa: B007  (the clock)
        heard.heard()
    assert heard.signs == 2


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), psutil.AccessDenied(7), RuntimeError("can't start new thread")]
)
async def test_who_answers_cannot_be_told_and_the_engine_gets_ready_all_the_same(error, caplog):
    def fails() -> str:
        raise error

    async with asyncio.timeout(5), answering(b"HTTP/1.1 503 Loading\r\n\r\n", OK) as (port, _):
        await until_ready(at(port), news(), fails)
    async with asyncio.timeout(5), answering(OK) as (port, _):
        await until_ready(at(port), news(), fails)
    assert [r.levelname for r in caplog.records] == ["WARNING"] * 2
    assert f"cannot tell who answers at http://127.0.0.1:{port}" in caplog.text


async def test_finding_out_who_answers_takes_no_longer_than_its_bound(monkeypatch):
    monkeypatch.setattr(probe, "WHO_BOUND", 0.05)
    release = threading.Event()
    async with asyncio.timeout(5), answering(OK) as (port, _):
        await until_ready(at(port), news(), lambda: "pid 7, x" if release.wait(5) else None)
    release.set()


async def test_an_engine_on_a_unix_socket_is_asked_there(tmp_path):
    path = str(tmp_path / "x.sock")
    probing = asyncio.ensure_future(until_ready(Question(Endpoint("localhost", 0, path), "/up"), news(), None))
    server = await asyncio.start_unix_server(lambda _, w: (w.write(OK), w.close()), path)
    async with asyncio.timeout(5), server:
        await probing


async def test_the_looks_go_on_while_the_owner_is_found_out_and_ready_waits_for_it():
    release = threading.Event()

    def slow() -> None:
        assert release.wait(5)

    async with asyncio.timeout(5), answering(b"HTTP/1.1 503 Loading\r\n\r\n", b"junk\r\n", OK) as (port, asked):
        probing = asyncio.ensure_future(until_ready(at(port), news(), slow))
        await until(lambda: len(asked) == 3)
        assert not probing.done()
        release.set()
        await probing


async def test_the_owner_is_asked_once_and_at_the_first_answer_of_any_kind():
    owners: Iterator[None] = iter([None])
    async with asyncio.timeout(5), answering(b"junk\r\n", OK) as (port, _):
        await until_ready(at(port), news(), lambda: next(owners))
    async with asyncio.timeout(5), answering(b"junk\r\n") as (port, _):
        with pytest.raises(Stranger, match=rf"port {port} is answered by another process \(pid 7, x\)"):
            await until_ready(at(port), news(), lambda: "pid 7, x")
    async with asyncio.timeout(5), answering(OK) as (port, _):
        with pytest.raises(Stranger):
            await until_ready(at(port), news(), lambda: "pid 7, x")


def test_a_listener_of_the_tree_is_no_stranger_and_one_of_another_tree_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener.stranger_on(port, {psutil.Process()}) is None
        assert listener.stranger_on(port, set()).startswith(f"pid {os.getpid()}, ")
    assert listener.stranger_on(port, set()) is None


def test_a_listener_that_the_kernel_hides_is_judged_by_its_user(monkeypatch):
    def told(**makers: int) -> str | None:
        monkeypatch.setattr(listener, "listening_on", lambda port: makers)
        return listener.stranger_on(1, set())

    assert told(hidden=4711) == "of user 4711"
    assert told(hidden=os.getuid()) is None
    assert told() is None


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_netlink_and_the_tables_of_the_kernel_tell_the_same(family, host, monkeypatch):
    with socket.create_server((host, 0), family=family) as server, socket.create_server(("127.0.0.1", 0)):
        port = server.getsockname()[1]
        link = str(Path(f"/proc/self/fd/{server.fileno()}").readlink())
        with socket.create_connection((host.replace("::", "::1"), port)):
            assert dict(listening._asked(port, family)) == {os.getuid(): int(link[8:-1])}
            assert listening.listening_on(port) == listening.from_tables(port) == {link: os.getuid()}
            monkeypatch.delattr(socket, "AF_NETLINK")
            assert listening.listening_on(port) == {link: os.getuid()}
    assert listening.from_tables(port, ("/no/such/table",)) == {}


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
