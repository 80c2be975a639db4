"""Open WebUI's own calls, replayed: it is too large to install here.

Its lists, embeddings, rerank and unloading are as they were recorded from the program, which speaks through
aiohttp and for rerank through requests. What a chat of its carries beside OpenAI's fields is up to its users and
pipelines: here stands a sample.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import requests

from tests.processes import until
from tests.real.conftest import KEY

pytestmark = pytest.mark.real
USER = {"X-OpenWebUI-User-Name": "Jos%C3%A9", "X-OpenWebUI-User-Id": "7f1c", "X-OpenWebUI-User-Role": "admin"}
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **USER}


@pytest.fixture
async def http(desk) -> AsyncIterator[aiohttp.ClientSession]:
    """A session as its server opens them. The base URL that its user typed ends with ``/v1``."""
    async with aiohttp.ClientSession(desk.url, headers=HEADERS, timeout=aiohttp.ClientTimeout(30)) as session:
        yield session


async def listed(http: aiohttp.ClientSession, path: str = "/models") -> dict[str, Any]:
    async with http.get(path) as answer:
        assert answer.status == 200
        return {model["id"]: model for model in (await answer.json())["data"]}


async def chat(http: aiohttp.ClientSession, **body: Any) -> str:
    """Its server passes the stream on where the content type says that it is one."""
    payload = {"messages": [{"role": "user", "content": "go"}], **body}
    async with http.post("/v1/chat/completions", data=json.dumps(payload)) as answer:
        assert answer.status == 200, await answer.text()
        if answer.content_type != "text/event-stream":
            return (await answer.json())["choices"][0]["message"]["content"]
        lines = [line.strip() async for line in answer.content if line.startswith(b"data: ")]
    assert lines[-1] == b"data: [DONE]"
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_it_verifies_a_connection(http, desk, connect):
    assert list(await listed(http, "/v1/models")) == list(await listed(http)) != []
    async with http.get("/v1/models", headers={"Authorization": "Bearer wrong"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "invalid_api_key")
    assert all(model["state"] == "cold" for model in (await (await connect(desk)).status())["models"])


async def test_it_chats_names_the_chat_and_shows_what_is_loaded_until_it_unloads_that(http):
    assert (await listed(http))["gpt-4o"]["status"]["value"] == "unloaded"
    more = {"temperature": 0.7, "top_k": 40, "stop": None, "seed": None, "user": {"name": "José"}}
    streamed = {"stream": True, "stream_options": {"include_usage": True}, "chat_id": "c1", "session_id": "s1"}
    assert await chat(http, model="gpt-4o", max_tokens=4, **more, **streamed) == " alpha 1 2 3"
    title = await chat(http, model="gpt-4o", stream=False, max_completion_tokens=3, metadata={"task": "title"})
    assert title == " alpha 1 2"
    models = await listed(http)
    assert models["gpt-4o"]["status"]["value"] == models["alpha"]["status"]["value"] == "loaded"
    assert models["alpha"]["meta"]["n_ctx"] == 1024
    async with http.post("/models/unload", json={"model": "alpha"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"success": True})

    async def unloaded():
        return (await listed(http))["alpha"]["status"]["value"] == "unloaded"

    await until(unloaded)


async def test_what_it_shows_its_user_of_an_error_is_a_sentence(http):
    async with http.post("/v1/chat/completions", json={"model": "alhpa", "messages": []}) as answer:
        assert answer.status == 404
        assert "cannot find model 'alhpa'" in (await answer.json())["error"]["message"]


async def test_it_searches_documents_with_embeddings_and_rerank(http, desk):
    body = {"input": ["happy dog", "happy dog", "car engine"], "model": "embed"}
    async with http.post("/v1/embeddings", json=body) as answer:
        same, twin, other = (row["embedding"] for row in (await answer.json())["data"])
    assert same == pytest.approx(twin, abs=1e-5)
    assert same != pytest.approx(other, abs=0.1)
    body = {"model": "rerank", "query": "red fox", "documents": ["blue whale", "a red fox ran"], "top_n": 2}
    url = f"{desk.url}/v1/rerank"
    found = await asyncio.to_thread(requests.post, url, headers=HEADERS, json=body, timeout=30)
    found.raise_for_status()
    results = sorted(found.json()["results"], key=lambda row: row["relevance_score"])
    assert [row["index"] for row in results] == [0, 1]
