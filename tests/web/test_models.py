"""Lists of models: what clients look for in them, learned without starting or disturbing anything."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import CatalogChanged, EngineExited, EngineReady, LoadWished
from swapd.core.refusal import Exit
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Alias, Catalog, Launch, Listing, Service, Spec, Terms
from swapd.web.entries import entry

RUN = RunId("alpha", 1)
META = {"vocab_type": 1, "n_ctx": 1024, "n_ctx_train": 8192, "n_params": 905600, "size": 1931264, "ftype": "F16"}


class Told:
    """An engine that tells ``page`` of itself, and counts who asks."""

    def __init__(self, page: object, status: int = 200) -> None:
        self.page, self.status, self.asked = page, status, 0

    async def answer(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("GET", "/v1/models")
        self.asked += 1
        return web.json_response(self.page, status=self.status)


async def nobody(request: web.Request) -> web.Response:
    raise AssertionError("a list asked an engine that is not up")


def view_of(*argv: str, context: int | None = 4096):
    spec = Spec("m", Launch(("engine", *argv)), Terms(service=Service(listing=Listing(context=context))))
    scheduler = Scheduler()
    scheduler.handle(CatalogChanged(Catalog({"m": spec}, {"a": Alias("a", "m")})), 0.0)
    return scheduler.view(0.0).models["m"]


async def listed(front) -> dict[str, dict]:
    answer = await front.client.get("/models")
    assert answer.status == 200
    return {model["id"]: model for model in (await answer.json())["data"]}


async def until_listed(front, key: str, wanted: object) -> dict[str, dict]:
    async with asyncio.timeout(5):
        while (found := await listed(front))["alpha"].get(key) != wanted:
            pass
    return found


async def test_a_list_has_every_model_and_alias_with_what_clients_look_for_and_starts_nothing(hall):
    front = await hall(nobody)
    found = await listed(front)
    assert list(found) == ["alpha", "alpha:cold", "gpt-4o", "org/beta", "hasty"]
    assert found["gpt-4o"] == {
        "id": "gpt-4o",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "swapd",
        "aliases": ["alpha", "alpha:cold"],
        "tags": [],
        "status": {"value": "unloaded", "args": ["--ctx-size", "4096"]},
        "capabilities": ["completion", "chat"],
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "description": "a model",
        "context_length": 4096,
        "max_model_len": 4096,
        "meta": {"n_ctx": 4096},
    }
    assert "meta" not in found["hasty"]
    assert (front.gate.asked, front.gate.posted) == ([], [])


@pytest.mark.parametrize("at", ["/v1/models", "/models"])
@pytest.mark.parametrize(
    ("asked", "id"),
    [
        ("alpha", "alpha"),
        ("org/beta", "org/beta"),
        ("org%2Fbeta", "org/beta"),
        ("gpt-4o:latest", "gpt-4o"),
        ("hidden", "hidden"),
    ],
)
async def test_one_model_is_found_under_every_spelling_of_its_name(hall, at, asked, id):
    front = await hall(nobody)
    answer = await front.client.get(f"{at}/{asked}")
    assert (answer.status, (await answer.json())["id"]) == (200, id)


@pytest.mark.parametrize("asked", ["nope", "nope:latest", "alpha:latest:latest", "x" * 500])
async def test_an_unknown_model_is_a_404_in_openais_words(hall, asked):
    front = await hall(nobody)
    answer = await front.client.get(f"/v1/models/{asked}")
    error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert len(error["message"]) < 200


@pytest.mark.parametrize(
    ("argv", "what", "inputs"),
    [
        ((), ["completion", "chat"], ["text"]),
        (("--mmproj", "x.gguf"), ["completion", "chat", "multimodal"], ["text", "image"]),
        (("--embeddings",), ["embedding"], ["text"]),
        (("--embedding", "--pooling", "rank"), ["rerank"], ["text"]),
        (("--reranking",), ["rerank"], ["text"]),
    ],
)
def test_a_model_is_listed_with_what_its_command_line_makes_it_good_for(argv, what, inputs):
    found = entry("m", view_of(*argv), {}, None)
    assert (found["capabilities"], found["architecture"]["input_modalities"]) == (what, inputs)


@pytest.mark.parametrize(
    ("argv", "context"),
    [
        ((), 4096),
        (("-np", "2"), 2048),
        (("--parallel=4",), 1024),
        (("-np", "2", "--kv-unified"), 4096),
        (("-np", "many"), 4096),
    ],
)
def test_the_context_is_what_one_slot_has_of_it(argv, context):
    found = entry("m", view_of(*argv), {}, None)
    assert (found["context_length"], found["max_model_len"], found["meta"]) == (
        context,
        context,
        {"n_ctx": context},
    )
    assert found["status"]["args"][:2] == ["--ctx-size", str(context)]


def test_nothing_of_a_command_line_but_context_and_kind_is_shown():
    found = entry(
        "m", view_of("--api-key", "secret", "-m", "/home/me/x.gguf", "--reranking", context=None), {}, None
    )
    assert found["status"] == {"value": "unloaded", "args": ["--reranking"]}
    assert "secret" not in str(found)
    assert "/home" not in str(found)


async def test_what_an_engine_tells_of_itself_is_listed_once_it_is_up_and_still_when_it_is_gone(hall):
    engine = Told({"data": [{"id": "alpha", "meta": META | {"junk": [1], "n_vocab": "many"}}]})
    front = await hall(engine.answer)
    front.gate.hears(LoadWished("alpha"))
    assert (await listed(front))["alpha"]["status"]["value"] == "loading"
    front.gate.hears(EngineReady(RUN, front.gate.endpoint))
    found = await until_listed(front, "context_length", 1024)
    assert found["gpt-4o"]["meta"] == META
    assert found["gpt-4o"]["status"] == {"value": "loaded", "args": ["--ctx-size", "1024"]}
    front.gate.hears(EngineExited(RUN, Exit(code=3)))
    found = await listed(front)
    assert found["alpha"]["status"] == {
        "value": "unloaded",
        "failed": True,
        "exit_code": 3,
        "args": ["--ctx-size", "1024"],
    }
    assert found["alpha"]["meta"] == META
    assert engine.asked == 1


async def test_what_was_learned_is_forgotten_with_the_launch_that_it_was_true_of(hall):
    page = {"data": [{"id": "stranger", "max_model_len": 5}, {"id": "alpha", "max_model_len": 777}]}
    front = await hall(Told(page).answer)
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    await until_listed(front, "max_model_len", 777)
    known = front.gate.catalog
    changed = replace(known.models["alpha"], launch=Launch(("another",)))
    front.gate.hears(CatalogChanged(replace(known, models={**known.models, "alpha": changed})))
    assert (await listed(front))["alpha"]["max_model_len"] == 4096


@pytest.mark.parametrize("page", [[], {"data": []}, {"data": [5]}, {"data": [{"meta": 5}]}, {"data": "xy"}, "x"])
async def test_an_engine_that_tells_nothing_of_use_is_asked_once_and_listed_all_the_same(hall, page):
    engine = Told(page)
    front = await hall(engine.answer)
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    async with asyncio.timeout(5):
        while not engine.asked:
            await listed(front)
    assert (await listed(front))["alpha"]["context_length"] == 4096
    assert engine.asked == 1


async def test_an_engine_that_broke_off_is_asked_again_by_the_next_list(hall):
    engine, broken = Told({"data": [{"id": "alpha", "max_model_len": 777}]}), 0

    async def moody(request: web.Request) -> web.StreamResponse:
        nonlocal broken
        if not broken:
            broken = 1
            assert request.transport is not None
            request.transport.abort()
        return await engine.answer(request)

    front = await hall(moody)
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    await until_listed(front, "max_model_len", 777)
    assert broken == 1


async def test_an_engine_that_does_not_answer_keeps_no_list_waiting(hall):
    asked = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    front = await hall(silent)
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, Endpoint("127.0.0.1", 1)))
    await listed(front)
    await asyncio.wait_for(asked.wait(), 5)
    assert (await listed(front))["alpha"]["status"]["value"] == "loaded"
