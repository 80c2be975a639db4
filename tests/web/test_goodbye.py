"""The door closes: what ends in time is whole, nothing is waited for longer than it may, and nothing stays."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from swapd import tasks
from swapd.core.refusal import Reason, Refusal
from swapd.web import front_door
from tests.web.conftest import Hall
from tests.web.raw import LAST, STREAM, Line, calling, chunked, plain, post, replies
from tests.web.test_bounds import BOTH_LANES, LANES, connections, sipping, until
from tests.web.test_handover import FOLLOWED
from tests.web.test_leaving import Flood


class Goodbye:
    """Closes the door and times it, in GOODBYEs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bound = 0.5
        monkeypatch.setattr(front_door, "GOODBYE", self.bound)

    async def __call__(self, front: Hall) -> float:
        begun = time.monotonic()
        await front.door.close()
        took = (time.monotonic() - begun) / self.bound
        await until(lambda: not connections(front) and not front.gate.holding)
        await until(lambda: not [task for task in tasks._alive if task.get_name() == "answer"])
        return took


@BOTH_LANES
async def test_the_door_waits_for_a_client_that_does_not_read_no_longer_than_it_may(raw_hall, monkeypatch, wanted):
    goodbye = Goodbye(monkeypatch)
    front, _ = await raw_hall(Flood())
    async with sipping(front) as client:
        await client.ask(wanted.replace(b"hasty", b"alpha"))
        await until(lambda: connections(front)[0].full)
        assert 0.9 < await goodbye(front) < 1.9


async def test_the_door_waits_for_both_lanes_at_once(raw_hall, monkeypatch):
    goodbye = Goodbye(monkeypatch)
    front, _ = await raw_hall(Flood())
    async with sipping(front) as one, sipping(front) as other:
        for client, wanted in zip((one, other), LANES.values(), strict=True):
            await client.ask(wanted.replace(b"hasty", b"alpha"))
        await until(lambda: all(connection.full for connection in connections(front)))
        assert await goodbye(front) < 1.9


@BOTH_LANES
async def test_an_answer_that_ends_in_time_is_whole_though_the_door_closes(raw_hall, monkeypatch, wanted):
    go = asyncio.Event()

    async def talk(line: Line) -> None:
        while await line.request() is not None:
            await line.send(chunked(b"one"))
            await go.wait()
            await line.send(LAST)

    goodbye = Goodbye(monkeypatch)
    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await caller.send(wanted.replace(b"hasty", b"alpha"))
        await caller.reader.readuntil(b"one\r\n")
        closing = asyncio.ensure_future(goodbye(front))
        await asyncio.sleep(0)
        go.set()
        assert await caller.rest() == LAST
        assert await closing < 0.9


@BOTH_LANES
async def test_an_idle_connection_does_not_keep_the_door_open(raw_hall, monkeypatch, wanted):
    goodbye = Goodbye(monkeypatch)
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(wanted.replace(b"hasty", b"alpha"))
        assert (await caller.answer()).body == b"{}"
        assert await goodbye(front) < 0.9
        assert await caller.rest() == b""


@pytest.mark.parametrize("wanted", FOLLOWED.values(), ids=FOLLOWED)
async def test_who_follows_what_happens_is_at_the_end_of_it_when_the_door_closes(raw_hall, monkeypatch, wanted):
    goodbye = Goodbye(monkeypatch)
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(wanted)
        await caller.reader.readuntil(b": swapd")
        assert await goodbye(front) < 0.9
        assert (await caller.rest()).endswith(b"\r\n" + LAST)


CLOSING = Refusal(Reason.CLOSING, "alpha", retry_after=5.0)


@pytest.mark.parametrize("wanted", [post(), post(path=b"/v1/messages")], ids=LANES)
async def test_who_asks_while_the_daemon_shuts_down_is_told_when_to_come_back(raw_hall, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    front.gate.refusal = CLOSING
    async with calling(front.port) as caller:
        await caller.send(wanted)
        answer = await caller.answer()
    assert (answer.status, answer.get("Retry-After")) == (503, "5")
    assert b"shutting down" in answer.body


@pytest.mark.parametrize("wanted", [post(STREAM), post(STREAM, path=b"/v1/messages")], ids=LANES)
async def test_who_waits_with_comments_when_it_shuts_down_is_told_by_an_event(raw_hall, wanted):
    front, _ = await raw_hall(replies(plain(b"{}")))
    front.config.settings = replace(front.config.settings, keepalive_comments=0.01)
    front.gate.open.clear()
    async with calling(front.port) as caller:
        await caller.send(wanted)
        await caller.reader.readuntil(b"\n\n")
        front.gate.refusal = CLOSING
        front.gate.open.set()
        rest = await caller.reader.readuntil(LAST)
    assert b"data: " in rest
    assert b"shutting down" in rest
    assert b"[DONE]" not in rest
