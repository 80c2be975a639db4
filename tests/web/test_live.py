"""The live stream: all of it once, then what changes; one picture for all who read, and none for nobody."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp import web

from swapd import tasks
from swapd.core.commands import Cause, Grant, Spawn, Why
from swapd.core.engine import RunId
from swapd.core.events import Asked, CatalogChanged, EngineReady, LoadWished, Ticked, Ticket
from swapd.core.settings import Settings
from swapd.core.spec import Catalog, Launch, Pool
from swapd.web import live
from swapd.web.events import Feed
from swapd.web.live_reader import Reader
from swapd.web.live_shown import Shown
from swapd.web.live_stamps import Stamps
from swapd.web.status import Scene
from tests.web.conftest import FakeEngines, catalog

RUN = RunId("alpha", 1)


@pytest.fixture(autouse=True)
def pictures_come_at_once_and_only_when_something_happens(monkeypatch):
    monkeypatch.setattr(live, "LEAST", 0.001)
    monkeypatch.setattr(live, "SHARE", 1.0)
    monkeypatch.setattr(live, "STEP", 60.0)


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def frame(answer, kind: str | None = None) -> dict:
    """The data of the next event, or of the next of that kind; comments are skipped."""
    async with asyncio.timeout(5):
        while True:
            text = (await answer.content.readuntil(b"\n\n")).decode()
            if text.startswith(":"):
                continue
            event, data = (line.partition(": ")[2] for line in text.splitlines() if line)
            if kind in (None, event):
                return {"event": event} | json.loads(data)


def loads(front, name: str = "alpha") -> None:
    """Somebody wants it up, and its engine is begun."""
    front.gate.hears(LoadWished(name))
    front.happens(LoadWished(name))


def by_name(models: list[dict]) -> dict[str, dict]:
    return {model["name"]: model for model in models}


async def test_the_first_word_is_the_status_without_what_only_ages(hall):
    front = await hall(nothing)
    status = await (await front.client.get("/admin/status")).json()
    async with front.client.get("/admin/live") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        hello = await frame(answer)
    assert (hello["event"], hello["now"]) == ("hello", "2026-01-01T00:00:00Z")
    for model in status["models"]:
        del model["idle"]
    assert hello["status"] == status


async def test_the_status_says_what_a_model_is(hall):
    front = await hall(nothing)
    front.config.catalog = replace(front.config.catalog, pools={"any": Pool("any", ("alpha", "hasty"))})
    status = await (await front.client.get("/admin/status")).json()
    assert status["pools"] == [{"name": "any", "models": ["alpha", "hasty"], "choose": "warm"}]
    alpha = status["models"][0]
    told = {key: alpha[key] for key in ("slots", "engine", "url", "idle_since", "requests", "tokens", "last_swap")}
    assert told == {
        "slots": 1,
        "engine": "llama.cpp",
        "url": None,
        "idle_since": None,
        "requests": 0,
        "tokens": {"prompt": 0, "completion": 0, "per_second": None},
        "last_swap": None,
    }


async def test_then_comes_what_changed_and_only_that(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/live") as answer:
        await frame(answer)
        loads(front)
        change = await frame(answer, "change")
        assert list(by_name(change["models"])) == ["alpha"]
        assert change["models"][0]["state"] == "starting"
        assert "names" not in change
        assert change["status"] == {}
        front.config.problems = [{"file": "x", "line": 1, "column": 1, "key": "", "message": "no"}]
        front.feed.moves.stir()
        change = await frame(answer, "change")
        assert (change["status"], change["models"]) == ({"problems": front.config.problems}, [])


async def test_who_comes_late_gets_all_of_it_and_then_only_what_changed(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/live") as first:
        await frame(first)
        loads(front)
        await frame(first, "change")
        async with front.client.get("/admin/live") as second:
            hello = await frame(second)
            assert by_name(hello["status"]["models"])["alpha"]["state"] == "starting"
            loads(front, "hasty")
            change = await frame(second)
            assert (change["event"], [model["name"] for model in change["models"]]) == ("change", ["hasty"])


async def test_two_readers_cost_one_picture_and_none_costs_nothing(hall, monkeypatch):
    front = await hall(nothing)
    taken, renew = [], Shown.renew
    monkeypatch.setattr(Shown, "renew", lambda *args: (taken.append(1), renew(*args)))
    async with front.client.get("/admin/live") as first, front.client.get("/admin/live") as second:
        await asyncio.gather(frame(first), frame(second))
        assert len(taken) == 1
        loads(front)
        await asyncio.gather(frame(first, "change"), frame(second, "change"))
        assert len(taken) == 2
    async with asyncio.timeout(5):
        while [task for task in asyncio.all_tasks() if task.get_name() == "watch for readers"]:
            await asyncio.sleep(0.01)
    loads(front, "hasty")
    await front.client.get("/health")
    assert len(taken) == 2


async def test_time_alone_changes_nothing(hall):
    front = await hall(nothing)
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    async with front.client.get("/admin/live") as answer:
        hello = await frame(answer)
        assert by_name(hello["status"]["models"])["alpha"]["idle_since"] is not None
        front.gate.now += 7.77
        front.feed.moves.stir()
        front.gate.hears(LoadWished("hasty"))
        front.feed.moves.stir()
        assert list(by_name((await frame(answer, "change"))["models"])) == ["hasty"]


async def test_models_that_come_and_go_are_told_with_the_list_of_all(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/live") as answer:
        await frame(answer)
        models = {name: spec for name, spec in catalog().models.items() if name != "hidden"}
        changed = CatalogChanged(Catalog(models, catalog().aliases))
        front.gate.hears(changed)
        front.happens(changed)
        change = await frame(answer, "change")
        assert (change["models"], change["names"]) == ([], ["alpha", "org/beta", "hasty", "once"])


async def test_what_is_told_comes_with_its_weight_and_without_the_grants(hall):
    front = await hall(nothing)
    front.happens(LoadWished("early"))
    front.happens(LoadWished("late"))
    async with front.client.get("/admin/live?tail=1") as answer:
        assert (await frame(answer))["event"] == "hello"
        told = await frame(answer)
        assert (told["event"], told["type"], told["model"], told["level"]) == ("told", "load", "late", "info")
        spec = front.gate.catalog.models["alpha"]
        front.happens(Asked(Ticket(1), "alpha"), Grant(Ticket(1), RUN, front.gate.endpoint, spec, 0.0, 0.0))
        front.happens(Ticked(), Spawn(RUN, Launch(("x",)), Why(Cause.ASKED)))
        told = await frame(answer, "told")
        assert (told["type"], told["cause"], told["run"]) == ("start", "asked", 1)
    assert (await front.client.get("/admin/live?tail=x")).status == 400


async def test_a_path_that_is_no_text_is_told_all_the_same(hall):
    front = await hall(nothing)
    front.config.problems = [{"file": "/srv/\udcff.yaml", "line": 1, "column": 1, "key": "", "message": "no"}]
    async with front.client.get("/admin/live") as answer:
        assert (await frame(answer))["status"]["problems"] == front.config.problems


async def test_a_slow_reader_gets_the_newest_and_costs_no_memory():
    feed, shown = Feed(lambda at, now: "2026-01-01T00:00:00Z"), Shown()
    slow, quick = Reader(feed, None, 0), Reader(feed, None, 0)
    shown.renew("then", {}, {"a": b"0", "b": b"0"})
    slow.news(shown), quick.news(shown)
    for number in range(1, 5000):
        feed.hear(LoadWished(f"m{number}"), ())
        shown.renew("now", {}, {"a": b"%d" % number, "b": b"0"})
        quick.news(shown)
    assert len(shown._frames) == 1
    frames = slow.news(shown).decode().split("\n\n")
    assert json.loads(frames[0].partition("data: ")[2]) == {"now": "now", "status": {}, "models": [4999]}
    lost = json.loads(frames[1].partition("data: ")[2])
    assert (lost["type"], lost["lost"], lost["level"]) == ("lost", 3999, "warning")
    assert len(frames) == 1 + 1 + 1000 + 1
    assert slow.news(shown) == b""


async def test_silence_is_broken_by_comments(hall, monkeypatch):
    monkeypatch.setattr(live, "QUIET", 0.01)
    front = await hall(nothing)
    async with front.client.get("/admin/live") as answer, asyncio.timeout(5):
        await frame(answer)
        for _ in range(3):
            assert (await answer.content.readuntil(b"\n\n")).startswith(b": ")


async def test_the_last_word_says_why_it_ends(hall):
    front = await hall(nothing)
    async with front.client.get("/admin/live") as answer, asyncio.timeout(5):
        await frame(answer)
        ending = asyncio.ensure_future(front.door.close())
        assert await frame(answer) == {"event": "bye", "why": live.CLOSED}
        assert await answer.content.read() == b""
        await ending


async def test_who_has_no_right_any_more_hears_no_more(hall):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="old")
    assert (await front.client.get("/admin/live")).status == 401
    async with front.client.get("/admin/live", headers={"x-api-key": "old"}) as answer, asyncio.timeout(5):
        await frame(answer)
        front.config.settings = Settings(admin_key="new")
        loads(front)
        bye = await frame(answer)
        assert bye["event"] == "bye"
        assert "key" in bye["why"]
        assert await answer.content.read() == b""


def test_a_moment_is_always_said_in_the_same_words_until_the_wall_clock_is_set():
    set_at = [1_700_000_000.0]
    stamps = Stamps(lambda at, now: f"1970-01-01T00:{int(set_at[0]) % 60:02}:{at % 60:09.6f}+00:00")
    set_at[0] = 0.0
    first = stamps(5.0, 9.0)
    stamps.turn(9.0)
    assert stamps(5.0004, 9.0) == first
    set_at[0] = 30.0
    assert stamps(5.0, 10.0) == first
    stamps.turn(10.0)
    assert stamps(5.0, 10.0) == "1970-01-01T00:30:05.000000+00:00"


class Counted:
    """A reader that notes at which turn of the loop it is served, and a response that takes all."""

    def __init__(self, turn, served) -> None:
        self._turn = turn
        self._served = served

    def news(self, shown: Shown) -> bytes:
        self._served.append(self._turn[0])
        return b"x"

    async def write(self, news: bytes) -> None:
        pass


async def test_between_two_of_many_readers_the_loop_looks_after_all_else():
    turn, served, loop = [0], [], asyncio.get_running_loop()

    def count() -> None:
        turn[0] += 1
        if len(served) < 50:
            loop.call_soon(count)

    showing = live.Showing(None, None, None)
    readers = [Counted(turn, served) for _ in range(50)]
    shows = [tasks.spawn(showing.show(each, each, lambda: None), name="show") for each in readers]
    await asyncio.sleep(0)
    showing.ticks.stir()
    count()
    async with asyncio.timeout(5):
        while len(served) < 50:
            await asyncio.sleep(0)
    assert len(set(served)) == 50
    showing.ticks.close()
    assert await asyncio.gather(*shows) == [live.CLOSED] * 50


async def test_the_status_of_many_models_is_taken_in_pieces(hall, monkeypatch):
    front = await hall(nothing)
    whole = await (await front.client.get("/admin/status")).json()
    monkeypatch.setattr("swapd.web.status.SLICE", -1.0)
    turns = []
    stop = asyncio.get_running_loop().call_soon
    view = front.gate.view
    monkeypatch.setattr(front.gate, "view", lambda: (stop(turns.append, 1), view())[1])
    assert await (await front.client.get("/admin/status")).json() == whole
    assert len(turns) >= len(whole["models"]) > 1


async def test_where_a_view_takes_longer_than_a_piece_there_is_not_one_for_each_model(hall, monkeypatch):
    front = await hall(nothing)
    seconds, views, view = [0.0], [], front.gate.view

    def counted():
        seconds[0] += 0.0015
        return seconds[0]

    def slow():
        seconds[0] += 10 * live.SLICE
        views.append(1)
        return view()

    monkeypatch.setattr(live.time, "perf_counter", counted)
    monkeypatch.setattr(front.gate, "view", slow)
    scene = Scene(front.gate, front.config, FakeEngines())
    showing = live.Showing(scene, front.feed, Stamps(lambda at, now: "2026-01-01T00:00:00Z"))
    await showing._look()
    assert len(front.config.catalog.models) == 5
    assert len(views) == 2
