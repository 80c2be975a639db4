"""LiteLLM, with true engines behind the doors."""

from __future__ import annotations

import json
from inspect import iscoroutinefunction
from typing import Any

import pytest

from tests.real.conftest import HURRIED, KEY

pytestmark = [
    pytest.mark.real,
    # What the Pydantic of today says of LiteLLM's own types and habits.
    pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning"),
]
GO: Any = [{"role": "user", "content": "go"}]
LOOK: Any = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {}}}
LOOKS = [("look", {"at": 1}), ("look", {})]
TOOLS: Any = {"tools": [LOOK], "_skip_mcp_handler": True}
"""Without the latter it imports its MCP gateway for any tool, which is an extra of its own."""


@pytest.fixture(scope="module")
def litellm() -> Any:
    """The library, which takes seconds to import. It is kept from asking the internet what models cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        found = pytest.importorskip("litellm", reason="needs LiteLLM: pip install -e '.[test]'")
        patch.setattr(found, "suppress_debug_info", True)
        yield found
        for client in [found.module_level_client, *found.in_memory_llm_clients_cache.cache_dict.values()]:
            if not iscoroutinefunction(client.close):
                client.close()


@pytest.fixture
def door(desk) -> dict[str, Any]:
    """Where its users say that the models are, without the retries that would hide a fault."""
    return {"api_base": f"{desk.url}/v1", "api_key": KEY, "max_retries": 0, "timeout": 30}


def test_it_completes_and_streams(litellm, door):
    answer = litellm.completion("openai/gpt-4o", GO, max_tokens=4, **door)
    assert answer.choices[0].message.content.split() == ["alpha", "1", "2", "3"]
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 4)
    usage = {"include_usage": True}
    chunks = list(litellm.completion("openai/alpha", GO, max_tokens=50, stream=True, stream_options=usage, **door))
    words = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(words).split() == ["alpha", *map(str, range(1, 50))]
    assert chunks[-1].usage.completion_tokens == 50
    answer = litellm.text_completion("go", "text-completion-openai/alpha", max_tokens=4, **door)
    assert answer.choices[0].text.split() == ["alpha", "1", "2", "3"]


def calls(message: Any) -> list[Any]:
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]


def test_it_calls_tools_and_is_answered(litellm, door):
    said = litellm.completion("openai/caller", GO, **TOOLS, **door).choices[0].message
    assert calls(said) == LOOKS
    assert said.reasoning_content.strip() == "hm"
    seen = [{"role": "tool", "tool_call_id": call.id, "content": "dark"} for call in said.tool_calls]
    chunks = list(litellm.completion("openai/caller", [*GO, said, *seen], stream=True, **TOOLS, **door))
    again = litellm.stream_chunk_builder(chunks)
    assert calls(again.choices[0].message) == LOOKS
    assert again.choices[0].finish_reason == "tool_calls"


def test_it_embeds(litellm, door):
    found = litellm.embedding("openai/embed", ["happy dog", "happy dog", "car engine"], **door)
    same, twin, other = (row["embedding"] for row in found.data)
    assert len(same) == 64
    assert same == pytest.approx(twin, abs=1e-5)
    assert same != pytest.approx(other, abs=0.1)


@pytest.mark.parametrize(
    ("provider", "at"), [("hosted_vllm", ""), ("jina_ai", "/v1/rerank"), ("cohere", "/v1/rerank")]
)
def test_it_reranks_as_for_other_servers(litellm, desk, provider, at):
    documents = ["blue whale", "a red fox ran", "green tree"]
    found = litellm.rerank(
        f"{provider}/rerank", "red fox", documents, top_n=2, api_base=desk.url + at, api_key=KEY, timeout=30
    )
    assert found.results[0]["index"] == 1
    assert len(found.results) == 2


def test_it_raises_what_its_users_catch(litellm, door):
    with pytest.raises(litellm.NotFoundError, match="alpha"):
        litellm.completion("openai/alhpa", GO, **door)
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion("openai/alpha", GO, **{**door, "api_key": "sk-of-a-stranger"})
    with pytest.raises(litellm.ContextWindowExceededError, match="exceeds the available context size"):
        litellm.completion("openai/alpha", [{"role": "user", "content": "word " * 2000}], **door)
    hurried = {**door, "api_key": HURRIED}
    litellm.completion("openai/alpha", GO, max_tokens=1, **hurried)
    with pytest.raises(litellm.RateLimitError, match="client 'hurried' has had 1 request"):
        litellm.completion("openai/alpha", GO, max_tokens=1, **hurried)
