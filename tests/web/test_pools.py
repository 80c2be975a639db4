"""Pools, asked for like models: who answers, with whose edits, and who may ask."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, LoadWished
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.settings import ClientKey
from swapd.core.spec import Launch, Listing, Pool, Spec
from tests.processes import until
from tests.web.raw import calling, post

POOLS = {
    "duo": Pool("duo", ("alpha", "org/beta")),
    "org/all": Pool("org/all", ("once", "alpha", "org/beta"), "first"),
}
CHAT = "/v1/chat/completions"


async def echo(request):
    return web.json_response({"body": (await request.read()).decode(), "path": request.path_qs})


@pytest.fixture
async def front(hall):
    made = await hall(echo)
    catalog = replace(made.config.catalog, pools=POOLS)
    made.config.catalog = made.gate.catalog = catalog
    return made


def refuses(front, **reasons):
    """The desk refuses these models so."""
    lease = front.gate.lease

    @asynccontextmanager
    async def picky(model, client=""):
        if model in reasons:
            front.gate.asked.append((model, client))
            raise Refused(Refusal(reasons[model], model, Exit(code=1)))
        async with lease(model, client) as found:
            yield found

    front.gate.lease = picky


def up(front, *names):
    for name in names:
        front.gate.hears(LoadWished(name), EngineReady(RunId(name, 1), front.gate.endpoint))


def able(front, name, *abilities):
    """What the model can do, as its kind of engine says."""
    models, spec = front.config.catalog.models, front.config.catalog.models[name]
    service = replace(spec.terms.service, abilities=frozenset(abilities))
    models[name] = replace(spec, terms=replace(spec.terms, service=service))


def who_was_asked(front):
    return [name for name, _ in front.gate.asked]


async def ask(front, name, path=CHAT, **more):
    return await front.client.post(path, json={"model": name}, **more)


@pytest.mark.parametrize("name", ["duo", "duo:latest"])
@pytest.mark.parametrize("headers", [{}, {"Expect": "100-continue"}], ids=["express", "aiohttp"])
async def test_the_warm_one_answers_as_itself_with_edits_of_its_own(front, name, headers):
    async with await ask(front, name, headers=headers) as answer:
        assert answer.headers["X-Swapd-Model"] == "alpha"
        assert json.loads((await answer.json())["body"]) == {"model": name}
    up(front, "org/beta")
    async with await ask(front, name, headers=headers) as answer:
        assert answer.headers["X-Swapd-Model"] == "org/beta"
        assert json.loads((await answer.json())["body"]) == {"top_k": 5, "model": "Org/Real"}


@pytest.mark.parametrize(
    "reason", [Reason.START_FAILED, Reason.START_TIMEOUT, Reason.UNAVAILABLE, Reason.NEVER_FITS]
)
async def test_the_next_one_is_tried_when_one_cannot_be_had(front, reason):
    refuses(front, alpha=reason)
    async with await ask(front, "duo") as answer:
        assert (answer.status, answer.headers["X-Swapd-Model"]) == (200, "org/beta")
    assert who_was_asked(front) == ["alpha", "org/beta"]


async def test_each_is_tried_once_and_the_last_has_the_last_word(front):
    refuses(front, **{"alpha": Reason.START_FAILED, "org/beta": Reason.UNAVAILABLE})
    async with await ask(front, "duo") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "engine_unavailable")
    assert who_was_asked(front) == ["alpha", "org/beta"]


@pytest.mark.parametrize("reason", [Reason.QUEUE_FULL, Reason.CLOSING, Reason.MODEL_UNLOADED])
async def test_no_other_is_tried_where_it_was_not_for_the_models_own_sake(front, reason):
    refuses(front, alpha=reason)
    async with await ask(front, "duo") as answer:
        assert answer.status == 503
    assert who_was_asked(front) == ["alpha"]


async def test_no_other_is_tried_once_an_engine_was_asked(raw_hall):
    async def talk(line):
        await line.request()

    front, _ = await raw_hall(talk)
    front.config.catalog = front.gate.catalog = replace(front.config.catalog, pools=POOLS)
    async with calling(front.port) as caller:
        await caller.send(post(b'{"model": "org/all"}'))
        assert (await caller.answer()).status == 502
    assert who_was_asked(front) == ["once"]


async def test_one_that_cannot_do_it_is_left_out_and_where_none_can_nothing_is_asked(front):
    able(front, "alpha", "chat")
    async with await ask(front, "duo", "/v1/embeddings") as answer:
        assert answer.headers["X-Swapd-Model"] == "org/beta"
    able(front, "org/beta", "chat")
    async with await ask(front, "duo", "/v1/embeddings") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (501, "unsupported_capability")
    assert who_was_asked(front) == ["org/beta"]


async def test_a_pool_is_found_in_a_path_by_query_and_by_default(front):
    for path in ("/upstream/duo/slots?a=1", "/upstream/org%2Fall/slots?a=1", "/upstream/org/all/slots?a=1"):
        async with front.client.get(path) as answer:
            assert (await answer.json())["path"] == "/slots?a=1"
    async with front.client.get("/slots?model=duo") as answer:
        assert answer.status == 200
    front.config.catalog = replace(front.config.catalog, default_model="duo")
    async with front.client.post(CHAT, json={}) as answer:
        assert answer.status == 200
    assert who_was_asked(front) == ["alpha", "once", "once", "alpha", "alpha"]


def lends(front, name):
    """The model becomes one of a remote's, with a key."""
    elsewhere = Launch((), url="http://h", key="Authorization: Bearer k")
    return front.config.catalog.models | {name: Spec(name, elsewhere)}


