"""A batch with one broken character, before true engines: they refuse it whole, and get it mended."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.real
JSON = {"Content-Type": "application/json"}
LONG = b"x" * (300 << 10)
"""Too long for the express lane; engines overlook the key that it stands under."""


@pytest.mark.parametrize(
    ("broken", "places", "more"),
    [(rb"\udcca", "1", b""), (b"\xed\xb3\x8a \xff", "2", LONG)],
    ids=["escaped", "raw"],
)
async def test_a_broken_character_costs_a_batch_no_embedding(serve, connect, broken, places, more):
    http = (await connect(serve(strict='path: "${gguf}/embed.gguf", embeddings: true, strict_json: true'))).http

    def post(path: str, model: bytes, text: bytes):
        body = b'{"model": "%s", "input": ["a cat", "cut %s here", "two dogs"], "user": "%s"}'
        return http.post(path, data=body % (model, text, more), headers=JSON)

    async with post("/v1/embeddings", b"embed", broken) as answer:
        assert answer.status == 200, await answer.text()
        assert len((await answer.json())["data"]) == 3
        assert answer.headers["X-Swapd-Repaired"] == places
    async with post("/v1/embeddings", b"embed", rb"\ud83d\ude00") as answer:
        assert answer.status == 200 and "X-Swapd-Repaired" not in answer.headers
    async with post("/upstream/embed/v1/embeddings", b"embed", broken) as answer:  # as it is
        assert answer.status in (400, 500) and "parse error" in await answer.text(), "engines need no repair now"
    async with post("/v1/embeddings", b"strict", broken) as answer:
        assert answer.status == 400 and "model 'strict' has strict_json" in await answer.text()
        assert "X-Swapd-Run" not in answer.headers
