"""What engines say at ``/v1/chat/completions``, whole or chunk by chunk, as far as it is told on.

They differ in what they leave out, in what they send as null, and in a few words of their own: as llama-server
b10434 does, and as vLLM, SGLang, TGI and Ollama document theirs.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from swapd.web.translated import message_of

Json = dict[str, Any]


class Function(Struct):
    """What is called. ``arguments``: JSON, or a piece of it in a stream; some engines send the object itself."""

    name: str | None = None
    arguments: str | Json | None = None


class Call(Struct):
    """A tool call, or the next piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Said(Struct):
    """A message, or the next piece of one. vLLM's later versions and Ollama say ``reasoning``."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class Choice(Struct):
    """``stop_reason`` (vLLM) and ``matched_stop`` (SGLang): the stop sequence, or the token, that ended it.

    ``text``: where no message was asked for, at ``/v1/completions``.
    """

    message: Said | None = None
    delta: Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    matched_stop: str | int | None = None


class Details(Struct):
    """Of ``prompt_tokens``."""

    cached_tokens: int | None = None


class Counted(Struct):
    """Tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None


class Timings(Struct):
    """llama-server's, in milliseconds."""

    prompt_ms: float | None = None
    predicted_ms: float | None = None


class Completion(Struct):
    """A chat completion, or a chunk of one, as far as it is told on."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Counted | None = None
    timings: Timings | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Completion).decode


def read(body: bytes) -> Completion:
    """A completion, or a chunk. Raises ValueError for what is none, an error in its place included."""
    try:
        said = _decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if said.error is not None:
        raise ValueError(f"it says that it failed: {message_of(body)}")
    return said
