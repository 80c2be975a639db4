"""``GET /metrics``: whose it is, in which words, and what is asked of engines for it."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, LoadWished
from swapd.core.view import View
from swapd.metrics.scrape import Metrics
from swapd.web.app import Besides
from tests.web.conftest import EngineHandler, Hall

PAGE = "# TYPE llamacpp:n_decode_total counter\nllamacpp:n_decode_total 4\n"
OM = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"


class Current:
    """The hall's config, once there is one, as the daemon has it."""

    good_at = 0.0

    def __init__(self) -> None:
        self.halls: list[Hall] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.halls[0].config, name)

    def view(self) -> View:
        return self.halls[0].gate.view()


@pytest.fixture
def counted(hall: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[EngineHandler], Awaitable[Hall]]:
    """``await counted(handler)``: a hall in which somebody counts, with the engine of alpha ready."""
    current = Current()
    metrics = Metrics(current.view, current)
    house = lambda feed: Besides(feed, ears=(metrics.answered,), metrics=metrics)  # noqa: E731  (it is data here)
    monkeypatch.setitem(hall.__globals__, "Besides", house)

    async def build(engine: EngineHandler) -> Hall:
        front: Hall = await hall(engine)
        current.halls.append(front)
        front.gate.hears(LoadWished("alpha"), EngineReady(RunId("alpha", 1), front.gate.endpoint))
        return front

    return build


async def engine(request: web.Request) -> web.Response:
    if request.path == "/metrics":
        return web.Response(text=PAGE)
    return web.json_response({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5}})


async def page(front: Hall, **headers: str) -> tuple[int, str, str]:
    """Status, content type, text."""
    async with front.client.get("/metrics", headers=headers) as answer:
        body = await answer.read()
        text = gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body
        return answer.status, answer.headers["Content-Type"], text.decode()


async def test_a_request_that_has_just_ended_is_counted_already(counted):
    front = await counted(engine)
    async with front.client.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": []}) as answer:
        await answer.read()
    _, _, text = await page(front)
    chat = 'route="/v1/chat/completions"'
    assert f'swapd_requests_total{{client="anonymous",code="200",model="alpha",{chat}}} 1.0' in text
    assert 'swapd_tokens_total{direction="in",model="alpha"} 11.0' in text


async def test_the_engines_own_are_shown_with_their_model(counted):
    assert 'llamacpp:n_decode_total{model="alpha"} 4.0' in (await page(await counted(engine)))[2]


async def test_an_engine_that_says_no_is_told_as_failed(counted):
    async def none(request: web.Request) -> web.Response:
        return web.json_response({"error": {"code": 501}}, status=501)

    status, _, text = await page(await counted(none))
    assert (status, 'swapd_engine_scrape_failed{model="alpha"} 1.0' in text, "llamacpp:" in text) == (
        200,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("headers", "kind", "packed"),
    [
        ({}, "text/plain; version=0.0.4; charset=utf-8", False),
        ({"Accept": OM, "Accept-Encoding": "gzip"}, "application/openmetrics-text; version=1.0.0", True),
        ({"Accept-Encoding": "br, gzip;q=0"}, "text/plain", False),
        ({"Accept-Encoding": "deflate, GZIP ; q=0.5"}, "text/plain", True),
    ],
)
async def test_the_words_are_those_that_were_asked_for(counted, headers, kind, packed):
    front = await counted(engine)
    async with front.client.get("/metrics", headers={"Accept-Encoding": "identity"} | headers) as answer:
        body = await answer.read()
        assert answer.headers["Content-Type"].startswith(kind)
        assert (answer.headers.get("Content-Encoding") == "gzip", body[:2] == b"\x1f\x8b") == (packed, packed)


async def test_it_is_the_operators(counted):
    front = await counted(engine)
    front.config.settings = replace(front.config.settings, admin_key="sesame")
    assert [
        (await page(front, **headers))[0]
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sesame"})
    ] == [401, 401, 200]
    front.config.settings = replace(front.config.settings, admin_key=None)
    assert (await page(front, **{"X-Forwarded-For": "10.0.0.7"}))[0] == 403


async def test_where_nobody_counts_that_is_said(hall):
    front = await hall(engine)
    status, _, text = await page(front)
    assert (status, "nobody counts" in text) == (404, True)
