"""Clients with keys: who is let in, to which models, and under what name."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, LoadWished
from swapd.core.settings import ClientKey, Window
from swapd.web import router
from swapd.web.surface import HOT
from tests.processes import until
from tests.web.raw import calling, plain, post, replies

LAPTOP = ClientKey("laptop", "laptop-secret", models=("al*", "gpt-4o"))
PHONE = ClientKey("phone", "phone-secret-ü", models=("*",))
PLAIN = b'{"model": "alpha"}'


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()}


async def echo(request: web.Request) -> web.Response:
    told = {name.lower(): value for name, value in request.headers.items()}
    return web.json_response({"secret": [value for value in told.values() if "secret" in value]})


@pytest.fixture
async def front(hall):
    front = await hall(echo)
    allow(front, LAPTOP, PHONE)
    return front


def allow(front, *clients):
    front.config.settings = replace(front.config.settings, clients=clients)


FORMS = [bearer, basic, lambda key: {"x-api-key": key}, lambda key: {"API-Key": key}]
DOORS = [
    ("POST", HOT[0]),
    ("POST", "/v1/messages"),
    ("POST", "/tokenize"),
    ("GET", "/slots"),
    ("GET", "/upstream/alpha/x"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_key_opens_in_any_form_and_no_engine_sees_it(front, method, path, form):
    query = {} if "upstream" in path else {"model": "alpha"}
    body = {"json": {"model": "alpha"}} if method == "POST" else {}
    answer = await front.client.request(method, path, params=query, headers=form("laptop-secret"), **body)
    assert (answer.status, await answer.json()) == (200, {"secret": []})
    assert front.gate.asked == [("alpha", "laptop")]


@pytest.mark.parametrize(
    "headers", [{}, bearer(""), bearer("laptop-secre"), bearer("laptop-secrets"), basic("x"), bearer("ü")]
)
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_without_a_key_of_a_client_nobody_hears_of_the_request(front, method, path, headers):
    answer = await front.client.request(method, path, data=b"{" if method == "POST" else None, headers=headers)
    told = await answer.json()
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    kind = "authentication_error"
    assert told["error"]["type"] == kind
    assert "secret" not in told["error"]["message"]
    assert front.gate.asked == []


async def test_in_the_express_lane_it_is_the_same(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    allow(front, LAPTOP)
    async with calling(front.port) as caller:
        for line, status in [
            (b"Authorization: Bearer laptop-secret", 200),
            (b"X-API-Key: nobodys", 401),
            (b"X-A: b", 401),
        ]:
            await caller.send(post(PLAIN, line))
            assert (await caller.answer()).status == status
    assert engine.bodies == [PLAIN]
    assert not [value for _, value in engine.heard[0].headers if "secret" in value]
    assert front.gate.asked == [("alpha", "laptop")]


@pytest.mark.parametrize("name", ["alpha", "alpha:cold", "gpt-4o", "alpha:latest"])
async def test_a_client_may_use_what_its_patterns_name(front, name):
    answer = await front.client.post(HOT[0], json={"model": name}, headers=bearer("laptop-secret"))
    assert answer.status == 200


async def test_what_they_do_not_name_is_a_403_and_starts_nothing(front):
    answer = await front.client.post(HOT[0], json={"model": "org/beta"}, headers=bearer("laptop-secret"))
    error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["type"]) == (403, "model_not_permitted", "permission_error")
    assert error["message"].startswith("cannot use model 'org/beta': client 'laptop' has no right to it")
    assert front.gate.asked == []


async def test_a_pattern_of_an_alias_opens_the_alias_alone(front):
    allow(front, replace(LAPTOP, models=("gpt-*",)))
    for name, status in (("gpt-4o", 200), ("alpha", 403)):
        answer = await front.client.post(HOT[0], json={"model": name}, headers=bearer("laptop-secret"))
        assert answer.status == status


@pytest.mark.parametrize(("models", "status"), [(("gpt-*",), 200), (("alpha",), 200), (("org/*",), 400)])
async def test_the_only_ready_model_is_meant_by_whatever_name_is_for_the_client(front, models, status):
    front.gate.hears(LoadWished("alpha"), EngineReady(RunId("alpha", 1), front.gate.endpoint))
    allow(front, replace(LAPTOP, models=models))
    assert (await front.client.get("/slots", headers=bearer("laptop-secret"))).status == status


async def test_a_misspelt_name_is_no_way_to_learn_the_names_of_others(front):
    answer = await front.client.post(HOT[0], json={"model": "org/bet"}, headers=bearer("laptop-secret"))
    assert answer.status == 404
    assert "beta" not in await answer.text()


async def test_a_key_that_is_taken_away_opens_no_more_and_a_new_one_does(front):
    assert (await front.client.post(HOT[0], data=PLAIN, headers=bearer(PHONE.key))).status == 200
    allow(front, replace(PHONE, key="another-secret"))
    assert (await front.client.post(HOT[0], data=PLAIN, headers=bearer(PHONE.key))).status == 401
    assert (await front.client.post(HOT[0], data=PLAIN, headers=bearer("another-secret"))).status == 200


async def test_without_clients_in_the_config_any_key_will_do(front):
    front.config.settings = replace(front.config.settings, clients=None)
    assert (await front.client.post(HOT[0], data=PLAIN, headers=bearer("sk-any"))).status == 200
    assert front.gate.asked == [("alpha", "127.0.0.1")]


def test_a_key_is_in_no_text():
    assert "secret" not in repr(LAPTOP)


async def test_lists_show_a_client_what_is_for_it_and_nobody_else_anything(front):
    for path in ("/v1/models", "/models", "/v1/models/alpha", "/models/sse", "/props", "/props?model=alpha"):
        assert (await front.client.get(path)).status == 401
    answer = await front.client.get("/v1/models", headers=bearer("laptop-secret"))
    assert [entry["id"] for entry in (await answer.json())["data"]] == ["alpha", "alpha:cold", "gpt-4o"]
    allow(front, replace(LAPTOP, models=("gpt-*",)))
    (only,) = (await (await front.client.get("/models", headers=bearer("laptop-secret"))).json())["data"]
    assert (only["id"], only["aliases"]) == ("gpt-4o", [])
    assert (await front.client.get("/v1/models/org/beta", headers=bearer("laptop-secret"))).status == 403
    assert (await front.client.get("/props?model=alpha", headers=bearer("laptop-secret"))).status == 403


async def test_a_client_loads_and_unloads_what_is_for_it(front):
    for verb in ("load", "unload"):
        for model, headers, status in [("alpha", {}, 401), ("org/beta", bearer("laptop-secret"), 403)]:
            answer = await front.client.post(f"/models/{verb}", json={"model": model}, headers=headers)
            assert answer.status == status
    assert front.gate.posted == []
    answer = await front.client.post("/models/load", json={"model": "alpha"}, headers=bearer("laptop-secret"))
    assert answer.status == 200
    assert [event.model for event in front.gate.posted] == ["alpha"]


async def test_props_that_load_a_model_count_as_any_request_and_others_do_not(front):
    allow(front, replace(LAPTOP, requests=Window(1, 60.0)))
    for query, status in [("", 200), ("&autoload=false", 400), ("", 429)]:
        answer = await front.client.get(f"/props?model=alpha{query}", headers=bearer("laptop-secret"))
        assert answer.status == status
    assert len(front.gate.asked) == 1


async def test_who_follows_the_models_is_shown_no_more_once_its_key_is_taken_away(front, monkeypatch):
    monkeypatch.setattr(router, "QUIET", 0.01)
    async with front.client.get("/models/sse", headers=bearer("laptop-secret")) as answer:
        assert await answer.content.readuntil(b"nothing new\n\n")
        allow(front, PHONE)
        async with asyncio.timeout(5):
            await answer.content.read()


async def test_alive_and_ready_need_no_key(front):
    assert {(await front.client.get(path)).status for path in ("/health", "/ready")} <= {200, 503}


async def test_a_client_that_has_had_its_share_is_told_when_to_come_again_in_either_lane(raw_hall):
    front, engine = await raw_hall(replies(plain(b'{"usage": {"prompt_tokens": 7, "completion_tokens": 3}}')))
    allow(front, replace(LAPTOP, requests=Window(2, 60.0)), replace(PHONE, tokens=Window(10, 60.0)))
    laptop, phone = b"Authorization: Bearer laptop-secret", b"X-API-Key: " + PHONE.key.encode()
    async with calling(front.port) as caller:
        for line, status in [(laptop, 200), (laptop, 200), (laptop, 429), (phone, 200), (phone, 429)]:
            await caller.send(post(PLAIN, line))
            answer = await caller.answer()
            assert answer.status == status
            if status == 429:
                assert json.loads(answer.body)["error"]["code"] == "rate_limit_exceeded"
                assert 0 < int(answer.get("Retry-After")) <= 60
    limits = {"x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "0"}
    headers = bearer("laptop-secret")
    answer = await front.client.post("/v1/messages", json={"model": "alpha"}, headers=headers)
    assert (answer.status, (await answer.json())["error"]["type"]) == (429, "rate_limit_error")
    assert {name: answer.headers[name] for name in limits} == limits
    assert len(engine.heard) == len(front.gate.asked) == 3


async def test_whose_tokens_are_counted_gets_no_answer_in_which_they_cannot_be_read(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    allow(front, LAPTOP, replace(PHONE, tokens=Window(10, 60.0)))
    async with calling(front.port) as caller:
        for key in (b"laptop-secret", PHONE.key.encode()):
            await caller.send(post(PLAIN, b"X-API-Key: " + key, b"Accept-Encoding: gzip"))
            assert (await caller.answer()).status == 200
    assert [request.get("Accept-Encoding") for request in engine.heard] == ["gzip", ""]


async def test_a_client_with_enough_under_way_is_refused_one_more_until_one_ends(hall):
    go = asyncio.Event()

    async def slow(request):
        await go.wait()
        return web.json_response({})

    front = await hall(slow)
    allow(front, replace(LAPTOP, concurrency=1))
    ask = lambda: front.client.post(HOT[0], data=PLAIN, headers=bearer("laptop-secret"))  # noqa: E731  (again and again)
    first = asyncio.ensure_future(ask())
    await until(lambda: front.gate.asked)
    assert (await ask()).status == 429
    go.set()
    assert (await first).status == 200
    assert (await ask()).status == 200


async def test_a_foreign_web_page_cannot_load_or_unload_where_there_are_no_keys(front):
    front.config.settings = replace(front.config.settings, clients=None)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for verb in ("load", "unload"):
            answer = await front.client.post(f"/models/{verb}", data=PLAIN, headers=headers)
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "not_permitted")
    assert front.gate.posted == []
