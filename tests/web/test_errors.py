"""The error table is complete and keeps its shape."""

from __future__ import annotations

import json

import pytest

from swapd.core.refusal import Reason, Refusal
from swapd.web.errors import BY_REASON, of_refusal, openai, respond


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_a_code_and_words(reason):
    problem = of_refusal(Refusal(reason, "qwen", detail="because"))
    error = json.loads(openai(problem))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "qwen" in error["message"]
    assert 400 <= respond(problem).status < 600


def test_codes_are_told_apart():
    codes = [form.code for form in BY_REASON.values()]
    assert len(set(codes)) == len(codes)


def test_what_can_never_fit_tells_the_client_not_to_try_again():
    problem = of_refusal(Refusal(Reason.NEVER_FITS, "qwen", detail="it needs 2, the budget has 1"))
    assert problem.headers == {"x-should-retry": "false"}
