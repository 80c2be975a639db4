"""The table of engine kinds: each row is complete, and says what a client may rely on."""

from __future__ import annotations

import pytest

from swapd.core.kinds import ABILITIES, KINDS

TALKS = {"chat", "completions", "tools"}
EXPECTED = {
    "llama.cpp": ("/health", {"native", "rerank", "messages", "tokenize"}, {"images", "moderations"}),
    "vllm": ("/health", {"rerank", "messages", "tokenize", "audio"}, {"native", "moderations", "images"}),
    "sglang": ("/health", {"rerank", "messages", "tokenize"}, {"native", "moderations"}),
    "tgi": ("/health", {"tokenize"}, {"native", "embeddings", "rerank", "messages", "responses"}),
    "ollama": ("/api/version", {"embeddings", "messages"}, {"native", "rerank", "tokenize"}),
    "localai": ("/readyz", {"rerank", "images", "moderations"}, {"native"}),
    "lmstudio": ("/v1/models", {"embeddings", "responses", "messages"}, {"native", "rerank", "tokenize"}),
    "openai": ("/v1/models", {"moderations", "images"}, {"native", "rerank", "messages", "tokenize"}),
}
"""Kind -> where it is asked whether it is ready, some of what it can do, some of what it cannot."""


def test_every_kind_is_expected_here():
    assert list(KINDS) == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_kind_can_what_its_documentation_says_and_no_more(name):
    health, can, cannot = EXPECTED[name]
    kind = KINDS[name]
    assert (kind.name, kind.health) == (name, health)
    assert kind.can >= TALKS | can
    assert not kind.can & cannot
    assert kind.can <= set(ABILITIES)
    assert kind.grace > 0
    assert 200 not in kind.loading


@pytest.mark.parametrize("name", EXPECTED)
def test_a_key_goes_into_one_header_of_its_own(name):
    header, colon, before = KINDS[name].key.partition(": ")
    assert (header, colon, before) == ("Authorization", ": ", "Bearer ")


def test_a_path_that_differs_is_asked_where_the_kind_has_it_and_its_query_stays():
    assert KINDS["localai"].at("/tokenize?x=1&y=?") == "/v1/tokenize?x=1&y=?"
    assert KINDS["localai"].at("/tokenize") == "/v1/tokenize"
    assert KINDS["localai"].at("/v1/chat/completions?a") == "/v1/chat/completions?a"
    assert KINDS["vllm"].at("/tokenize") == "/tokenize"
