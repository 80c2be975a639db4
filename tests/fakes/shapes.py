"""What the fake engine answers, in the shapes of llama-server and OpenAI; nothing here touches a socket."""

from __future__ import annotations

import hashlib
import time
from typing import Any

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
NOT_FOUND = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}
BAD_JSON = {"error": {"message": "cannot parse the body", "type": "invalid_request_error", "code": 400}}


def words(alias: str, count: int) -> list[str]:
    """ " NAME 1 2 3", word by word."""
    return [f" {alias}", *(f" {number}" for number in range(1, count))][:count]


def usage(count: int) -> dict[str, int]:
    """Token counts of an answer; every prompt counts as one."""
    return {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}


def whole(alias: str, said: list[str], chat: bool) -> dict[str, Any]:
    """The answer that comes in one piece."""
    text = "".join(said)
    content = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    kind = "chat.completion" if chat else "text_completion"
    return _answer(alias, kind, [{"index": 0, "finish_reason": "stop", **content}]) | {"usage": usage(len(said))}


def piece(alias: str, word: str | None, chat: bool, first: bool = False) -> dict[str, Any]:
    """One event of a stream; the one without a word is the last."""
    if chat:
        delta = ({"role": "assistant"} if first else {}) | ({"content": word} if word is not None else {})
        content: dict[str, Any] = {"delta": delta}
    else:
        content = {"text": word or ""}
    kind = "chat.completion.chunk" if chat else "text_completion"
    return _answer(alias, kind, [{"index": 0, "finish_reason": "stop" if word is None else None, **content}])


def counted(alias: str, count: int, chat: bool) -> dict[str, Any]:
    """The event that ``stream_options.include_usage`` asks for."""
    kind = "chat.completion.chunk" if chat else "text_completion"
    return _answer(alias, kind, []) | {"usage": usage(count)}


def embeddings(alias: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Eight numbers a text, the same for the same text."""
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [{"object": "embedding", "index": i, "embedding": _vector(str(t))} for i, t in enumerate(texts)]
    return {"object": "list", "model": alias, "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def rerank(alias: str, asked: dict[str, Any]) -> dict[str, Any]:
    """A document scores by the words that it shares with the query."""
    query = set(str(asked["query"]).lower().split())
    scores = [len(query & set(str(document).lower().split())) for document in asked["documents"]]
    results = [{"index": i, "relevance_score": float(score)} for i, score in enumerate(scores)]
    return {"object": "list", "model": alias, "results": results}


def models(alias: str) -> dict[str, Any]:
    """The one model."""
    return {"object": "list", "data": [{"id": alias, "object": "model", "owned_by": "llamacpp"}]}


def props(alias: str, slots: int) -> dict[str, Any]:
    """What a real one tells of itself, as far as swapd cares."""
    settings = {"n_ctx": 4096}
    return {"total_slots": slots, "model_path": f"{alias}.gguf", "default_generation_settings": settings}


def metrics(busy: int) -> bytes:
    """Two of llama-server's (b10434), as it says them with ``--metrics``."""
    return (
        "# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.\n"
        "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 17\n"
        "# HELP llamacpp:requests_processing Number of requests processing.\n"
        f"# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing {busy}\n"
    ).encode()


def echo(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The request itself: ``headers`` by lower-case name, ``raw_headers`` as they came, doubles included."""
    path, _, query = target.partition("?")
    told = {"method": method, "path": path, "query": query, "raw_headers": headers}
    named = {name.lower(): value for name, value in headers}
    return {**told, "headers": named, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _answer(alias: str, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": int(time.time()), "model": alias, "choices": choices}


def _vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]]
