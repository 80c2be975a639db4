"""The hall is held for a moment, and its place given to a successor: no request is lost that was not begun."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from swapd.core.settings import Address
from swapd.doors import open_sockets
from swapd.web import handler, lane
from swapd.web.app import create_app
from swapd.web.front_door import UPGRADED, FrontDoor
from tests.web.conftest import FakeEngines, Hall
from tests.web.raw import LAST, STREAM, Caller, Engine, Line, calling, chunked, plain, post, replies, tick
from tests.web.test_bounds import Sip, connections, sipping, until
from tests.web.test_heads import ONE_LOOP
from tests.web.test_leaving import Flood

SOON = 10.0
NOT_YET = 0.03
EXPRESS, OTHER = post(), b"GET /upstream/alpha/x HTTP/1.1\r\nHost: x\r\n\r\n"
LANES = {"express": EXPRESS, "aiohttp": OTHER}
BOTH_LANES = pytest.mark.parametrize("wanted", LANES.values(), ids=LANES)
STREAMED = {"express": post(STREAM), "aiohttp": post(STREAM, path=b"/v1/messages")}
FOLLOWED = {
    "events": b"GET /admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "models": b"GET /models/sse HTTP/1.1\r\nHost: x\r\n\r\n",
}
EVENTS = b"text/event-stream"
Dial = Callable[[], AbstractAsyncContextManager[Caller]]


class Gated:
    """An engine that answers each request when it may: a head, a piece, and the end."""

    def __init__(self, kind: bytes = b"application/json") -> None:
        self.head = chunked(b"data: 1\n\n", kind=kind)
        self.begin, self.go = asyncio.Event(), asyncio.Event()
        self.asked = 0

    async def __call__(self, line: Line) -> None:
        while await line.request() is not None:
            self.asked += 1
            await self.begin.wait()
            await line.send(self.head)
            await self.go.wait()
            await line.send(LAST)


async def begun(front: Hall, caller: Caller, wanted: bytes, engine: Gated) -> None:
    """The request is under way, and the head of its answer has come."""
    engine.begin.set()
    await caller.send(wanted)
    await caller.reader.readuntil(b"data: 1\n\n\r\n")
    assert front.door.under_way() == 1


async def served(caller: Caller, wanted: bytes) -> bool:
    await caller.send(wanted)
    return (await caller.answer()).status == 200


async def at_rest(front: Hall, n: int = 1) -> None:
    await until(lambda: len(connections(front)) == n and not front.door.under_way())


@asynccontextmanager
async def successor(front: Hall, idle: list[int]):
    """Another door with the connections of the first, which is no more than a memory of them now."""
    app = create_app(front.gate, front.config, FakeEngines(), front.upstream, lambda *_: "")
    door = FrontDoor(app, front.config, 1 << 10)
    await door.open(open_sockets([Address("127.0.0.1", 0)]), idle)
    yield replace(front, door=door)
    await door.close()


@BOTH_LANES
async def test_while_it_is_held_nothing_is_begun_and_nothing_lost(raw_hall, wanted):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        assert await served(caller, wanted)
        front.door.hold()
        assert await front.door.quiet(SOON)
        await caller.send(wanted)
        assert await front.door.quiet(0.0)
        await tick(50)
        assert len(engine.heard) == 1
        front.door.release()
        assert (await caller.answer()).status == 200
        assert await served(caller, wanted)


@BOTH_LANES
async def test_who_comes_while_it_is_held_waits_at_the_door(raw_hall, wanted):
    front, engine = await raw_hall(replies(plain(b"{}")))
    front.door.hold()
    front.door.hold()
    async with calling(front.port) as caller:
        await caller.send(wanted)
        assert await front.door.quiet(0.0)
        assert not connections(front)
        front.door.release()
        front.door.release()
        assert (await caller.answer()).status == 200
    assert len(engine.heard) == 1


@BOTH_LANES
async def test_who_was_accepted_in_the_last_moment_is_at_rest_or_served(raw_hall, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(wanted)
        for _ in range(20):
            front.door.hold()
            await tick(2)
            front.door.release()
        assert (await caller.answer()).status == 200


@BOTH_LANES
async def test_what_is_under_way_goes_on_to_its_end(raw_hall, wanted):
    talk = Gated()
    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await begun(front, caller, wanted, talk)
        mark = front.door.mark()
        front.door.hold()
        assert not await front.door.quiet(NOT_YET)
        assert mark.left() == 1
        talk.go.set()
        assert await front.door.quiet(SOON)
        async with asyncio.timeout(SOON):
            await mark.over()
        assert await caller.reader.readexactly(len(LAST)) == LAST
        await caller.send(wanted)
        assert await front.door.quiet(0.0)
        assert talk.asked == 1


async def test_what_began_later_is_not_among_what_was_marked(raw_hall):
    talk = Gated()
    front, _ = await raw_hall(talk)
    async with calling(front.port) as one, calling(front.port) as other:
        await begun(front, one, EXPRESS, talk)
        mark = front.door.mark()
        talk.go.set()
        await one.reader.readuntil(LAST)
        talk.go.clear()
        await one.send(EXPRESS)
        await other.send(OTHER)
        await until(lambda: talk.asked == 3)
        assert (mark.left(), front.door.under_way()) == (0, 2)
        talk.go.set()


@pytest.mark.parametrize(
    ("path", "cut"), [(b"/v1/embeddings", 40), (b"/v1/embeddings", -3), (b"/v1/messages", 40)]
)
async def test_a_request_that_is_half_read_is_read_to_its_end_and_answered(raw_hall, path, cut):
    front, _ = await raw_hall(replies(plain(b"{}")))
    wanted = post(path=path)
    async with calling(front.port) as caller:
        await caller.send(wanted[:cut])
        await until(front.door.under_way)
        front.door.hold()
        assert not await front.door.quiet(NOT_YET)
        await caller.send(wanted[cut:])
        assert (await caller.answer()).status == 200
        assert await front.door.quiet(SOON)
        await caller.send(wanted)
        assert await front.door.quiet(0.0)


@BOTH_LANES
async def test_who_sends_ahead_is_answered_as_far_as_it_was_read(raw_hall, wanted):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(wanted * 3)
        await until(front.door.under_way)
        front.door.hold()
        assert await front.door.quiet(SOON)
        heard = len(engine.heard)
        await tick(50)
        assert len(engine.heard) == heard
        front.door.release()
        assert [(await caller.answer()).status for _ in range(3)] == [200] * 3


async def test_whoever_hammers_loses_nothing_by_any_number_of_holds(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    over = asyncio.Event()

    async def hammer(wanted: bytes) -> int:
        count = 0
        async with calling(front.port) as caller:
            while not over.is_set():
                assert await served(caller, wanted)
                count += 1
        return count

    hammering = [asyncio.ensure_future(hammer(wanted)) for wanted in (EXPRESS, OTHER, post() + b"")]
    await until(lambda: len(connections(front)) == 3)
    for _ in range(10):
        front.door.hold()
        assert await front.door.quiet(SOON)
        assert sorted(front.door.handover()) == sorted(
            connection.transport.get_extra_info("socket").fileno() for connection in connections(front)
        )
        front.door.release()
        await asyncio.sleep(0.01)
    over.set()
    assert min(await asyncio.gather(*hammering)) > 0


@pytest.mark.parametrize("wanted", STREAMED.values(), ids=STREAMED)
async def test_a_stream_that_is_cut_ends_with_an_error_and_its_connection_lives(raw_hall, wanted):
    talk = Gated(EVENTS)
    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await begun(front, caller, wanted, talk)
        front.door.hold()
        await front.door.cut()
        rest = await caller.reader.readuntil(LAST)
        assert UPGRADED.encode() in rest
        assert b"[DONE]" not in rest
        (idle,) = front.door.handover()
        talk.go.set()
        async with successor(front, [os.dup(idle)]):
            assert await served(caller, EXPRESS)
    assert not front.gate.holding


@BOTH_LANES
async def test_a_body_that_is_no_stream_is_cut_and_looks_so(raw_hall, wanted):
    talk = Gated()
    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await begun(front, caller, wanted, talk)
        front.door.hold()
        await front.door.cut()
        assert front.door.handover() == []
        assert await caller.rest() == b""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("comforted", [False, True])
@pytest.mark.parametrize("held", [False, True])
async def test_who_has_no_answer_yet_is_refused_and_told_to_ask_again(raw_hall, lane, comforted, held):
    talk = Gated(EVENTS)
    front, _ = await raw_hall(talk)
    if comforted:
        front.config.settings = replace(front.config.settings, keepalive_comments=0.01)
    if not held:
        front.gate.open.clear()
    async with calling(front.port) as caller:
        await caller.send(STREAMED[lane])
        await until(lambda: talk.asked if held else front.gate.asked)
        if comforted:
            await caller.reader.readuntil(b"\n\n")
        front.door.hold()
        await front.door.cut()
        if comforted:
            rest = await caller.reader.readuntil(LAST)
            assert b"data: " in rest
            assert UPGRADED.encode() in rest
        else:
            answer = await caller.answer()
            assert (answer.status, answer.get("Retry-After")) == (503, "1")
            assert UPGRADED in json.loads(answer.body)["error"]["message"]
        assert len(front.door.handover()) == 1
        assert not front.gate.holding


@pytest.mark.parametrize(("sent", "told"), [(post()[:-3], b"HTTP/1.1 503"), (post()[:40], b""), (OTHER[:20], b"")])
async def test_who_has_not_sent_all_when_it_is_cut_is_told_if_its_head_has_come(raw_hall, sent, told):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(sent)
        await until(front.door.under_way)
        front.door.hold()
        assert not await front.door.quiet(NOT_YET)
        await front.door.cut()
        assert front.door.handover() == []
        answer = await caller.rest()
        assert answer.startswith(told)
        assert bool(answer) == bool(told)
        assert not told or b"\r\nConnection: close\r\n" in answer


async def test_a_form_that_is_half_sent_when_it_is_cut_is_refused(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    )
    async with calling(front.port) as caller:
        await caller.send(head + b"Content-Length: 999\r\n\r\n--b\r\n")
        await until(front.door.under_way)
        front.door.hold()
        await front.door.cut()
        answer = await caller.answer()
        assert (answer.status, answer.get("Connection")) == (503, "close")
        assert front.door.handover() == []


@BOTH_LANES
async def test_who_does_not_take_its_answer_is_not_handed_over_and_not_told_that_it_was_all(raw_hall, wanted):
    front, _ = await raw_hall(Flood())
    async with sipping(front) as client:
        await client.ask(wanted)
        await until(lambda: connections(front)[0].full)
        front.door.hold()
        assert not await front.door.quiet(NOT_YET)
        await front.door.cut()
        assert front.door.handover() == []
        await client.is_cut()
        await reset(client)


async def reset(client: Sip) -> None:
    with pytest.raises(ConnectionResetError):
        while await client.take(1 << 20):
            pass


@pytest.mark.parametrize("wanted", FOLLOWED.values(), ids=FOLLOWED)
async def test_who_follows_what_happens_keeps_nobody_waiting_and_is_at_the_end_of_it(raw_hall, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(wanted)
        await caller.reader.readuntil(b": swapd")
        assert front.door.under_way() == 0
        front.door.hold()
        assert await front.door.quiet(SOON)
        (idle,) = front.door.handover()
        assert (await caller.reader.readuntil(LAST)).endswith(b"\r\n" + LAST)
        async with successor(front, [os.dup(idle)]):
            assert await served(caller, EXPRESS)


@BOTH_LANES
async def test_nobody_is_closed_for_silence_who_may_have_asked_while_it_was_held(raw_hall, monkeypatch, wanted):
    monkeypatch.setattr(lane, "KEEP_ALIVE", 0.1)
    monkeypatch.setitem(handler.OPTIONS, "keepalive_timeout", 0.1)
    monkeypatch.setattr(lane, "UNKNOWN", 0.02)
    monkeypatch.setattr(handler, "UNKNOWN", 0.02)
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        assert await served(caller, wanted)
        front.door.hold()
        assert await front.door.quiet(SOON)
        await caller.send(wanted)
        await asyncio.sleep(0.2)
        front.door.release()
        assert (await caller.answer()).status == 200
        await until(lambda: not connections(front))


@BOTH_LANES
async def test_a_successor_answers_on_the_very_connection_what_was_asked_meanwhile(raw_hall, wanted):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller, calling(front.port) as fresh:
        assert await served(caller, wanted)
        await at_rest(front, 2)
        front.door.hold()
        assert await front.door.quiet(SOON)
        await caller.send(wanted)
        idle = front.door.handover()
        assert len(engine.heard) == 1
        async with successor(front, [*map(os.dup, idle)]) as after:
            assert (await caller.answer()).status == 200
            assert await served(caller, wanted)
            assert await served(fresh, wanted)
            assert {connection.peer for connection in connections(after)} == {"127.0.0.1"}
            assert {connection.by for connection in connections(after)} == {"loopback"}


async def test_a_successor_hears_of_clients_that_left_meanwhile(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with AsyncExitStack() as stack:
        for _ in range(3):
            assert await served(await stack.enter_async_context(calling(front.port)), EXPRESS)
        front.door.hold()
        assert await front.door.quiet(SOON)
        idle = front.door.handover()
        await stack.aclose()
        async with successor(front, [*map(os.dup, idle), 1 << 20]) as after:  # and of one that never was
            await until(lambda: not connections(after))


async def test_a_successor_takes_in_no_more_than_it_may(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as one, calling(front.port) as other:
        assert await served(one, EXPRESS)
        assert await served(other, EXPRESS)
        front.door.hold()
        assert await front.door.quiet(SOON)
        idle = front.door.handover()
        front.limit(connections=1)
        async with successor(front, [*map(os.dup, idle)]) as after:
            assert len(connections(after)) == 1
            assert b" 503 " in await other.reader.readuntil(b"\r\n")
            assert await served(one, EXPRESS)


@BOTH_LANES
async def test_a_handover_that_came_to_nothing_is_nothing(raw_hall, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        assert await served(caller, wanted)
        front.door.hold()
        assert await front.door.quiet(SOON)
        assert len(front.door.handover()) == 1
        front.door.release()
        assert await served(caller, wanted)


async def test_a_beginning_behind_a_request_is_not_taken_for_nothing(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(OTHER + OTHER[:20])
        assert (await caller.answer()).status == 200
        front.door.hold()
        await front.door.quiet(NOT_YET)
        assert front.door.handover() == []


async def test_the_file_of_a_unix_socket_stays_where_it_is(raw_hall, tmp_path):
    front, _ = await raw_hall(replies(plain(b"{}")))
    path = tmp_path / "s.sock"
    app = create_app(front.gate, front.config, FakeEngines(), front.upstream, lambda *_: "")
    door = FrontDoor(app, front.config, 1 << 10)
    await door.open(open_sockets([Address(path=str(path))]))
    for _ in range(2):
        door.hold()
        caller = Caller(*await asyncio.open_unix_connection(path))
        assert await door.quiet(SOON)
        door.release()
        assert await served(caller, EXPRESS)
        await caller.closed()
    await door.close()


async def test_without_a_file_descriptor_to_spare_it_is_not_held(raw_hall, monkeypatch):
    def full(_: socket.socket) -> socket.socket:
        raise OSError(24, "Too many open files")

    front, _ = await raw_hall(replies(plain(b"{}")))
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "dup", full)
        with pytest.raises(OSError, match="Too many"):
            front.door.hold()
    assert not front.door.held
    async with calling(front.port) as caller:
        assert await served(caller, EXPRESS)


async def test_a_request_that_is_cut_stands_in_the_log_as_what_its_client_got(raw_hall, caplog):
    talk = Gated(EVENTS)
    front, _ = await raw_hall(talk)
    front.config.settings = replace(front.config.settings, log=replace(front.config.settings.log, access=True))
    caplog.set_level("INFO", "swapd.access")
    async with AsyncExitStack() as stack:
        one, other, half, follower = [await stack.enter_async_context(calling(front.port)) for _ in range(4)]
        await begun(front, one, post(STREAM), talk)
        talk.begin.clear()
        await other.send(OTHER)
        await half.send(post(path=b"/v1/embeddings")[:-3])
        await follower.send(FOLLOWED["events"])
        await until(lambda: talk.asked == 2 and front.door.under_way() == 3)
        await follower.reader.readuntil(b": swapd")
        front.door.hold()
        await front.door.cut()
    rows = [row.fields() for record in caplog.records for _, row in getattr(record, "rows", ())]
    assert sorted((row["route"], row["status"], row.get("error")) for row in rows) == [
        ("/admin/events", 200, None),
        ("/upstream", 503, "shutting_down"),
        ("/v1/chat/completions", 200, "shutting_down"),
        ("/v1/embeddings", 503, "shutting_down"),
    ]
    assert all(0 <= row["total_ms"] < SOON * 1000 for row in rows)


class Hammer:
    """A client that asks again as soon as it is answered, and is refused or broken off never."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.answers = 0
        self.longest = 0.0

    async def keeps_its_connection(self, dial: Dial, wanted: bytes) -> None:
        async with dial() as caller:
            while not self.over.is_set():
                await self._ask(caller, wanted)

    async def makes_a_new_one_each_time(self, dial: Dial, wanted: bytes) -> None:
        while not self.over.is_set():
            async with dial() as caller:
                await self._ask(caller, wanted)

    async def _ask(self, caller: Caller, wanted: bytes) -> None:
        begun = time.monotonic()
        assert await served(caller, wanted)
        self.answers += 1
        self.longest = max(self.longest, time.monotonic() - begun)


