"""The feed: told as it happens, resumed where one left, never waiting for a slow reader."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from swapd.core.commands import Cause, Refuse, Spawn, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, LoadWished, Ticked, Ticket
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import Settings
from swapd.core.spec import Launch
from swapd.web import events
from swapd.web.events import Feed

RUN = RunId("alpha", 7)


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def frame(answer) -> dict[str, str]:
    """The next event's fields; comments are skipped."""
    async with asyncio.timeout(5):
        while True:
            text = (await answer.content.readuntil(b"\n\n")).decode()
            if not text.startswith(":"):
                return dict(line.split(": ", 1) for line in text.splitlines() if line)


def wishes(front, *names: str) -> None:
    for name in names:
        front.happens(LoadWished(name))


async def test_what_happens_is_one_event_with_its_type_number_and_reason(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/events") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        front.happens(Ticked(), Spawn(RUN, Launch(("x",)), Why(Cause.ASKED, detail="2 waiting")))
        got = await frame(answer)
    assert (got["event"], got["id"][-2:]) == ("start", "-0")
    assert json.loads(got["data"]) == {
        "type": "start",
        "at": "2026-01-01T00:00:00Z",
        "model": "alpha",
        "run": 7,
        "cause": "asked",
        "for": None,
        "detail": "2 waiting",
        "needs": {},
        "devices": [],
        "text": "start alpha#7: asked for (2 waiting)",
    }


async def test_a_reader_goes_on_from_the_event_it_saw_last(hall):
    front = await hall(nothing)
    wishes(front, "a", "b", "c")
    async with front.client.get("/admin/events?tail=3") as answer:
        first = await frame(answer)
    async with front.client.get("/admin/events", headers={"Last-Event-ID": first["id"]}) as answer:
        assert [json.loads((await frame(answer))["data"])["model"] for _ in range(2)] == ["b", "c"]


async def test_a_number_of_another_life_of_the_daemon_begins_with_all_that_is_kept(hall):
    front = await hall(nothing)
    wishes(front, "a", "b")
    for strange in ("00000000-1", "nonsense", "7"):
        async with front.client.get("/admin/events", headers={"Last-Event-ID": strange}) as answer:
            assert json.loads((await frame(answer))["data"])["model"] == "a"


async def test_a_number_beyond_all_numbers_is_not_one_of_ours(hall):
    front = await hall(nothing)
    wishes(front, "a", "b")
    async with front.client.get("/admin/events?tail=1") as answer:
        life = (await frame(answer))["id"].partition("-")[0]
    for number in ("9" * 5000, "9" * 19):
        strange = {"Last-Event-ID": f"{life}-{number}"}
        async with front.client.get("/admin/events", headers=strange) as answer:
            assert answer.status == 200
            assert json.loads((await frame(answer))["data"])["model"] == "a"


async def test_a_negative_tail_is_none(hall):
    front = await hall(nothing)
    wishes(front, "a", "b")
    answer = await front.client.get("/admin/events?tail=-1&follow=0")
    assert (answer.status, await answer.text()) == (200, ": swapd events\n\n")
    assert front.feed.start(None, -5) == front.feed.start(None)


async def test_without_a_number_old_events_are_shown_only_where_asked_for(hall):
    front = await hall(nothing)
    wishes(front, "a", "b", "c")
    answer = await front.client.get("/admin/events?tail=2&follow=0")
    told = [json.loads(line[6:])["model"] for line in (await answer.text()).splitlines() if line[:6] == "data: "]
    assert told == ["b", "c"]
    assert "data" not in await (await front.client.get("/admin/events?follow=0")).text()
    assert (await front.client.get("/admin/events?tail=x")).status == 400


async def test_who_reads_too_slowly_is_told_how_many_are_lost(hall):
    front = await hall(nothing)  # its feed keeps five
    wishes(front, "a")
    async with front.client.get("/admin/events?tail=1") as answer:
        seen = (await frame(answer))["id"]
    wishes(front, *"bcdefghi")
    async with front.client.get("/admin/events", headers={"Last-Event-ID": seen}) as answer:
        lost = await frame(answer)
        assert (lost["event"], "id" in lost, json.loads(lost["data"])["lost"]) == ("lost", False, 3)
        assert json.loads((await frame(answer))["data"])["model"] == "e"


async def test_a_reader_that_is_overtaken_while_it_reads_loses_the_oldest():
    feed = Feed(lambda at, now: "", kept=3)
    reader = feed.read(0)
    for name in "ab":
        feed.hear(LoadWished(name), ())
    assert b'"model":"a"' in await anext(reader)
    for name in "cdef":
        feed.hear(LoadWished(name), ())
    assert b'"lost":2' in await anext(reader)
    assert b'"model":"d"' in await anext(reader)


async def test_silence_is_broken_by_comments(hall, monkeypatch):
    monkeypatch.setattr(events, "QUIET", 0.01)
    front = await hall(nothing)
    async with front.client.get("/admin/events") as answer, asyncio.timeout(5):
        for _ in range(3):
            assert (await answer.content.readuntil(b"\n\n")).startswith(b": ")


async def test_at_shutdown_every_reader_gets_the_rest_and_its_stream_ends(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/events") as answer, asyncio.timeout(5):
        await answer.content.readuntil(b"\n\n")
        wishes(front, "a")
        front.feed.close()
        assert json.loads((await frame(answer))["data"])["model"] == "a"
        assert await answer.content.read() == b""
    async with asyncio.timeout(5):
        assert await (await front.client.get("/admin/events")).text() == ": swapd events\n\n"


async def test_the_feed_is_the_operators(hall):
    front = await hall(nothing)
    assert (await front.client.get("/admin/events", headers={"Via": "x"})).status == 403
    front.config.settings = Settings(admin_key="right")
    assert (await front.client.get("/admin/events")).status == 401
    assert (await front.client.get("/admin/explain/alpha")).status == 401
    answer = await front.client.get("/admin/events?follow=0", headers={"x-api-key": "right"})
    assert answer.status == 200


@pytest.mark.parametrize("reason", list(Reason))
async def test_no_line_of_an_engine_is_in_the_feed(hall, reason):
    front = await hall(nothing)
    end = Exit(code=1, log=("the user's words",))
    front.happens(EngineExited(RUN, end), Refuse(Ticket(1), Refusal(reason, "alpha", end)))
    text = await (await front.client.get("/admin/events?tail=9&follow=0")).text()
    assert "exited with code 1" in text
    assert "the user's words" not in text
