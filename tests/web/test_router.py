"""llama.cpp's router face: loading and unloading at once, hearing of it, asking an engine what it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import (
    Asked,
    CatalogChanged,
    Closing,
    EngineExited,
    EngineReady,
    Event,
    Left,
    LoadWished,
    Ticket,
    UnloadWished,
)
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Launch, Pool, Spec, Terms
from swapd.web import router
from swapd.web.events import Moves

RUN = RunId("alpha", 1)
PAGE = b'{"default_generation_settings": {"n_ctx":  1024}, "total_slots":2}'
META = {"n_ctx": 1024, "n_ctx_train": 8192}


async def engine(request: web.Request) -> web.Response:
    if request.path == "/v1/models":
        return web.json_response({"data": [{"meta": META}]})
    assert request.path_qs == "/props"
    return web.Response(body=PAGE, content_type="application/json")


def happens(front, *events: Event) -> None:
    """As at the desk: in the book first, then heard."""
    for event in events:
        commands = front.gate.scheduler.handle(event, front.gate.now)
        front.feed.hear(event, commands)


def is_up(front, name: str = "alpha") -> None:
    happens(front, LoadWished(name), EngineReady(RunId(name, 1), front.gate.endpoint))


async def error_of(answer) -> tuple[int, str, str]:
    error = (await answer.json())["error"]
    return answer.status, error["code"], error["message"]


# -- load and unload ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["/models", "/v1/models"])
@pytest.mark.parametrize(
    ("name", "model"),
    [("alpha", "alpha"), ("gpt-4o", "alpha"), ("org/beta:latest", "org/beta"), ("hidden", "hidden")],
)
async def test_a_load_is_wished_for_and_answered_at_once(hall, at, name, model):
    front = await hall(engine)
    answer = await front.client.post(f"{at}/load", data=json.dumps({"model": name}))
    assert (answer.status, await answer.json()) == (200, {"success": True})
    assert (front.gate.posted, front.gate.asked) == ([LoadWished(model)], [])


async def test_an_unload_is_wished_for_and_answered_at_once_though_the_engine_is_only_starting(hall):
    front = await hall(engine)
    happens(front, LoadWished("alpha"))
    answer = await front.client.post("/models/unload", json={"model": "gpt-4o"})
    assert (answer.status, await answer.json()) == (200, {"success": True})
    assert front.gate.posted == [UnloadWished("alpha")]


async def test_nobody_makes_room_for_a_load_of_what_is_not_there(hall):
    front = await hall(engine)
    front.gate.lacks = Refusal(Reason.START_FAILED, "alpha", Exit(reason="there is no file"))
    answer = await front.client.post("/models/load", json={"model": "alpha"})
    assert answer.status == 502
    assert front.gate.posted == []


@pytest.mark.parametrize("verb", ["load", "unload"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"model": "nope"}', 404, "model_not_found"),
        (b'{"model": ""}', 400, "model_required"),
        (b"{}", 400, "model_required"),
        (b'{"model": 5}', 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"no", 400, "bad_request"),
        (b"", 400, "bad_request"),
    ],
)
async def test_a_wish_for_nothing_that_is_known_is_refused_and_no_default_is_meant(hall, verb, body, status, code):
    front = await hall(engine)
    front.config.catalog = replace(front.config.catalog, default_model="alpha")
    answer = await front.client.post(f"/models/{verb}", data=body)
    assert (await error_of(answer))[:2] == (status, code)
    assert front.gate.posted == []


@pytest.mark.parametrize("ready", [False, True])
async def test_what_is_up_or_loading_cannot_be_loaded_in_llama_cpps_words(hall, ready):
    front = await hall(engine)
    happens(front, LoadWished("alpha"), *[EngineReady(RUN, front.gate.endpoint)] * ready)
    answer = await front.client.post("/models/load", json={"model": "alpha"})
    assert await error_of(answer) == (400, "bad_request", "model is already running")
    assert front.gate.posted == []


@pytest.mark.parametrize("failed", [False, True])
async def test_what_is_not_up_cannot_be_unloaded_in_llama_cpps_words(hall, failed):
    front = await hall(engine)
    happens(front, *[LoadWished("alpha"), EngineExited(RUN, Exit(code=1))] * failed)
    answer = await front.client.post("/models/unload", json={"model": "alpha"})
    assert await error_of(answer) == (400, "bad_request", "model is not running")
    assert front.gate.posted == []


async def test_what_failed_can_be_loaded_again(hall):
    front = await hall(engine)
    happens(front, LoadWished("alpha"), EngineExited(RUN, Exit(code=1)))
    assert (await front.client.post("/models/load", json={"model": "alpha"})).status == 200
    assert front.gate.posted == [LoadWished("alpha")]


async def test_what_can_never_fit_is_refused_at_once(hall):
    front = await hall(engine)
    big = Spec("alpha", Launch(("x",)), Terms(cost={"big": 2}))
    known = front.gate.catalog
    happens(front, CatalogChanged(replace(known, models={**known.models, "alpha": big}, budget={"big": 1})))
    answer = await front.client.post("/models/load", json={"model": "alpha"})
    assert (await error_of(answer))[:2] == (503, "insufficient_memory")
    assert front.gate.posted == []


async def test_nothing_is_loaded_any_more_while_the_daemon_goes(hall):
    front = await hall(engine)
    happens(front, Closing())
    answer = await front.client.post("/models/load", json={"model": "alpha"})
    assert (await error_of(answer))[:2] == (503, "shutting_down")


# -- props -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alpha", "gpt-4o", "alpha:latest"])
@pytest.mark.parametrize("more", ["", "&autoload=false"])
async def test_the_props_of_an_engine_that_is_up_are_its_own_to_the_byte_and_need_no_lease(hall, name, more):
    front = await hall(engine)
    is_up(front)
    answer = await front.client.get(f"/props?model={name}{more}")
    assert (answer.status, answer.content_type, await answer.read()) == (200, "application/json", PAGE)
    assert (answer.headers["X-Swapd-Model"], answer.headers["X-Swapd-Run"]) == ("alpha", "1")
    assert front.gate.asked == []


@pytest.mark.parametrize("name", ["org/beta", "org%2Fbeta", "org%2Fbeta:latest"])
async def test_props_load_a_model_that_is_not_up(hall, name):
    front = await hall(engine)
    answer = await front.client.get(f"/v1/props?model={name}")
    assert (answer.status, await answer.read()) == (200, PAGE)
    assert [front.gate.catalog.resolve(asked)[0].name for asked, _ in front.gate.asked] == ["org/beta"]
    assert not front.gate.holding


async def test_props_without_autoload_load_nothing(hall):
    front = await hall(engine)
    answer = await front.client.get("/props?model=alpha&autoload=false")
    assert await error_of(answer) == (400, "bad_request", "model is not loaded")
    assert front.gate.asked == []


@pytest.mark.parametrize("more", ["", "&autoload=false"])
async def test_the_props_of_an_unknown_model_are_a_404(hall, more):
    front = await hall(engine)
    assert (await error_of(await front.client.get(f"/props?model=nope{more}")))[:2] == (404, "model_not_found")


async def test_props_of_a_model_that_cannot_be_loaded_say_why(hall):
    front = await hall(engine)
    front.gate.refusal = Refusal(Reason.START_FAILED, "alpha", Exit(code=1))
    answer = await front.client.get("/props?model=alpha")
    assert await error_of(answer) == (
        502,
        "engine_start_failed",
        "cannot start the engine of model 'alpha': exited with code 1",
    )


async def test_an_engine_that_breaks_under_the_question_is_a_502(hall):
    async def breaks(request: web.Request) -> web.Response:
        request.transport.abort()
        return web.Response()

    front = await hall(breaks)
    is_up(front)
    assert (await error_of(await front.client.get("/props?model=alpha")))[:2] == (502, "engine_died")


async def test_an_engine_that_does_not_answer_the_question_is_a_504(hall, monkeypatch):
    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(router, "BOUNDS", replace(router.BOUNDS, first_byte=0.05))
    front = await hall(silent)
    is_up(front)
    assert (await error_of(await front.client.get("/props?model=alpha")))[:2] == (504, "engine_timeout")


@pytest.mark.parametrize(
    ("up", "default", "whose"),
    [
        ([], None, None),
        (["alpha"], None, "alpha"),
        (["alpha", "hasty"], None, None),
        (["alpha", "hasty"], "gpt-4o", "alpha"),
        (["hasty"], "alpha", "hasty"),
        ([], "alpha", None),
    ],
)
async def test_props_of_no_model_are_those_that_are_meant_or_a_routers_and_load_nothing(hall, up, default, whose):
    front = await hall(engine)
    front.config.catalog = replace(front.config.catalog, default_model=default)
    for name in up:
        is_up(front, name)
    answer = await front.client.get("/props")
    assert (answer.status, answer.headers.get("X-Swapd-Model")) == (200, whose)
    assert ((await answer.json()).get("role") == "router") is (whose is None)
    assert front.gate.asked == []


# -- events ------------------------------------------------------------------------------------------------


async def events_of(answer, count: int) -> list[dict]:
    """The next so many; comments are skipped."""
    found = []
    async with asyncio.timeout(5):
        while len(found) < count:
            text = await answer.content.readuntil(b"\n\n")
            if not text.startswith(b":"):
                found.append(json.loads(text.removeprefix(b"data: ")))
    return found


async def begun(answer) -> None:
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    await answer.content.readuntil(b"\n\n")


async def test_a_load_and_its_end_are_told_under_every_name_that_is_listed(hall):
    front = await hall(engine)
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        happens(front, LoadWished("alpha"))
        ids = ["alpha", "alpha:cold", "gpt-4o"]
        loading = [{"model": name, "event": "model_status", "data": {"status": "loading"}} for name in ids]
        assert await events_of(answer, 3) == loading
        happens(front, EngineReady(RUN, front.gate.endpoint))
        loaded = await events_of(answer, 3)
        assert [(told["model"], told["event"]) for told in loaded] == [(name, "status_change") for name in ids]
        info = [told["data"]["info"] for told in loaded]
        assert [(i["id"], i["status"]["value"], i["meta"]) for i in info] == [(n, "loaded", META) for n in ids]
        happens(front, UnloadWished("alpha"), EngineExited(RUN, Exit(code=0)))
        unloaded = {"status": "unloaded", "exit_code": 0}
        assert [told["data"] for told in await events_of(answer, 3)] == [unloaded] * 3


async def test_a_pool_is_told_of_as_the_best_of_its_models_stands(hall):
    front = await hall(engine)
    pools = {"duo": Pool("duo", ("hasty", "hidden"))}
    front.config.catalog = front.gate.catalog = replace(front.config.catalog, pools=pools)
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        happens(front, LoadWished("hidden"))  # which lists do not show
        assert await events_of(answer, 1) == [
            {"model": "duo", "event": "model_status", "data": {"status": "loading"}}
        ]
        happens(front, EngineReady(RunId("hidden", 1), front.gate.endpoint))
        (told,) = await events_of(answer, 1)
        assert (told["event"], told["data"]["status"], told["data"]["info"]["id"]) == (
            "status_change",
            "loaded",
            "duo",
        )
        happens(front, LoadWished("hasty"))  # which leaves the pool as loaded as it was
        assert [told["model"] for told in await events_of(answer, 1)] == ["hasty"]
        front.config.catalog = replace(front.config.catalog, pools={})
        happens(front, EngineReady(RunId("hasty", 1), front.gate.endpoint))
        assert [told["model"] for told in await events_of(answer, 2)] == ["hasty", "*"]


async def test_a_load_that_fails_is_told_with_its_exit_code(hall):
    front = await hall(engine)
    async with front.client.get("/v1/models/sse") as answer:
        await begun(answer)
        happens(front, LoadWished("hasty"))
        await events_of(answer, 1)
        happens(front, EngineExited(RunId("hasty", 1), Exit(code=7)))
        (told,) = await events_of(answer, 1)
    assert told["data"] == {"status": "unloaded", "failed": True, "exit_code": 7}


async def test_how_far_a_load_has_come_is_told_by_the_time_that_the_last_one_took(hall, monkeypatch):
    monkeypatch.setattr(router, "STEP", 0.01)
    front = await hall(engine)
    happens(front, LoadWished("hasty"))
    front.gate.now = 4.0
    happens(front, EngineReady(RunId("hasty", 1), front.gate.endpoint), UnloadWished("hasty"))
    happens(front, EngineExited(RunId("hasty", 1), Exit(code=0)))
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        happens(front, LoadWished("hasty"))
        (first,) = await events_of(answer, 1)
        assert first["data"]["progress"] == {"stages": ["text_model"], "current": "text_model", "value": 0.0}
        front.gate.now = 5.0
        (second,) = await events_of(answer, 1)
    assert (second["event"], second["data"]["progress"]["value"]) == ("status_change", 0.25)


async def test_what_lists_do_not_show_is_not_told_and_a_changed_list_is(hall):
    front = await hall(engine)
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        happens(front, LoadWished("hidden"))
        known = front.gate.catalog
        fewer = {name: spec for name, spec in known.models.items() if name != "hasty"}
        happens(front, CatalogChanged(replace(known, models=fewer)))
        assert await events_of(answer, 1) == [{"model": "*", "event": "models_reload"}]


async def test_what_came_and_went_before_a_reader_looked_costs_it_nothing(hall):
    front = await hall(engine)
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        for n in range(1, 200):
            happens(front, LoadWished("hasty"), UnloadWished("hasty"))
            happens(front, EngineExited(RunId("hasty", n), Exit(code=0)))
        happens(front, LoadWished("hasty"))
        assert [told["data"]["status"] for told in await events_of(answer, 1)] == ["loading"]


async def test_the_stream_ends_with_the_daemon_and_says_meanwhile_that_it_is_alive(hall, monkeypatch):
    monkeypatch.setattr(router, "QUIET", 0.01)
    front = await hall(engine)
    async with front.client.get("/models/sse") as answer:
        await begun(answer)
        assert await answer.content.readuntil(b"\n\n") == b": nothing new\n\n"
        await front.door.close()
        async with asyncio.timeout(5):
            rest = await answer.content.read()
        assert b"data:" not in rest


async def test_leases_at_a_ready_engine_wake_nobody_who_waits_for_moves(hall):
    front = await hall(engine)
    is_up(front)
    before = front.feed.moves.count
    happens(front, Asked(Ticket(1), "alpha"), Left(Ticket(1)))
    assert front.feed.moves.count == before
    assert [news.type for _, news in front.feed._ring][-1] == "grant"


async def test_who_waits_for_moves_sees_one_that_came_while_it_looked_away():
    moves = Moves()
    moves.stir()
    async with asyncio.timeout(5):
        await moves.after(0, 60)
        waiting = asyncio.ensure_future(moves.after(1, 60))
        await asyncio.sleep(0)
        moves.close()
        await waiting