@asynccontextmanager
async def calling_at(path: str):
    caller = Caller(*await asyncio.open_unix_connection(path))
    try:
        yield caller
    finally:
        await caller.closed()


async def sometimes_endless(line: Line) -> None:
    """An engine: streams never end, anything else at once."""
    while (request := await line.request()) is not None:
        if b"stream" in request.body:
            await line.send(chunked(b"data: 1\n\n", kind=EVENTS))
            await line.left()
        await line.send(plain(b"{}"))


async def listening(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(20):
        said = await process.stdout.readline()
    assert said, "it has ended"
    return int(said.split()[1])


@ONE_LOOP
@pytest.mark.proc
@pytest.mark.parametrize(("loop", "times"), [("asyncio", 1), ("uvloop", 2)])
async def test_a_door_that_executes_itself_anew_fails_nobody_who_hammers_at_it(loop, times, tmp_path):
    """Over TCP and a Unix socket, in both lanes; but for a stream without an end, which is told why."""
    engine, hammer = Engine(sometimes_endless), Hammer()
    await engine.open()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.web.executed", loop, str(engine.port), str(tmp_path)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        port = await listening(process)
        tcp, unix = partial(calling, port), partial(calling_at, f"{tmp_path}/s.sock")
        both = [(dial, wanted) for dial in (tcp, unix) for wanted in LANES.values()]
        asks = [hammer.keeps_its_connection(*how) for how in both]
        asks += [hammer.makes_a_new_one_each_time(*how) for how in both]
        hammering = [asyncio.ensure_future(ask) for ask in asks]
        async with tcp() as silent, tcp() as listener:
            for _ in range(times):
                before = hammer.answers
                await until(lambda before=before: hammer.answers > before + 50)
                await listener.send(post(STREAM))
                await listener.reader.readuntil(b"data: 1\n\n\r\n")
                process.send_signal(signal.SIGUSR2)
                assert UPGRADED.encode() in await listener.reader.readuntil(LAST)
                assert await listening(process) == port
            assert await served(silent, EXPRESS)
            assert await served(listener, EXPRESS)
        hammer.over.set()
        await asyncio.gather(*hammering)
        assert hammer.longest < 5.0
    finally:
        process.kill()
        await process.wait()
        await engine.close()
