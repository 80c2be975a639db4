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
FORMS = (
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/images/edits",
    "/v1/images/variations",
)
"""OpenAI's that take a form with files; a field of it names the model."""
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
OLLAMA = "/api/"
"""How the paths of Ollama's API begin. Its answers are made of those to OpenAI's."""

SWAP = ("/running", "/unload", "/api/models/unload")
"""How the paths of llama-swap's own API begin, as far as they are known here."""

ALSO = {path.removeprefix("/v1"): path for path in (*OPENAI, *FORMS, *ANTHROPIC)} | {
    "/v1/reranking": "/v1/rerank",
    "/v2/rerank": "/v1/rerank",
    "/reranking": "/v1/rerank",
}
"""Other spellings; the engine is always asked at the full one."""
UPLOADED = tuple(path for path in (*FORMS, *ALSO) if ALSO.get(path, path) in FORMS)
POSTED = tuple(path for path in (*OPENAI, *ANTHROPIC, *OWN, *ALSO) if path not in UPLOADED)

ABILITIES = {
    "/v1/chat/completions": "chat",
    "/v1/chat/completions/input_tokens": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/v1/responses": "responses",
    "/v1/responses/input_tokens": "responses",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "messages",
    "/v1/moderations": "moderations",
    "/v1/images/generations": "images",
    "/v1/images/edits": "images",
    "/v1/images/variations": "images",
    "/v1/audio/speech": "audio",
    "/v1/audio/transcriptions": "audio",
    "/v1/audio/translations": "audio",
    "/tokenize": "tokenize",
    "/detokenize": "tokenize",
} | dict.fromkeys(
    ("/completion", "/infill", "/embedding", "/apply-template", "/slots", "/lora-adapters"), "native"
)
"""What an engine must be able to do to answer at a path (core.kinds.ABILITIES)."""


def full(path: str) -> str:
    """The engine's spelling."""
    return ALSO.get(path, path)


def is_anthropic(path: str) -> bool:
    """Whether it is one of Anthropic's API, whether or not that is served here."""
    return f"{path.removeprefix('/v1')}/".startswith("/messages/")


def is_own(path: str) -> bool:
    """Whether it is one of llama-server's own."""
    return path in OWN or path in SHOWN
