"""llama.cpp's router face over true engines: what it says of them is what they say of themselves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytestmark = pytest.mark.real


async def test_a_client_of_llama_cpps_router_loads_watches_asks_and_unloads(serve, connect):
    http = (await connect(serve())).http

    async def post(verb: str, model: str) -> tuple[int, str]:
        async with http.post(f"/models/{verb}", json={"model": model}) as answer:
            return answer.status, await answer.text()

    async def listed(name: str) -> dict[str, Any]:
        async with http.get("/models") as answer:
            return next(m for m in (await answer.json())["data"] if m["id"] == name)

    async def seen(events: Any, model: str, status: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                line = await events.content.readline()
                told = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
                if (told.get("model"), told.get("data", {}).get("status")) == (model, status):
                    return told["data"]

    before = await listed("gpt-4o")
    assert (before["status"]["value"], before["context_length"]) == ("unloaded", 1024)
    async with http.get("/props?model=gpt-4o&autoload=false") as answer:
        assert (answer.status, (await answer.json())["error"]["message"]) == (400, "model is not loaded")
    async with http.get("/models/sse") as events:
        assert await post("load", "gpt-4o:latest") == (200, '{"success": true}')
        assert "already running" in (await post("load", "alpha"))[1]
        info = (await seen(events, "gpt-4o", "loaded"))["info"]
        async with http.get("/props?model=gpt-4o&autoload=false") as answer:
            assert (await answer.json())["default_generation_settings"]["n_ctx"] == info["meta"]["n_ctx"] == 1024
        assert info["meta"]["n_ctx_train"] > 1024
        assert (await listed("alpha"))["meta"] == info["meta"]
        async with http.get("/props?model=beta") as answer:  # one at a time fits: alpha makes room
            assert (answer.status, answer.headers["X-Swapd-Model"]) == (200, "beta")
        assert (await seen(events, "alpha", "unloaded"))["exit_code"] == 0
        await seen(events, "beta", "loaded")
        assert await post("unload", "beta") == (200, '{"success": true}')
        await seen(events, "beta", "unloaded")
