"""``timeouts``, for all requests and for some kinds of them."""

from __future__ import annotations

import pytest

from swapd.core.spec import Timeouts


@pytest.fixture
def service(model):
    return lambda text: model(f"path: m.gguf, timeouts: {text}").terms.service


def test_a_route_has_what_it_says_and_else_what_all_have(service):
    made = service("{first_byte: 9s, total: 1h, routes: {embeddings: {first_byte: 2s, total: never}, chat: {}}}")
    assert made.timeouts == Timeouts(first_byte=9.0, total=3600.0)
    assert made.routes == {"embeddings": Timeouts(first_byte=2.0, total=None)}


def test_a_route_that_there_is_not_is_told_with_the_one_that_was_meant(problems):
    (told,) = problems("models: {a: {command: 'x ${port}', timeouts: {routes: {embedding: {total: 1s}}}}}")
    assert "embedding" in told
    assert "did you mean 'embeddings'?" in told
