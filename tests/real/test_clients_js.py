"""OpenAI's own client for JavaScript, with true engines behind the doors. It runs once, scene by scene."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.processes import Running, until
from tests.real.conftest import KEY
from tests.real.javascript import tell

pytestmark = pytest.mark.real
LOOKS = [("look", {"at": 1}), ("look", {})]


@pytest.fixture(scope="module")
def told(desk: Running) -> dict[str, Any]:
    """What became of each scene of ``openai.mjs``."""
    return tell("openai", "openai.mjs", desk.url, KEY)


def calls(message: dict[str, Any]) -> list[Any]:
    functions = [call["function"] for call in message["tool_calls"]]
    return [(function["name"], json.loads(function["arguments"])) for function in functions]


def test_it_chats(told):
    answer = told["chat"]
    assert answer["choices"][0]["message"]["content"].split() == ["alpha", "1", "2", "3"]
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("length", 4)
    assert answer["run"] == "1"


def test_a_stream_comes_word_by_word_and_ends_with_its_usage(told):
    chunks = told["stream"]
    words = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(words).split() == ["alpha", *map(str, range(1, 50))]
    assert len([word for word in words if word]) > 10
    assert chunks[-1]["usage"]["completion_tokens"] == 50


def test_it_calls_tools_and_is_answered(told):
    for answer in (told["calls"]["whole"], told["calls"]["again"], told["callsInAStream"]):
        assert calls(answer["choices"][0]["message"]) == LOOKS
        assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_it_embeds_packed_and_plain(told):
    other = {}
    for form in ("packed", "plain"):
        same, twin, other[form] = (row["embedding"] for row in told["embeddings"][form])
        assert len(same) == 64
        assert same == pytest.approx(twin, abs=1e-5)
        assert same != pytest.approx(other[form], abs=0.1)
    assert other["packed"] == pytest.approx(other["plain"], abs=1e-5)


def test_it_lists_the_models(told):
    assert told["models"]["ids"] == ["alpha", "gpt-4o", "caller", "embed", "rerank", "slow"]
    assert (told["models"]["one"]["id"], told["models"]["one"]["object"]) == ("gpt-4o", "model")


def test_it_throws_what_its_users_catch(told):
    for scene in ("unknown", "unknownInAStream"):
        error = told[scene]
        assert (error["thrown"], error["status"], error["code"]) == ("NotFoundError", 404, "model_not_found")
        assert "alpha" in error["message"], "the name that was meant"
        assert error["requestID"]
    error = told["stranger"]
    assert (error["thrown"], error["code"]) == ("AuthenticationError", "invalid_api_key")


async def test_a_stream_that_it_aborts_stops_the_engine_computing(told, desk, connect):
    assert told["abort"] == {"words": 3}
    status = await connect(desk)

    async def idle():
        if (await status.model("slow"))["leases"]:
            return False
        async with status.http.get("/upstream/slow/slots", headers={"Authorization": f"Bearer {KEY}"}) as answer:
            return not any(slot["is_processing"] for slot in await answer.json())

    await until(idle, 5)
