"""What an engine is asked again, and which of its bytes count: those up to the end of its answer."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, EngineSick
from swapd.core.refusal import Exit
from swapd.core.spec import Retry
from swapd.web import turns, wire
from swapd.web.framing import Chunked, Counted
from swapd.web.wire import Wire
from tests.web.raw import LAST, calling, plain, post
from tests.web.test_heads import ONE_LOOP


@ONE_LOOP
@pytest.mark.parametrize("model", ["alpha", "once"])
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 20", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("reused", [True, False])
async def test_only_who_was_surely_not_heard_is_asked_again(raw_hall, monkeypatch, reused, part, late, model):
    """By the wire, where it had rested and ended at once; else by the hall, where the model allows one retry."""
    if late:
        monkeypatch.setattr(wire, "STALE", 0.0)

    async def talk(line):
        if line.n > 1:
            await line.request()
            await line.send(plain(b"again"))
            return
        if reused:
            await line.request()
            await line.send(plain(b"first"))
        await line.request()
        await line.send(part)

    front, engine = await raw_hall(talk)
    again = not part and ((reused and not late) or model == "alpha")
    async with calling(front.port) as caller:
        if reused:
            await caller.send(post(b'{"model": "%s"}' % model.encode()))
            assert (await caller.answer()).body == b"first"
        await caller.send(post(b'{"model": "%s"}' % model.encode()))
        answer = await caller.answer()
    assert (answer.status, answer.body == b"again") == ((200, True) if again else (502, False))
    assert len(engine.heard) == reused + 1 + again


async def test_of_an_engine_where_nobody_listens_any_more_the_desk_is_told_before_it_is_asked_again(
    raw_hall, tmp_path
):
    front, _ = await raw_hall(None)
    front.gate.endpoint = Endpoint("", 0, str(tmp_path / "gone.sock"))
    run = RunId("alpha", 1)
    front.hear(EngineExited(run, Exit()))
    front.hear(EngineReady(run, front.gate.endpoint))
    async with calling(front.port) as caller:
        await caller.send(post(b'{"model": "alpha"}'))
        assert (await caller.answer()).status == 502
    assert front.gate.posted == [EngineSick(run, f"nobody listens at {front.gate.endpoint} any more")]
    assert len(front.gate.asked) == 2


class Socket:
    """The transport of a wire, and the sink of its answer."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def attach(self, source: object) -> None: ...

    def is_closing(self) -> bool:
        return False


@ONE_LOOP
@pytest.mark.parametrize(
    ("make", "whole"),
    [(lambda: Counted(4), b"good"), (Chunked, b"4\r\ngood\r\n" + LAST)],
    ids=["length", "chunks"],
)
async def test_what_comes_behind_an_answer_before_its_end_was_noted_is_not_passed_on(make, whole):
    body, sink, one = make(), Socket(), Wire(asyncio.get_running_loop(), lambda _: None)
    one.connection_made(Socket())
    pouring = asyncio.ensure_future(one.pour(b"head;", body, sink, 5.0))
    await asyncio.sleep(0)
    one.data_received(whole)
    one.data_received(LAST + plain(b"evil"))
    await pouring
    one.connection_lost(None)
    assert sink.sent == b"head;" + whole
    assert body.extra, "so the wire is not used again"


@ONE_LOOP
@pytest.mark.parametrize(("busy", "told"), [(1, 200), (2, 503)])
async def test_an_engine_that_says_it_is_loading_is_asked_again_and_then_believed(hall, busy, told):
    asked: list[str] = []

    async def engine(request: web.Request) -> web.Response:
        asked.append(request.path)
        status = 503 if len(asked) <= busy else 200
        return web.json_response({"error": {"message": "Loading model"}}, status=status)

    front = await hall(engine)
    async with front.client.post("/v1/completions", json={"model": "alpha"}) as answer:
        assert (answer.status, (await answer.json())["error"]["message"]) == (told, "Loading model")
    assert len(asked) == 2


def test_each_pause_is_twice_as_long_as_the_last_and_no_two_are_alike():
    for tries in range(1, 12):
        pauses = {turns.pause(Retry(20, 0.1), tries) for _ in range(50)}
        whole = min(0.1 * 2 ** (tries - 1), turns.LONGEST_BACKOFF)
        assert len(pauses) > 1
        assert 0.75 * whole <= min(pauses) <= max(pauses) <= 1.25 * whole
