"""Whoever waits for an engine that dies hears of it within 50 ms."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.processes import Client, fake, until

pytestmark = pytest.mark.e2e
BOUND = 0.05
"""Seconds from the kill to the client's error."""
TRIES = 12
"""The box may be busy with others: the quickest of so many counts. Each has an engine of its own."""


async def mid_stream(client: Client, model: str) -> float:
    async with client.chat(model, stream=True) as answer:
        await answer.content.readany()
        begun = await killed(client, model)
        text = (await answer.content.read()).decode()
    took = time.monotonic() - begun
    assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == "engine_died"
    return took


async def before_the_first_byte(client: Client, model: str) -> float:
    asking = asyncio.ensure_future(client.chat(model))
    await until(lambda: client.is_in(model, "ready"))
    begun = await killed(client, model)
    answer = await asking
    took = time.monotonic() - begun
    assert (answer.status, (await answer.json())["error"]["code"]) == (502, "engine_died")
    return took


async def while_it_loads(client: Client, model: str) -> float:
    asking = asyncio.ensure_future(client.chat(model))
    await until(lambda: client.is_in(model, "starting"))
    begun = await killed(client, model)
    answer = await asking
    took = time.monotonic() - begun
    error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (502, "engine_start_failed")
    assert "killed by SIGKILL" in error["message"]
    return took


async def killed(client: Client, model: str) -> float:
    """When."""
    pid = (await client.model(model))["pid"]
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    return begun


@pytest.mark.parametrize(
    ("dying", "flags"),
    [
        (mid_stream, "--chunk-seconds 0.05 --words 5000"),
        (before_the_first_byte, "--slow-nonstream 60"),
        (while_it_loads, "--load-seconds 60"),
    ],
    ids=["mid-stream", "before the first byte", "while it loads"],
)
async def test_who_waits_for_an_engine_that_dies_hears_of_it_at_once(
    start, connect, dying: Callable[[Client, str], Awaitable[float]], flags: str
):
    models = [f"m{number}" for number in range(TRIES)]
    lines = [f'  {model}: {{command: "{fake(*flags.split())}", retry: {{attempts: 0}}}}\n' for model in models]
    client = await connect(start(f"listen: 127.0.0.1:0\nmodels:\n{''.join(lines)}"))
    took: list[float] = []
    while models and min(took, default=1.0) > BOUND:
        took.append(await dying(client, models.pop()))
    assert min(took) <= BOUND, took
