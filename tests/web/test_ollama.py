"""The doors of Ollama's API, over an engine that speaks OpenAI's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, KeepWished, LoadWished, UnloadWished
from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey

RUN = RunId("alpha", 1)
GO = [{"role": "user", "content": "go"}]
COUNTS = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
META = {"n_ctx": 1024, "n_ctx_train": 8192, "n_params": 1_500_000_000, "size": 77, "ftype": "Q8_0"}


class Engine:
    """Says `` a b``, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[Any] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"meta": META}]})
        body = json.loads(await request.read())
        self.asked.append((request.path, body))
        self.heads.append(request.headers)
        if request.path == "/v1/embeddings":
            data = [{"index": n, "embedding": [n, 0.5]} for n, _ in enumerate(body["input"])]
            return web.json_response({"data": data, "usage": {"prompt_tokens": 9}})
        if body.get("seed") == 13:
            return web.json_response({"error": {"message": "too large", "type": "x"}}, status=400)
        if not body["stream"]:
            said = {"text": " a b"} if "prompt" in body else {"message": {"content": " a b"}}
            return web.json_response(
                {"choices": [{**said, "finish_reason": "stop"}], **{"usage": COUNTS["usage"]}}
            )
        return await self.stream(request, body)

    async def stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in (" a", " b"):
            said = {"text": word} if "prompt" in body else {"delta": {"content": word}}
            await response.write(b"data: " + json.dumps({"choices": [said]}).encode() + b"\n\n")
            if body.get("seed") == 7:
                await response.write(b'data: {"error": {"message": "out of slots"}}\n\n')
        await response.write(b"data: " + json.dumps(COUNTS).encode() + b"\n\ndata: [DONE]\n\n")
        return response


@pytest.fixture
async def front(hall):
    engine = Engine()
    built = await hall(engine.answer)
    built.engine = engine
    return built