async def test_a_remotes_key_opens_nothing_else_to_those_who_ask_a_pool_with_it(front):
    front.config.catalog = replace(front.config.catalog, models=lends(front, "alpha"))
    async with front.client.get("/upstream/duo/v1/files") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "not_permitted")
    assert who_was_asked(front) == []


async def test_nor_to_those_who_waited_while_the_model_became_the_remotes(front):
    front.gate.open.clear()
    asking = asyncio.ensure_future(front.client.get("/upstream/alpha/v1/files"))
    await until(lambda: front.gate.asked)
    front.gate.catalog = replace(front.gate.catalog, models=lends(front, "alpha"))
    front.gate.open.set()
    async with await asking as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "not_permitted")


async def test_an_upload_to_a_pool_names_the_model_that_answers(front, tmp_path):
    front.config.settings = replace(front.config.settings, state_dir=str(tmp_path))
    up(front, "org/beta")
    form = aiohttp.FormData({"model": "duo", "file": io.BytesIO(b"sound")})
    async with front.client.post("/v1/audio/transcriptions", data=form) as answer:
        assert answer.headers["X-Swapd-Model"] == "org/beta"
        assert "\r\n\r\nOrg/Real\r\n" in (await answer.json())["body"]


async def test_a_pool_of_ollamas_api_is_one_model(front):
    async with await ask(front, "duo", "/api/generate") as answer:
        assert answer.status == 200, await answer.text()
    async with front.client.get("/api/tags") as answer:
        assert "duo" in [tag["name"].removesuffix(":latest") for tag in (await answer.json())["models"]]
    async with front.client.post("/api/show", json={"model": "duo"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("models", "may"), [(("duo",), True), (("alpha", "org/*"), True), (("alpha",), False), (("org/*",), False)]
)
async def test_a_pool_is_for_whom_its_name_or_all_its_models_are(front, models, may):
    front.config.settings = replace(front.config.settings, clients=(ClientKey("ada", "k", models=models),))
    key = {"Authorization": "Bearer k"}
    async with await ask(front, "duo", headers=key) as answer:
        assert answer.status == (200 if may else 403)
    async with front.client.get("/v1/models", headers=key) as answer:
        assert ("duo" in [entry["id"] for entry in (await answer.json())["data"]]) is may
    async with front.client.get("/v1/models/duo", headers=key) as answer:
        assert answer.status == (200 if may else 403)


async def test_a_pool_is_listed_with_what_is_true_of_all_and_the_state_of_the_best(front):
    listing = Listing(context=8192)
    beta = front.gate.view().models["org/beta"].spec
    service = replace(beta.terms.service, listing=listing, abilities=frozenset(("chat", "rerank")))
    models = front.gate.scheduler.book.catalog.models
    models["org/beta"] = replace(beta, terms=replace(beta.terms, service=service))
    async with front.client.get("/v1/models/duo") as answer:
        entry = await answer.json()
    told = [entry[key] for key in ("id", "context_length", "capabilities")]
    assert told == ["duo", 4096, ["chat"]]
    assert entry["status"]["value"] == "unloaded"
    up(front, "org/beta")
    async with front.client.get("/v1/models") as answer:
        (listed,) = [each for each in (await answer.json())["data"] if each["id"] == "duo"]
    assert (listed["status"]["value"], listed.keys()) == ("loaded", entry.keys())


async def test_a_pools_name_loads_the_one_that_would_answer_and_is_explained_by_its_models(front):
    async with await ask(front, "duo", "/models/load") as answer:
        assert answer.status == 200
    assert front.gate.posted == [LoadWished("alpha")]
    async with front.client.get("/admin/explain/duo") as answer:
        error = (await answer.json())["error"]
    assert answer.status == 400
    assert error["message"].endswith("it is a pool; name one of its models: 'alpha', 'org/beta'")
