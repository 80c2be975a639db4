"""LangChain, with true engines behind the doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.real.conftest import KEY

pytestmark = pytest.mark.real
PARAMETERS: Any = {"type": "object", "properties": {"at": {"type": "integer"}}}
LOOK: Any = {"name": "look", "description": "Looks.", "parameters": PARAMETERS}


@pytest.fixture(scope="module")
def langchain() -> Any:
    """``langchain_openai``, which takes seconds to import."""
    return pytest.importorskip("langchain_openai", reason="needs langchain-openai: pip install -e '.[test]'")


@pytest.fixture
def door(desk) -> Iterator[dict[str, Any]]:
    """Where its users say that the models are, without the retries that would hide a fault."""
    with openai.DefaultHttpxClient() as http:  # else it makes one that nobody ever closes
        yield {"base_url": f"{desk.url}/v1", "api_key": KEY, "max_retries": 0, "timeout": 30, "http_client": http}


@pytest.fixture
def chat(langchain, door) -> Any:
    """``chat(model)``: a chat model of LangChain's."""

    def model(name: str, **more: Any) -> Any:
        return langchain.ChatOpenAI(model=name, **(door | more))

    return model


def test_it_invokes_streams_and_batches(chat):
    answer = chat("gpt-4o", max_tokens=4).invoke("go")
    assert answer.content.split() == ["alpha", "1", "2", "3"]
    assert (answer.usage_metadata["output_tokens"], answer.response_metadata["finish_reason"]) == (4, "length")
    chunks = list(chat("alpha", max_tokens=50, stream_usage=True).stream("go"))
    whole = sum(chunks[1:], chunks[0])
    assert whole.content.split() == ["alpha", *map(str, range(1, 50))]
    assert len(chunks) > 10 and whole.usage_metadata["output_tokens"] == 50
    texts = {answer.content for answer in chat("alpha", max_tokens=4).batch(["one", "two", "three"])}
    assert texts == {" alpha 1 2 3"}


def test_it_speaks_the_responses_api_too(chat):
    model = chat("alpha", max_tokens=4, use_responses_api=True)
    assert model.invoke("go").text.split() == ["alpha", "1", "2", "3"]
    assert "".join(chunk.text for chunk in model.stream("go")).split() == ["alpha", "1", "2", "3"]


def test_a_model_with_tools_bound_calls_them_and_is_answered(chat):
    model = chat("caller").bind_tools([LOOK])
    said = model.invoke("go")
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [("look", {"at": 1}), ("look", {})]
    seen = [{"role": "tool", "tool_call_id": call["id"], "content": "dark"} for call in said.tool_calls]
    chunks = list(model.stream([{"role": "user", "content": "go"}, said, *seen]))
    again = sum(chunks[1:], chunks[0])
    assert [call["name"] for call in again.tool_calls] == ["look", "look"]
    assert not again.invalid_tool_calls


def test_it_embeds_documents_and_queries(langchain, door):
    # Else it sends token numbers, of OpenAI's vocabulary, which it would have to download.
    model = langchain.OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **door)
    same, other = model.embed_documents(["happy dog", "car engine"])
    assert model.embed_query("happy dog") == pytest.approx(same, abs=1e-5)
    assert same != pytest.approx(other, abs=0.1)


def test_it_raises_what_its_users_catch(chat):
    with pytest.raises(openai.NotFoundError, match="alpha"):
        chat("alhpa").invoke("go")
    with pytest.raises(openai.NotFoundError, match="alpha"):
        list(chat("alhpa").stream("go"))
    with pytest.raises(openai.AuthenticationError, match="key"):
        chat("alpha", api_key="sk-of-a-stranger").invoke("go")
