"""Who waits for an engine, and for how long; and that nobody who came to its port after it is ever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady
from swapd.core.refusal import Exit
from swapd.core.spec import Timeouts
from swapd.web import upstream as upstreams
from swapd.web import waits
from swapd.web.dial import dial
from swapd.web.upstream import EngineBroke, Request, Upstream, get
from tests.processes import until

RUN = RunId("m", 1)
BOUNDS = Timeouts(connect=5.0, first_byte=30.0, idle=30.0)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


class Mute:
    """A server that takes all it is told, and says what the test has it say."""

    def __init__(self) -> None:
        self.heard = b""
        self.clients: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        while data := await reader.read(1 << 16):
            self.heard += data


@pytest.fixture
async def mute() -> AsyncIterator[Mute]:
    mute = Mute()
    server = await asyncio.start_server(mute.serve, "127.0.0.1", 0)
    mute.endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    yield mute
    server.close()
    for writer in mute.clients:
        writer.close()


@pytest.fixture
async def upstream(mute) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    upstream.hear(EngineReady(RUN, mute.endpoint), ())
    yield upstream
    upstream.close()


class Sink:
    """Takes a body for as long as it wants to."""

    source = None

    def attach(self, source) -> None:
        self.source = source or self.source

    def write(self, data: bytes) -> None:
        pass

    def unsent(self) -> int:
        return 1

    def reset(self) -> None:
        pass


def since(upstream: Upstream) -> float:
    """When the wait began that counts."""
    return asyncio.get_running_loop().time() - upstream.waited(RUN)


async def left(*tasks: asyncio.Task) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_has_waited_longest_for_a_byte_counts(upstream, mute):
    assert upstream.waited(RUN) == upstream.waited(RunId("other", 1)) == 0.0
    first = asyncio.ensure_future(upstream.ask(RUN, get("/first"), BOUNDS))
    await until(lambda: upstream.waited(RUN) > 0.05)
    second = asyncio.ensure_future(upstream.ask(RUN, get("/second"), BOUNDS))
    await until(lambda: b"/second" in mute.heard)
    begun = since(upstream)
    assert upstream.waited(RUN) > 0.05
    await left(first)
    await until(lambda: since(upstream) > begun + 0.04)
    assert upstream.waited(RUN) > 0.0
    await left(second)
    await until(lambda: upstream.waited(RUN) == 0.0)


async def test_in_the_middle_of_an_answer_it_counts_from_the_last_byte_and_not_while_the_client_is_the_slow_one(
    upstream, mute
):
    asking = asyncio.ensure_future(upstream.ask(RUN, get("/"), BOUNDS))
    await until(lambda: mute.heard)
    await until(lambda: upstream.waited(RUN) > 0.05)
    mute.clients[0].write(HEAD)
    answer, sink = await asking, Sink()
    pouring = asyncio.ensure_future(answer.pour(b"", sink, BOUNDS.idle))
    await until(lambda: upstream.waited(RUN) > 0.05)
    begun = since(upstream)
    mute.clients[0].write(b"x")
    await until(lambda: since(upstream) > begun + 0.04)
    sink.source.pause()
    assert upstream.waited(RUN) == 0.0
    sink.source.resume()
    await until(lambda: upstream.waited(RUN) > 0.0)
    await left(pouring)
    answer.release()


async def test_where_silence_has_no_bound_nobody_is_said_to_wait(upstream, mute):
    """As in a websocket: silence is in order there."""
    asking = asyncio.ensure_future(upstream.ask(RUN, get("/"), BOUNDS))
    await until(lambda: mute.heard)
    mute.clients[0].write(HEAD + b"x")
    answer = await asking
    pouring = asyncio.ensure_future(answer.pour(b"", Sink(), None))
    await asyncio.sleep(0)
    assert upstream.waited(RUN) == 0.0
    await left(pouring)
    answer.release()


class Slow:
    """A body that its client sends at leisure."""

    length, sent = 10, False

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def pieces(self):
        yield b"12345"
        await self.go.wait()
        yield b"67890"


async def test_an_upload_is_waited_for_only_once_it_is_out(upstream, mute):
    body = Slow()
    request = Request("POST", "/", b"", None, upload=body)
    asking = asyncio.ensure_future(upstream.ask(RUN, request, BOUNDS))
    await until(lambda: b"12345" in mute.heard)
    assert upstream.waited(RUN) == 0.0
    body.go.set()
    await until(lambda: upstream.waited(RUN) > 0.0)
    assert b"67890" in mute.heard
    await left(asking)


async def test_a_lease_on_an_engine_that_died_never_reaches_who_listens_there_now(upstream, mute):
    upstream.hear(EngineExited(RUN, Exit(signal="SIGKILL")), ())
    with pytest.raises(EngineBroke):
        await upstream.ask(RUN, get("/secret"), BOUNDS)
    assert mute.clients == []


async def test_nor_does_one_that_was_just_connecting(upstream, mute, monkeypatch):
    dialling, died = asyncio.Event(), asyncio.Event()

    async def slowly(where, made):
        dialling.set()
        await died.wait()
        return await dial(where, made)

    monkeypatch.setattr(upstreams, "dial", slowly)
    asking = asyncio.ensure_future(upstream.ask(RUN, get("/secret"), BOUNDS))
    await dialling.wait()
    upstream.hear(EngineExited(RUN, Exit(signal="SIGKILL")), ())
    died.set()
    with pytest.raises(EngineBroke, match="told to stop"):
        await asking
    await until(lambda: mute.clients)
    assert mute.heard == b""


async def test_once_its_process_has_ended_nobody_is_sent_there_but_what_it_said_is_still_read(upstream, mute):
    asking = asyncio.ensure_future(upstream.ask(RUN, get("/"), BOUNDS))
    await until(lambda: mute.heard)
    upstream.forget(RUN)
    mute.clients[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    answer = await asking
    assert answer.head.code == 200
    answer.release()
    heard = mute.heard
    with pytest.raises(EngineBroke):
        await upstream.ask(RUN, get("/secret"), BOUNDS)
    assert (mute.heard, len(mute.clients)) == (heard, 1)


async def test_nor_does_one_of_the_next_run_at_another_place(upstream, mute):
    upstream.hear(EngineExited(RUN, Exit(signal="SIGKILL")), ())
    upstream.hear(EngineReady(RunId("m", 2), mute.endpoint), ())
    with pytest.raises(EngineBroke):
        await upstream.ask(RUN, get("/secret"), BOUNDS)
    assert mute.clients == []


@pytest.mark.parametrize(
    ("total", "first", "bound"),
    [(None, 5.0, (5.0, "first_byte")), (3.0, 5.0, (3.0, "total")), (3.0, None, (3.0, "total"))],
)
def test_the_first_byte_is_waited_for_by_the_smaller_bound(total, first, bound):
    assert waits.first_byte(Timeouts(total=total, first_byte=first)) == bound
