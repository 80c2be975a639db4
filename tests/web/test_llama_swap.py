"""llama-swap's own doors, as the tools that poll them find them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineReady, Left, PinWished, Ticket, UnloadWished
from swapd.core.settings import ClientKey, Settings

ANN = ClientKey("ann", "key-of-ann", models=("org/*",))


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


@pytest.fixture
async def front(hall):
    """alpha is up, org/beta loads."""
    built = await hall(nothing)
    gate = built.gate
    words = ("${binary}", "-m", "a b.gguf", "--api-key", "sesame", "-e", "HF_TOKEN=hf")
    models = {
        name: replace(spec, launch=replace(spec.launch, argv=(*words, name)))
        for name, spec in gate.catalog.models.items()
    }
    gate.hears(CatalogChanged(replace(gate.catalog, models=models)))
    gate.hears(
        Asked(Ticket(1), "alpha"), EngineReady(RunId("alpha", 1), Endpoint("127.0.0.1", 1)), Left(Ticket(1))
    )
    gate.hears(Asked(Ticket(2), "org/beta"))
    return built


async def running(front, **headers):
    answer = await front.client.get("/running", headers=headers)
    assert answer.status == 200
    return (await answer.json())["running"]


async def test_what_runs_is_listed_without_its_secrets(front):
    alpha, beta = await running(front)
    assert alpha == {
        "model": "alpha",
        "state": "ready",
        "cmd": "'${binary}' -m 'a b.gguf' --api-key HIDDEN -e HF_TOKEN=HIDDEN alpha",
        "proxy": "http://127.0.0.1:1",
        "ttl": 600,
        "name": "",
        "description": "a model",
    }
    assert (beta["model"], beta["state"], beta["proxy"]) == ("org/beta", "starting", "")
    front.gate.hears(PinWished("alpha", pinned=True), UnloadWished("org/beta"))
    alpha, beta = await running(front)
    assert (alpha["ttl"], beta["state"]) == (0, "stopping")


async def test_one_is_unloaded_or_all(front, monkeypatch):
    async def gone(fact):
        assert not fact(front.gate.view())

    monkeypatch.setattr(front.gate, "until", gone)
    answer = await front.client.post("/api/models/unload/gpt-4o")
    assert (answer.status, await answer.text()) == (200, "OK")
    assert front.gate.posted == [UnloadWished("alpha")]
    for path in ("/api/models/unload", "/unload"):
        front.gate.posted.clear()
        answer = await front.client.post(path)
        assert (answer.status, await answer.json()) == (200, {"msg": "ok"})
        assert len(front.gate.posted) == len(front.gate.catalog.models)


@pytest.mark.parametrize("name", ["nope", "<script>", "a%00b", "%1b[31m", "x" * 3000])
async def test_an_unknown_model_is_a_404_in_its_shape(front, name):
    answer = await front.client.post(f"/api/models/unload/{name}")
    told = await answer.json()
    assert (answer.status, told["src"], told["error"]["code"]) == (404, "swapd", "model_not_found")
    assert front.gate.posted == []


async def test_a_get_unloads_nothing(front):
    answer = await front.client.get("/unload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert front.gate.posted == []


async def test_a_client_sees_and_unloads_what_is_its_own_and_the_operator_all(front, monkeypatch):
    async def at_once(fact):
        return None

    monkeypatch.setattr(front.gate, "until", at_once)
    front.config.settings = Settings(admin_key="the-admin-key", clients=(ANN,))
    for path in ("/running", "/api/models/unload", "/api/models/unload/alpha"):
        method = "GET" if path == "/running" else "POST"
        answer = await front.client.request(method, path, headers={"X-Api-Key": "who?"})
        assert (answer.status, (await answer.json())["src"]) == (401, "swapd")
    assert [each["model"] for each in await running(front, **{"X-Api-Key": ANN.key})] == ["org/beta"]
    assert len(await running(front, **{"Authorization": "Bearer the-admin-key"})) == 2
    post = front.client.post
    assert (await post("/api/models/unload/alpha", headers={"X-Api-Key": ANN.key})).status == 403
    assert front.gate.posted == []
    assert (await post("/api/models/unload", headers={"X-Api-Key": ANN.key})).status == 200
    assert front.gate.posted == [UnloadWished("org/beta")]


async def test_another_web_page_unloads_nothing(front):
    for path in ("/unload", "/api/models/unload", "/api/models/unload/alpha"):
        answer = await front.client.post(path, headers={"Origin": "https://evil.example"})
        assert answer.status == 403
    assert front.gate.posted == []
