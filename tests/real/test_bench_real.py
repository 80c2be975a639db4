"""``swapd bench`` through a daemon over true engines: streams, embeddings and reranking."""

from __future__ import annotations

import pytest

from swapd.loadtest.course import Course, Load
from swapd.loadtest.question import Form
from swapd.loadtest.result import told
from swapd.loadtest.side import Side

pytestmark = pytest.mark.real


async def test_what_true_engines_answer_is_measured(box):
    daemon = box("""
budget: {engines: 3}
models:
  alpha: {path: "${gguf}/alpha.gguf", parallel: 2}
  embed: {path: "${gguf}/embed.gguf", embeddings: true, context: 512}
  rerank: {path: "${gguf}/rerank.gguf", reranking: true, context: 512}
""")
    found = {}
    for endpoint, model in (("chat", "alpha"), ("embeddings", "embed"), ("rerank", "rerank")):
        load = Load(Form(endpoint, words=12, most=8), requests=6, concurrency=2)
        course = Course(load, [Side("A", daemon.url, (model,))])
        await course.run()
        [found[endpoint]] = told(course, "now", 1.0, False)["sides"]
        assert (found[endpoint]["answered"], found[endpoint]["errors"]) == (6, [])
        assert found[endpoint]["tokens"]["counted"] == "server"
        assert found[endpoint]["measures"]["total"]["p50"] > 0
    assert found["chat"]["tokens"]["completion"] == 6 * 8
    assert found["chat"]["measures"]["gap"]["n"] <= 6 * 7
    assert "first_token" not in found["embeddings"]["measures"]
