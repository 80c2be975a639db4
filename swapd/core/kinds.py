"""What each kind of engine can do, and how it is asked: one table, which config, engines and web all read.

It stands in the study and not in the engine room because rooms never import each other. A new kind is one row
here, one in ``tests/core/test_kinds.py``, and one in the README.

Where the facts come from, as of November 2026: the server documentation of llama.cpp (its build 10434 besides),
vLLM ("Online Serving"), SGLang ("Native APIs", "OpenAI-Compatible API"), Text Generation Inference (its OpenAPI
file, 3.3), Ollama ("OpenAI compatibility", "Anthropic compatibility"), LocalAI ("API", "Authentication"),
LM Studio ("OpenAI compatible endpoints", "Authentication") and OpenAI's API reference. A row says what the kind
has in some version and with some model: what is left out, it surely has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ABILITIES = (
    "chat",
    "completions",
    "embeddings",
    "rerank",
    "responses",
    "messages",
    "moderations",
    "audio",
    "images",
    "tokenize",
    "tools",
    "native",
)
"""What may be asked of an engine. ``images``: makes them, seeing is a part of ``chat``. ``tools``: of chats.
``native``: llama-server's own routes (completion, infill, embedding, apply-template, slots, lora-adapters, props).
"""

LOADING = frozenset({503})
LLAMA_CPP = "llama.cpp"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row."""

    name: str
    can: frozenset[str]
    """Of ABILITIES."""
    health: str = "/health"
    """The path that answers 200 when it is ready."""
    loading: frozenset[int] = LOADING
    """With these it says that it will be; with any other that it is broken."""
    key: str = "Authorization: Bearer "
    """What stands before its key, in a header of its own."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Our path -> its path, where they differ."""
    grace: float = 10.0
    """Seconds from SIGTERM to SIGKILL, to the whole process group: what a stop means to one that we started."""

    def at(self, target: str) -> str:
        """Its spelling of our path and query."""
        path, mark, query = target.partition("?")
        return self.elsewhere.get(path, path) + mark + query


def _can(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ROWS = (
    Kind(LLAMA_CPP, _can("chat completions embeddings rerank responses messages audio tokenize tools native")),
    # /health is 503 once its engine core has died; while weights load, nobody listens. Its workers end one by one.
    Kind("vllm", _can("chat completions embeddings rerank responses messages audio tokenize tools"), grace=30.0),
    Kind(
        "sglang",
        _can("chat completions embeddings rerank responses messages audio images tokenize tools"),
        grace=30.0,
    ),
    # Embeddings and rerank are another server of theirs (text-embeddings-inference). It drains before it ends.
    Kind("tgi", _can("chat completions tokenize tools"), grace=30.0),
    # It needs no key at home; its cloud takes a Bearer token, for /v1/messages too.
    Kind(
        "ollama",
        _can("chat completions embeddings responses messages audio images tools"),
        health="/api/version",
    ),
    Kind(
        "localai",
        _can("chat completions embeddings rerank responses messages moderations audio images tokenize tools"),
        health="/readyz",  # needs no key, all else does
        elsewhere=MappingProxyType({"/tokenize": "/v1/tokenize"}),
    ),
    # With "Require Authentication" it takes its token as a Bearer, on every path.
    Kind("lmstudio", _can("chat completions embeddings responses messages tools"), health="/v1/models"),
    Kind(
        "openai",
        _can("chat completions embeddings responses moderations audio images tools"),
        health="/v1/models",
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ROWS})
"""By name, as ``engine`` says it."""
