"""Messages of Ollama's API in OpenAI's shape: images, tools that were called, what they answered, thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

_KINDS = {"iVBORw0KGgo": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp", "Qk": "bmp"}
"""How images begin, in base64."""


class Function(msgspec.Struct):
    """What is called, and with what."""

    name: str
    arguments: dict[str, Any] | str | None = None


class ToolCall(msgspec.Struct):
    """A call that the model made."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct):
    """One message; ``images`` are base64, ``tool_name`` and ``tool_call_id`` are of one that answers a call."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


def in_openais(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The same conversation, each answer of a tool tied to its call: Ollama's clients go by name and order."""
    told: list[dict[str, Any]] = []
    open_calls: list[tuple[str, str]] = []
    made = 0
    for message in messages:
        one: dict[str, Any] = {"role": message.role, "content": _content(message)}
        if message.thinking:
            one["reasoning_content"] = message.thinking
        if message.tool_calls:
            calls = [_call(call, made + n) for n, call in enumerate(message.tool_calls)]
            made += len(calls)
            open_calls += [(call["id"], call["function"]["name"]) for call in calls]
            one["tool_calls"] = calls
        if message.role == "tool":
            one["tool_call_id"] = _answered(message, open_calls)
            if message.tool_name:
                one["name"] = message.tool_name
        told.append(one)
    return told


def _content(message: Message) -> str | list[dict[str, Any]]:
    text = message.content or ""
    if not message.images:
        return text
    images = [{"type": "image_url", "image_url": {"url": _url(image)}} for image in message.images]
    return [*([{"type": "text", "text": text}] if text else []), *images]


def _url(image: str) -> str:
    if image.startswith("data:"):
        return image
    kind = next((kind for begin, kind in _KINDS.items() if image.startswith(begin)), "png")
    return f"data:image/{kind};base64,{image}"


def _call(call: ToolCall, number: int) -> dict[str, Any]:
    """OpenAI's arguments are JSON in a string."""
    given = call.function.arguments
    arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
    function = {"name": call.function.name, "arguments": arguments}
    return {"id": call.id or f"call_{number}", "type": "function", "function": function}


def _answered(message: Message, open_calls: list[tuple[str, str]]) -> str:
    """The id of the call that it answers: the first of that name that is still open, else the first of all."""
    if message.tool_call_id:
        open_calls[:] = [call for call in open_calls if call[0] != message.tool_call_id]
        return message.tool_call_id
    named = [call for call in open_calls if call[1] == message.tool_name]
    found = next(iter(named or open_calls), ("call_0", ""))
    if found in open_calls:
        open_calls.remove(found)
    return found[0]
