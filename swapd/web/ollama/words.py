"""What Ollama's clients send, and the same in OpenAI's words, in which every engine is asked.

Names and meanings are those of docs/api.md in github.com/ollama/ollama and of its Python and JS clients (0.6).
Everything may be null or absent but the content of lists. What has no counterpart here is either the operator's
affair (how an engine is launched) and left out, or refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from swapd.web import asked
from swapd.web.errors import BAD_REQUEST, UNSUPPORTED, Problem
from swapd.web.ollama.messages import Message, in_openais
from swapd.web.ollama.options import sampling

T = TypeVar("T")


class Prompted(msgspec.Struct, kw_only=True):
    """What ``/api/chat`` and ``/api/generate`` have in common."""

    model: str | None = None
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None
    think: bool | str | None = None

    @property
    def streams(self) -> bool:
        """Unless it is told not to."""
        return self.stream is not False


class Chat(Prompted):
    """``/api/chat``."""

    messages: list[Message] | None = None
    tools: list[Any] | None = None


class Generate(Prompted):
    """``/api/generate``."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    raw: bool | None = None
    images: list[str] | None = None
    context: list[Any] | None = None


class Embed(msgspec.Struct):
    """``/api/embed``, and with ``prompt`` the older ``/api/embeddings``.

    ``truncate`` is not read: whether a text is too long, only the engine can tell, and it says so.
    """

    model: str | None = None
    input: str | list[str] | None = None
    prompt: str | None = None
    dimensions: int | None = None
    keep_alive: float | str | None = None


class Named(msgspec.Struct):
    """What only names a model; older clients call that ``name``."""

    model: str | None = None
    name: str | None = None


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """What reads a body as one of these, for ``repair.read``. Raises Problem (400)."""
    decode = msgspec.json.Decoder(kind).decode

    def read(body: bytes) -> T:
        try:
            return decode(body)
        except (ValueError, RecursionError) as error:
            raise asked.unreadable(error) from None

    return read


def chat(name: str, said: Chat) -> dict[str, Any]:
    """The body for ``/v1/chat/completions``. Raises Problem (400)."""
    body = _common(name, said) | {"messages": in_openais(said.messages or [])} | _format(said.format)
    return body | ({"tools": said.tools} if said.tools else {}) | _thinking(said.think)


def generate(name: str, said: Generate) -> tuple[str, dict[str, Any]]:
    """The path and the body: a prompt is one message of a chat, a raw one goes past the chat template.

    Raises Problem (400, 501).
    """
    _refuse(said)
    prompt = said.prompt or ""
    if said.raw:
        schema = _schema(said.format)
        body = _common(name, said) | {"prompt": prompt}
        return "/v1/completions", body | ({"json_schema": schema} if schema is not None else {})
    told = [Message(role="system", content=said.system)] if said.system else []
    messages = in_openais([*told, Message(role="user", content=prompt, images=said.images)])
    body = _common(name, said) | {"messages": messages} | _format(said.format)
    return "/v1/chat/completions", body | _thinking(said.think)


def embed(name: str, said: Embed) -> dict[str, Any]:
    """The body for ``/v1/embeddings``."""
    texts = said.input if said.input is not None else said.prompt
    body: dict[str, Any] = {"model": name, "input": texts, "encoding_format": "float"}
    return body | ({"dimensions": said.dimensions} if said.dimensions else {})


def _common(name: str, said: Prompted) -> dict[str, Any]:
    body: dict[str, Any] = {"model": name, "stream": said.streams}
    if said.streams:
        body["stream_options"] = {"include_usage": True}  # the last line has the counts
    return body | sampling(said.options or {})


def _refuse(said: Generate) -> None:
    """What would be answered wrongly if it were left out. Raises Problem (501)."""
    instead = {
        "suffix": "send the code to /infill of the same model",
        "template": "the engine has its own; to send a finished prompt, set 'raw'",
        "context": "tokens of another server mean nothing here; send the messages to /api/chat",
    }
    for key, what in instead.items():
        if getattr(said, key):
            raise Problem(UNSUPPORTED, f"cannot use '{key}': {what}", param=key)
    if said.raw and said.images:
        why = "a raw prompt has no place for them; leave out 'raw'"
        raise Problem(UNSUPPORTED, f"cannot use 'images': {why}", param="images")


def _format(wanted: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """``json``, or a schema."""
    schema = _schema(wanted)
    if schema is None:
        return {}
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "format", "schema": schema}}}


def _schema(wanted: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What the answer must be like; None: like anything. Raises Problem (400)."""
    if wanted is None or wanted == "":
        return None
    if isinstance(wanted, str):
        if wanted != "json":
            raise Problem(BAD_REQUEST, "cannot use 'format': it takes \"json\" or a JSON schema", param="format")
        return {"type": "object"}
    return wanted


def _thinking(think: bool | str | None) -> dict[str, Any]:
    """On, off, or how much: chat templates ask for it by either name."""
    if think is None or think == "":
        return {}
    if isinstance(think, bool):
        return {"chat_template_kwargs": {"enable_thinking": think}}
    told = {"enable_thinking": True, "reasoning_effort": think}
    return {"reasoning_effort": think, "chat_template_kwargs": told}
