"""A notes search, as QMD does it: three aliases behind one base URL, on a box where one of them fits at a time.

It has a query expanded by chat, embeds in batches of 64, and has the 40 nearest notes reranked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.processes import Running

pytestmark = pytest.mark.real

KEYS = {name: f"sk-{name}-of-the-notes" for name in ("ann", "ben", "cem")}
PATIENCE = 60
"""Seconds that its client has for a request, cold starts included."""
COLOURS = ("red", "blue", "green", "white", "black", "brown", "pink")
ANIMALS = ("fox", "whale", "owl", "horse", "cat", "mouse", "sheep", "dog", "zebra")
NOTES = [f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS]
"""63: with the query a batch of 64."""


@pytest.fixture(
    scope="module",
    params=[("engines: 1", "engines: 1"), ("ram: 1GiB", "ram: 600MiB")],
    ids=["one engine", "memory for one"],
)
def daemon(request, box, slow_model) -> Running:
    """The box: its budget, and what each model needs of it."""
    budget, needs = request.param
    model = f"context: 1024, needs: {{{needs}}}"
    return box(f"""
budget: {{{budget}}}
clients: {json.dumps({name: {"key": key} for name, key in KEYS.items()})}
models:
  chat: {{path: "${{gguf}}/alpha.gguf", aliases: [qmd-generate], {model}}}
  vectors: {{path: "${{gguf}}/embed.gguf", embeddings: true, aliases: [qmd-embed], {model}}}
  judge: {{path: "${{gguf}}/rerank.gguf", reranking: true, aliases: [qmd-rerank], {model}}}
  large: {{path: "{slow_model}", {model}}}
""")


class Notes:
    """The client: what it asks of the daemon, and the runs that answered it, by model."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.asked = 0
        self.runs: dict[str, set[int]] = {}

    def loads(self) -> int:
        return sum(map(len, self.runs.values()))

    async def post(self, who: str, path: str, model: str, **body: Any) -> tuple[aiohttp.ClientResponse, Any]:
        headers = {"Authorization": f"Bearer {KEYS[who]}"}
        async with self.http.post(path, json={"model": model, **body}, headers=headers) as answer:
            self.asked += 1
            self.runs.setdefault(answer.headers["X-Swapd-Model"], set()).add(int(answer.headers["X-Swapd-Run"]))
            return answer, await answer.json()

    async def expand(self, who: str, query: str, model: str = "qmd-generate") -> str:
        messages = [{"role": "user", "content": f"Expand: {query}"}]
        _, told = await self.post(who, "/v1/chat/completions", model, messages=messages, max_tokens=8)
        return told["choices"][0]["message"]["content"]

    async def embed(self, who: str, texts: list[str]) -> list[list[float]]:
        _, told = await self.post(who, "/v1/embeddings", "qmd-embed", input=texts)
        assert [row["index"] for row in told["data"]] == list(range(len(texts)))
        return [row["embedding"] for row in told["data"]]

    async def rerank(self, who: str, query: str, documents: list[str]) -> list[str]:
        """Best first."""
        _, told = await self.post(who, "/v1/rerank", "qmd-rerank", query=query, documents=documents)
        results = sorted(told["results"], key=lambda row: -row["relevance_score"])
        return [documents[row["index"]] for row in results]

    async def search(self, who: str, query: str) -> str:
        """The best note. ``query``: words of it, in another order."""
        assert (await self.expand(who, query)).split() == ["alpha", *map(str, range(1, 8))]
        wanted, *vectors = await self.embed(who, [query, *NOTES])
        near = [sum(a * b for a, b in zip(wanted, vector, strict=True)) for vector in vectors]
        nearest = sorted(range(len(NOTES)), key=lambda index: -near[index])[:40]
        ranked = await self.rerank(who, query, [NOTES[index] for index in reversed(nearest)])
        assert len(ranked) == 40
        return ranked[0]


@pytest.fixture
async def notes(daemon) -> AsyncIterator[Notes]:
    """Its client, which gives nothing a second try."""
    async with aiohttp.ClientSession(daemon.url, timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
        yield Notes(http)


async def test_a_search_finds_its_note_through_three_models_that_take_turns(notes, connect, daemon):
    assert await notes.search("ann", "fox red") == "red fox"
    assert {name: len(runs) for name, runs in notes.runs.items()} == {"chat": 1, "vectors": 1, "judge": 1}
    models = (await (await connect(daemon)).status())["models"]
    assert [model["name"] for model in models if model["state"] == "ready"] == ["judge"], "one at a time"


async def test_searches_of_three_clients_at_once_share_the_swaps(notes):
    wishes = {
        "ann": ["owl green", "mouse pink"],
        "ben": ["zebra black", "cat white"],
        "cem": ["horse blue", "dog red"],
    }

    async def searches(who: str) -> list[str]:
        return [await notes.search(who, query) for query in wishes[who]]

    found = await asyncio.gather(*map(searches, wishes))
    assert found == [[" ".join(reversed(query.split())) for query in queries] for queries in wishes.values()]
    assert notes.asked == 18
    assert notes.loads() <= 9, "the requests of three found the same engine up"


async def test_half_a_character_in_a_batch_costs_no_embedding(notes):
    texts = [*NOTES, "cut \udcca here"]
    answer, told = await notes.post("ann", "/v1/embeddings", "qmd-embed", input=texts)
    assert (answer.status, len(told["data"]), answer.headers["X-Swapd-Repaired"]) == (200, 64, "1")


async def test_a_document_too_large_to_judge_gets_the_engines_words_and_the_next_request_an_answer(notes):
    documents = ["fox " * 900, "owl"]
    answer, told = await notes.post("ann", "/v1/rerank", "qmd-rerank", query="fox", documents=documents)
    assert answer.status == 500
    assert "is too large to process" in told["error"]["message"], "by these words its client cuts the document"
    assert (await notes.rerank("ann", "fox", ["owl", "fox"]))[0] == "fox"
    assert notes.runs == {"judge": notes.runs["judge"]} and notes.loads() == 1, "the same engine"


async def test_a_cold_start_is_nothing_but_a_wait_that_fits_into_its_patience(notes, connect, daemon):
    await notes.rerank("ann", "fox", ["owl", "fox"])
    async with notes.http.get("/v1/models", headers={"Authorization": f"Bearer {KEYS['ann']}"}) as ping:
        assert ping.status == 200 and len((await ping.json())["data"]) == 7
    status = await connect(daemon)
    assert await status.is_in("large", "cold") and await status.is_in("judge", "ready"), "a ping disturbs nobody"
    texts = await asyncio.gather(*(notes.expand(who, "fox", "large") for who in KEYS))
    assert {text.split()[0] for text in texts} == {"slow"}
    assert notes.loads() == 2
