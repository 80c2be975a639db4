"""Engines that fail again and again: asked something small, then given up or left in peace."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import EngineSick
from swapd.web import doubts
from swapd.web.doubts import MANY

CHAT = {"model": "once", "messages": [{"role": "user", "content": "long"}]}


@pytest.fixture
async def failing(hall):
    """``await failing(small, health)``: a hall whose engine fails all but what it answers to small questions."""

    async def build(small: int, health: int = 200):
        told = asyncio.Event()

        async def engine(request: web.Request) -> web.Response:
            if request.path == "/health":
                return web.Response(status=health)
            if (await request.json()).get("max_tokens") == 1:
                return web.json_response({}, status=small)
            return web.json_response({"error": {"message": "mine"}}, status=500)

        front = await hall(engine)
        post = front.gate.post

        def posted(event):
            post(event)
            told.set()

        front.gate.post = posted
        return front, told

    return build


async def fails(front, times: int) -> None:
    for _ in range(times):
        async with front.client.post("/v1/chat/completions", json=CHAT) as answer:
            assert (answer.status, await answer.json()) == (500, {"error": {"message": "mine"}})


@pytest.mark.parametrize(
    ("small", "health", "why"),
    [
        (500, 200, "/v1/chat/completions is answered with 500 to a question of ours, too"),
        (200, 503, "/health is answered with 503 to a question of ours, too"),
    ],
)
async def test_one_that_fails_a_small_question_too_is_given_up(failing, small, health, why):
    front, told = await failing(small, health)
    await fails(front, MANY)
    async with asyncio.timeout(5):
        await told.wait()
    run = RunId("once", 1)
    assert front.gate.posted == [EngineSick(run, f"it failed {MANY} requests in a row, and {why}")]


async def test_one_that_answers_it_is_left_in_peace_and_the_log_says_what_to_look_at(failing, caplog, monkeypatch):
    front, _ = await failing(200)
    said = asyncio.Event()
    caplog.set_level(logging.WARNING, "swapd")
    monkeypatch.setattr(caplog.handler, "emit", lambda record: said.set())  # the handler serves all tests
    await fails(front, MANY)
    async with asyncio.timeout(5):
        await said.wait()
    assert front.gate.posted == []


async def test_one_that_never_could_what_it_is_asked_for_is_left_in_peace_by_whoever_asks(
    hall, caplog, monkeypatch
):
    async def engine(request: web.Request) -> web.Response:
        return web.json_response({}, status=500 if "rerank" in request.path else 200)

    front, said = await hall(engine), asyncio.Event()
    caplog.set_level(logging.WARNING, "swapd")
    monkeypatch.setattr(caplog.handler, "emit", lambda record: said.set())  # the handler serves all tests
    for _ in range(MANY):
        async with front.client.post("/v1/rerank", json=CHAT) as answer:
            assert answer.status == 500
    async with asyncio.timeout(5):
        await said.wait()
    assert front.gate.posted == []


async def test_one_that_answers_now_and_then_is_not_even_asked(hall):
    asked: list[str] = []

    async def engine(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({}, status=200 if len(asked) % MANY == 0 else 500)

    front = await hall(engine)
    for _ in range(3 * MANY):
        async with front.client.post("/v1/chat/completions", json=CHAT) as answer:
            await answer.read()
    assert set(asked) == {"/v1/chat/completions"}


async def test_one_that_was_looked_into_is_not_looked_into_again_at_once(failing, monkeypatch):
    front, told = await failing(500)
    await fails(front, MANY)
    async with asyncio.timeout(5):
        await told.wait()
    await fails(front, 2 * MANY)
    assert len(front.gate.posted) == 1
    monkeypatch.setattr(doubts, "REST", 0.0)
    front.door._openai._inference._turns._doubts._rested.clear()
    told.clear()
    await fails(front, MANY)
    async with asyncio.timeout(5):
        await told.wait()
    assert len(front.gate.posted) == 2
