"""What may be asked of an engine, as data: its paths, and the other spellings that clients use.

What an engine makes of a path is its own affair: one that does not know it says so in its own words. Which paths
llama-server knows was read from its build 11434; `moderations`, `images` and `speech` are for other engines.
"""

from __future__ import annotations

HOT = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
)
"""OpenAI's, and what clients ask all day: these may take the express lane."""
OPENAI = (
    *HOT,
    "/v1/responses",
    "/v1/responses/input_tokens",
    "/v1/chat/completions/input_tokens",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/audio/speech",
)
ANTHROPIC = ("/v1/messages", "/v1/messages/count_tokens")
OWN = (
    "/completion",
    "/infill",
    "/embedding",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/lora-adapters",
)
"""llama-server's own. Its clients seldom name a model: the only one that is ready will do."""
SHOWN = ("/slots", "/lora-adapters")
"""llama-server's own that are read (GET)."""

ALSO = {path.removeprefix("/v1"): path for path in (*OPENAI, *ANTHROPIC)} | {
    "/v1/reranking": "/v1/rerank",
    "/v2/rerank": "/v1/rerank",
    "/reranking": "/v1/rerank",
}
"""Other spellings; the engine is always asked at the full one."""
POSTED = (*OPENAI, *ANTHROPIC, *OWN, *ALSO)


def full(path: str) -> str:
    """The engine's spelling."""
    return ALSO.get(path, path)


def is_own(path: str) -> bool:
    """Whether it is one of llama-server's own."""
    return path in OWN or path in SHOWN
