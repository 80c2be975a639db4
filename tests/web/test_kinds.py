"""Engines of other kinds behind the front hall: where they are asked, with which key, and how they are listed."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import CatalogChanged, EngineReady
from swapd.core.kinds import KINDS
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Service, Spec, Terms, Timeouts
from swapd.core.urls import endpoint_of
from swapd.web import dial
from swapd.web.entries import entry
from swapd.web.upstream import EngineBroke, Request, Upstream, get
from tests.fakes.kinds import CERTIFICATE, Fake, served
from tests.web.test_relay import CHAT

RUN = RunId("desk", 1)
LINE = "Authorization: Bearer k-of-the-desk"
BOUNDS = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)


async def page(where: Endpoint, target: str) -> int:
    upstream = Upstream()
    upstream.hear(EngineReady(RUN, where), ())
    try:
        return (await upstream.page(RUN, get(target), BOUNDS))[0]
    finally:
        upstream.close()


async def test_every_request_to_an_engine_has_its_key_its_host_and_what_stands_before_its_paths():
    desk = Fake("lmstudio", "k-of-the-desk")
    async with served(desk) as url:
        assert await page(endpoint_of(f"{url}/openai/v1", LINE), "/v1/models?x=1") == 404
        assert await page(endpoint_of(f"{url}/v1", LINE), "/v1/models") == 200
        assert await page(endpoint_of(url), "/v1/models") == 401
    first, second, third = desk.heard
    assert (first[0], second[0]) == ("/openai/v1/models?x=1", "/v1/models")
    assert {one[1]["host"] for one in desk.heard} == {url.removeprefix("http://")}
    assert first[1]["authorization"] == second[1]["authorization"] == "Bearer k-of-the-desk"
    assert "authorization" not in third[1]


async def test_a_connection_over_tls_wants_a_certificate_that_is_trusted_and_of_that_host(monkeypatch):
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with served(Fake("openai"), tls=True) as url:
        with pytest.raises(EngineBroke, match="certificate"):
            await page(endpoint_of(url), "/v1/models")
        monkeypatch.setattr(dial, "_trust", lambda: trusted)
        assert await page(endpoint_of(url), "/v1/models") == 200
        assert await page(endpoint_of(url.replace("127.0.0.1", "localhost")), "/v1/models") == 200
        with pytest.raises(EngineBroke, match="certificate"):
            await page(endpoint_of(url.replace("127.0.0.1", "127.1")), "/v1/models")


async def test_a_body_goes_over_tls_and_its_answer_comes_back(monkeypatch):
    monkeypatch.setattr(dial, "_trust", lambda: ssl.create_default_context(cafile=str(CERTIFICATE)))
    paid, upstream = Fake("openai"), Upstream()
    async with served(paid, tls=True) as url:
        upstream.hear(EngineReady(RUN, endpoint_of(url)), ())
        body = b'{"model": "big", "messages": ["%s"]}' % (b"x" * 300_000)
        lines = b"Content-Type: application/json\r\n"
        for _ in range(2):  # the second one on the same connection
            answer = await upstream.ask(RUN, Request("POST", "/v1/chat/completions", lines, body), BOUNDS)
            assert answer.head.code == 200
            answer.release()
        upstream.close()
    assert [len(one[2]["messages"][0]) for one in paid.heard] == [300_000, 300_000]


async def test_only_llama_server_is_asked_for_its_slots_when_a_client_has_left(hall):
    working = asyncio.Event()
    paths = []

    async def engine(request):
        paths.append(request.path)
        working.set()
        await asyncio.Event().wait()
        return web.Response()

    front = await hall(engine)
    spec = front.gate.catalog.models["alpha"]
    service = replace(spec.terms.service, kind="vllm")
    known = {**front.gate.catalog.models, "alpha": replace(spec, terms=replace(spec.terms, service=service))}
    front.gate.catalog = front.config.catalog = replace(front.gate.catalog, models=known)
    asking = asyncio.ensure_future(front.client.post(CHAT, json={"model": "alpha"}))
    await working.wait()
    asking.cancel()
    async with asyncio.timeout(1.0):
        await front.gate.released.wait()
    assert (front.gate.kept, paths) == ([], [CHAT])


LLAMA = KINDS["llama.cpp"].can


@pytest.mark.parametrize(
    ("kind", "can", "path", "why"),
    [
        ("llama.cpp", LLAMA - {"embeddings", "rerank"}, "/v1/embeddings", "does them with 'embeddings: true'"),
        ("llama.cpp", {"chat"}, "/v1/embeddings", "its 'capabilities', 'embeddings', 'reranking' or flags in the"),
        ("llama.cpp", LLAMA, "/v1/images/generations", "its engine (llama.cpp) does none"),
        ("vllm", {"embeddings"}, CHAT, "its 'capabilities' in the config leave that out"),
        ("tgi", KINDS["tgi"].can, "/v1/embeddings", "its engine (tgi) does none"),
    ],
)
async def test_what_cannot_be_done_is_told_with_what_would_have_to_change(hall, monkeypatch, kind, can, path, why):
    async def never(_):
        raise AssertionError

    front = await hall(never)
    noted = []
    monkeypatch.setattr(front.door._requests, "note", lambda visit, *_: noted.append(visit.model))
    spec = front.gate.catalog.models["alpha"]
    service = replace(spec.terms.service, kind=kind, abilities=frozenset(can))
    front.config.catalog.models["alpha"] = replace(spec, terms=replace(spec.terms, service=service))
    answer = await front.client.post(path, json={"model": "alpha"})
    assert (answer.status, why in (await answer.json())["error"]["message"]) == (501, True)
    assert noted == ["alpha"]  # its row in the log names the model


@pytest.mark.parametrize(
    ("can", "shown"),
    [
        (None, ["completion", "chat"]),
        (KINDS["tgi"].can, ["completion", "chat"]),
        (KINDS["openai"].can, ["completion", "chat", "embedding"]),
        (KINDS["vllm"].can, ["completion", "chat", "embedding", "rerank"]),
        ({"embeddings"}, ["embedding"]),
        ({"rerank", "tokenize"}, ["rerank"]),
        ({"images"}, []),
    ],
)
def test_a_model_is_listed_with_what_its_engine_can_do(can, shown):
    service = Service(kind="openai", abilities=None if can is None else frozenset(can))
    scheduler = Scheduler()
    spec = Spec("m", Launch((), url="http://h"), Terms(service=service))
    scheduler.handle(CatalogChanged(Catalog({"m": spec})), 0.0)
    found = entry("m", scheduler.view(0.0).models["m"], {}, None)
    assert (found["capabilities"], found["owned_by"]) == (shown, "swapd")
    assert ("--embeddings" in found["status"]["args"]) == (shown == ["embedding"])
