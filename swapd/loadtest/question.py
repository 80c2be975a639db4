"""What is asked: the endpoints, and prompts that no server has in its cache."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_WORDS = """
river stone window garden market winter letter paper silver music summer morning evening forest
mountain bridge island harbor castle village kitchen table mirror candle story travel number picture
shadow butter carpet engine little simple quiet narrow heavy golden early distant hollow gentle
"""
WORDS = tuple(_WORDS.split())
"""Plain words, most of them one token in most vocabularies: so many words are about as many tokens."""
DOCUMENTS = 4
"""How many documents a rerank request has."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``body(model, prompt, most)`` makes the request, ``most`` being its max_tokens; ``streams`` if it can."""

    path: str
    streams: bool
    body: Callable[[str, str, int], dict[str, Any]]


def _chat(model: str, prompt: str, most: int) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": most}


def _completion(model: str, prompt: str, most: int) -> dict[str, Any]:
    return {"model": model, "prompt": prompt, "max_tokens": most}


def _embedding(model: str, prompt: str, most: int) -> dict[str, Any]:
    return {"model": model, "input": prompt}


def _rerank(model: str, prompt: str, most: int) -> dict[str, Any]:
    words = prompt.split()
    size = max(1, len(words) // DOCUMENTS)
    documents = [" ".join(words[n * size : (n + 1) * size]) or prompt for n in range(DOCUMENTS)]
    return {"model": model, "query": " ".join(words[:8]), "documents": documents}


ENDPOINTS = {
    "chat": Endpoint("/chat/completions", True, _chat),
    "completions": Endpoint("/completions", True, _completion),
    "embeddings": Endpoint("/embeddings", False, _embedding),
    "rerank": Endpoint("/rerank", False, _rerank),
}


@dataclass(frozen=True, slots=True)
class Form:
    """What every request of a run has in common. ``prompt`` None: ``words`` words, others for each request."""

    endpoint: str = "chat"
    stream: bool = True
    prompt: str | None = None
    words: int = 32
    most: int = 64

    @property
    def streams(self) -> bool:
        """Whether the answer is to come as events."""
        return self.stream and ENDPOINTS[self.endpoint].streams

    @property
    def path(self) -> str:
        """Below ``/v1``."""
        return ENDPOINTS[self.endpoint].path

    def body(self, model: str, seed: str) -> dict[str, Any]:
        """The request; ``seed`` draws the words of its prompt."""
        prompt = self.prompt if self.prompt is not None else made_up(self.words, seed)
        body = ENDPOINTS[self.endpoint].body(model, prompt, self.most)
        if self.streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body


def made_up(count: int, seed: str) -> str:
    """So many words; the same for the same seed, and from the first word on others for another."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))