async def post(front, path: str, body: Any, **more: Any) -> tuple[int, Any]:
    """Status, and the object of the answer, or the objects of its lines."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with front.client.post(path, data=data, **more) as answer:
        text = await answer.text()
        if answer.content_type == "application/x-ndjson":
            return answer.status, [json.loads(line) for line in text.splitlines()]
        assert answer.content_type == "application/json"
        return answer.status, json.loads(text)


# -- chat and generate -------------------------------------------------------------------------------------


async def test_a_chat_is_answered_line_by_line_unless_it_wants_it_whole(front):
    status, lines = await post(front, "/api/chat", {"model": "alpha:latest", "messages": GO})
    assert status == 200
    assert [line["message"]["content"] for line in lines] == [" a", " b", ""]
    assert {line["model"] for line in lines} == {"alpha:latest"}
    assert (lines[-1]["done_reason"], lines[-1]["eval_count"], lines[0]["done"]) == ("stop", 2, False)
    assert lines[-1]["created_at"] == "2026-01-01T00:00:00Z"
    status, whole = await post(front, "/api/chat", {"model": "gpt-4o", "messages": GO, "stream": False})
    assert (status, whole["message"]["content"], whole["done"]) == (200, " a b", True)
    assert front.engine.asked[1] == (
        "/v1/chat/completions",
        {"model": "gpt-4o", "stream": False, "messages": GO},
    )
    assert front.engine.heads[0]["Content-Type"] == "application/json"
    assert "KeepWished" not in str(front.gate.posted)


async def test_a_prompt_goes_to_the_chat_or_raw_past_it(front):
    _, lines = await post(front, "/api/generate", {"model": "alpha", "prompt": "go"})
    assert [line["response"] for line in lines] == [" a", " b", ""]
    _, whole = await post(front, "/api/generate", {"model": "alpha", "prompt": "go", "raw": True, "stream": False})
    assert whole["response"] == " a b"
    assert [path for path, _ in front.engine.asked] == ["/v1/chat/completions", "/v1/completions"]


async def test_the_model_and_its_alias_edit_it_as_any_other_request(front):
    said = {"messages": GO, "stream": False, "options": {"seed": 5, "temperature": 1}}
    await post(front, "/api/chat", {"model": "alpha:cold", **said})
    await post(front, "/api/chat", {"model": "org/beta", **said})
    (_, cold), (_, beta) = front.engine.asked
    assert (cold["temperature"], "seed" in cold) == (0, False)
    assert (beta["model"], beta["top_k"], beta["temperature"]) == ("Org/Real", 5, 1)


async def test_half_a_character_is_mended_and_said_so(front):
    body = b'{"model": "alpha", "stream": false, "messages": [{"role": "user", "content": "\\udcca"}]}'
    async with front.client.post("/api/chat", data=body) as answer:
        assert (answer.status, answer.headers["X-Swapd-Repaired"]) == (200, "1")
        assert answer.headers["X-Swapd-Model"] == "alpha"
    assert front.engine.asked[0][1]["messages"][0]["content"] == "\ufffd"


async def test_what_the_engine_refuses_is_told_in_its_words_and_so_is_a_stream_that_fails(front):
    said = {"model": "alpha", "messages": GO}
    assert await post(front, "/api/chat", {**said, "options": {"seed": 13}}) == (400, {"error": "too large"})
    status, lines = await post(front, "/api/chat", {**said, "options": {"seed": 7}})
    assert (status, lines[0]["message"]["content"]) == (200, " a")
    assert list(lines[1]) == ["error"] and "out of slots" in lines[1]["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/chat", b"{", 400, "cannot read the body as JSON"),
        ("/api/chat", {"messages": GO}, 400, "cannot choose a model"),
        ("/api/chat", {"model": "nobody", "messages": GO}, 404, "model 'nobody' not found"),
        ("/api/chat", {"model": "nobody", "keep_alive": 0}, 404, "model 'nobody' not found"),
        ("/api/show", {"name": "nobody"}, 404, "model 'nobody' not found"),
        ("/api/chat", {"model": "alpha", "messages": GO, "keep_alive": "soon"}, 400, "keep_alive"),
        ("/api/generate", {"model": "alpha", "prompt": "a", "suffix": "b"}, 501, "/infill"),
        ("/api/embed", {"model": "alpha", "input": [1]}, 400, "cannot read the body as JSON"),
        ("/api/pull", {"model": "new"}, 501, "cannot pull models: the operator"),
        ("/api/create", {"model": "new", "from": "alpha"}, 501, "YAML"),
        ("/api/blobs/sha256:1", b"", 404, "no such path"),
    ],
)
async def test_what_cannot_be_is_refused_in_ollamas_shape(front, path, body, status, words):
    if "nobody" in str(body):
        front.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "nobody")
    code, said = await post(front, path, body)
    assert (code, list(said)) == (status, ["error"])
    assert words in said["error"]
    assert front.engine.asked == [] and front.gate.posted == []


async def test_a_body_above_the_limit_is_not_taken(front):
    front.limit(body=64)
    assert (await post(front, "/api/chat", {"model": "alpha", "messages": GO * 9}))[0] == 413
    assert (await post(front, "/api/show", {"model": "alpha", "name": "x" * 99}))[0] == 413


# -- loading, unloading, keeping ---------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "said"), [("/api/chat", "message"), ("/api/generate", "response")])
async def test_an_empty_prompt_loads_the_model_and_with_keep_alive_of_nothing_unloads_it(front, path, said):
    status, told = await post(front, path, {"model": "gpt-4o", "messages": [], "keep_alive": "5m"})
    assert (status, told["done"], told["done_reason"], said in told) == (200, True, "load", True)
    assert front.gate.asked == [("gpt-4o", "127.0.0.1")]
    assert front.gate.posted == [KeepWished(RUN, 300.0)]
    status, told = await post(front, path, {"model": "gpt-4o", "keep_alive": 0})
    assert (status, told["done_reason"]) == (200, "unload")
    assert front.gate.posted[1:] == [UnloadWished("alpha")]
    assert len(front.gate.asked) == 1 and front.engine.asked == []


async def test_how_long_an_engine_stays_is_said_while_it_is_held(front):
    for keep_alive in (0, -1, "1h"):
        await post(front, "/api/chat", {"model": "alpha", "messages": GO, "keep_alive": keep_alive})
    await post(front, "/api/embed", {"model": "alpha", "input": "a", "keep_alive": 7})
    ttls = [0.0, None, 3600.0, 7.0]
    assert front.gate.posted == [KeepWished(RUN, ttl) for ttl in ttls]


async def test_a_foreign_web_page_unloads_nothing(front):
    headers = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
    body = {"model": "alpha", "messages": [], "keep_alive": 0}
    status, said = await post(front, "/api/chat", body, headers=headers)
    assert (status, list(said), front.gate.posted) == (403, ["error"], [])


# -- embeddings --------------------------------------------------------------------------------------------


async def test_texts_are_embedded_by_either_path(front):
    status, told = await post(front, "/api/embed", {"model": "alpha", "input": ["a", "b"], "truncate": True})
    assert (status, told["embeddings"], told["prompt_eval_count"]) == (200, [[0, 0.5], [1, 0.5]], 9)
    assert (await post(front, "/api/embeddings", {"model": "alpha", "prompt": "a"}))[1] == {"embedding": [0, 0.5]}
    assert [path for path, _ in front.engine.asked] == ["/v1/embeddings"] * 2
    assert (await post(front, "/api/embed", {"model": "alpha", "input": []}))[1]["embeddings"] == []
    assert (await post(front, "/api/embeddings", {"model": "alpha"}))[1] == {"embedding": []}
    assert len(front.engine.asked) == 2


# -- lists -------------------------------------------------------------------------------------------------


async def got(front, path: str, **more: Any) -> Any:
    async with front.client.get(path, **more) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_lists_show_models_and_aliases_and_start_nothing(front):
    tags = (await got(front, "/api/tags"))["models"]
    assert [row["name"] for row in tags] == ["alpha", "alpha:cold", "gpt-4o", "org/beta", "hasty"]
    assert len({row["digest"] for row in tags}) == 3
    assert await got(front, "/api/ps") == {"models": []}
    _, shown = await post(front, "/api/show", {"model": "gpt-4o:latest"})
    info = shown["model_info"]
    assert info[info["general.architecture"] + ".context_length"] == 4096
    assert shown["capabilities"][0] == "completion"
    assert front.gate.asked == [] and front.gate.posted == [] and front.engine.asked == []


async def test_what_is_up_is_shown_with_what_its_engine_says_and_until_when(front):
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    rows = (await got(front, "/api/ps"))["models"]
    assert [row["name"] for row in rows] == ["alpha", "alpha:cold", "gpt-4o"]
    assert rows[0]["expires_at"] == "2026-01-01T00:00:00Z"
    async with asyncio.timeout(5):
        while (tags := (await got(front, "/api/tags"))["models"])[0]["size"] != META["size"]:
            await asyncio.sleep(0.01)
    assert tags[0]["details"]["parameter_size"] == "1.5B"
    assert (await got(front, "/api/ps"))["models"][0]["context_length"] == 1024


async def test_one_that_is_up_is_shown_as_its_engine_says_to_the_first_who_asks(front):
    front.gate.hears(LoadWished("alpha"), EngineReady(RUN, front.gate.endpoint))
    _, shown = await post(front, "/api/show", {"model": "alpha"})
    assert (shown["details"]["format"], shown["model_info"]["general.parameter_count"]) == ("gguf", 1_500_000_000)


async def test_somebody_is_there(front):
    async with front.client.get("/") as answer:
        assert (answer.status, await answer.text()) == (200, "Ollama is running")
    async with front.client.head("/") as answer:
        assert answer.status == 200
    version = (await got(front, "/api/version"))["version"]
    assert tuple(map(int, version.split("."))) >= (0, 12, 0)
    async with front.client.delete("/api/delete", json={"model": "alpha"}) as answer:
        assert (answer.status, "delete" in (await answer.json())["error"]) == (501, True)


async def test_a_key_opens_what_it_may_use(front):
    keys = (ClientKey("ann", "secret", ("gpt-*",)),)
    front.config.settings = replace(front.config.settings, clients=keys)
    theirs = {"headers": {"Authorization": "Bearer secret"}}
    for path in ("/api/tags", "/api/ps", "/api/version"):
        async with front.client.get(path) as answer:
            assert (answer.status, list(await answer.json())) == (401, ["error"])
    assert [row["name"] for row in (await got(front, "/api/tags", **theirs))["models"]] == ["gpt-4o"]
    for path in ("/api/chat", "/api/generate", "/api/embed", "/api/show", "/api/pull"):
        assert (await post(front, path, {"model": "gpt-4o"}))[0] == 401
    for path in ("/api/chat", "/api/show"):
        assert (await post(front, path, {"model": "alpha", "keep_alive": 0}, **theirs))[0] == 403
    _, told = await post(front, "/api/chat", {"model": "gpt-4o", "messages": GO, "stream": False}, **theirs)
    assert told["message"]["content"] == " a b"
    assert (await post(front, "/api/chat", {"model": "gpt-4o", "keep_alive": 0}, **theirs))[0] == 200
    assert front.gate.posted == [UnloadWished("alpha")]
    assert "Authorization" not in front.engine.heads[0]
