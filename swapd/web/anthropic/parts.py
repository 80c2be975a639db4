"""What Anthropic's content blocks hold, as parts of OpenAI's; and how a client's body is looked at.

The shapes of blocks are those that Anthropic's Python SDK 2.12 types. All raise ValueError, naming the field, for
a block that has no words in OpenAI's chat, and for one that is not what it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Json = dict[str, Any]
Kind = TypeVar("Kind")
_NAMES: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}


def blocks(content: object, where: str) -> Iterator[tuple[str, Json]]:
    """The blocks of a content and where they stand. A string is one of text; null, as a tool's answer, is none."""
    if isinstance(content, str):
        yield where, {"type": "text", "text": content}
        return
    for at, block in enumerate(typed([] if content is None else content, list, where)):
        here = f"{where}.{at}"
        yield here, {"type": word(typed(block, dict, here), "type", here)} | block


def maybe(body: Json, key: str) -> Json:
    """The object that may be there; an empty one where it is not."""
    return typed({} if body.get(key) is None else body[key], dict, key)


def word(block: Json, key: str, where: str) -> str:
    """The string that has to be there."""
    return typed(block.get(key), str, f"{where}.{key}")


def typed(value: object, kind: type[Kind], where: str) -> Kind:
    """The value, if it is of that kind."""
    if not isinstance(value, kind):
        raise cannot(where, f"{_NAMES[kind]} is needed there")
    return value


def unknown(where: str, kind: object) -> ValueError:
    """That a block of this type is nothing for engines."""
    return cannot(where, f"an engine that has only chat knows no {kind!r} there")


def cannot(where: str, why: str) -> ValueError:
    """What a client is told."""
    return ValueError(f"cannot translate {where}: {why}")


def as_text(text: str) -> Json:
    """A part of text."""
    return {"type": "text", "text": text}


def plain(parts: list[Json]) -> str | list[Json]:
    """Text alone as a string: some templates know nothing else."""
    if all(part["type"] == "text" for part in parts):
        return text_of(parts)
    return parts


def text_of(parts: list[Json]) -> str:
    """All that is text among the parts."""
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _text(block: Json, at: str) -> list[Json]:
    return [as_text(word(block, "text", at))]


def _image(block: Json, at: str) -> list[Json]:
    source = typed(block.get("source"), dict, f"{at}.source")
    match source.get("type"):
        case "base64":
            media, data = (word(source, key, f"{at}.source") for key in ("media_type", "data"))
            url = f"data:{media};base64,{data}"
        case "url":
            url = word(source, "url", f"{at}.source")
        case other:
            raise cannot(f"{at}.source", f"an image of type {other!r} is not here; send it as base64 or url")
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Json, at: str) -> list[Json]:
    source = typed(block.get("source"), dict, f"{at}.source")
    heading = [as_text(block[key]) for key in ("title", "context") if isinstance(block.get(key), str)]
    match source.get("type"):
        case "text":
            return [*heading, as_text(word(source, "data", f"{at}.source"))]
        case "content":
            return heading + shown(source.get("content"), f"{at}.source.content", SIMPLE)
        case other:
            why = f"an engine that has only chat reads no document of type {other!r}; send its text"
            raise cannot(f"{at}.source", why)


def _search_result(block: Json, at: str) -> list[Json]:
    heading = [as_text(word(block, key, at)) for key in ("title", "source")]
    return heading + shown(block.get("content"), f"{at}.content", SIMPLE)


def _tool_reference(block: Json, at: str) -> list[Json]:
    return [as_text(word(block, "tool_name", at))]  # the tool itself was told from the first, as all are


Say = Callable[[Json, str], list[Json]]
SIMPLE: dict[str, Say] = {"text": _text, "image": _image}
RICH: dict[str, Say] = SIMPLE | {
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}
"""What users and tools may show: type of block -> how it is said. ``SIMPLE``: what these may hold in turn."""


def shown(content: object, where: str, known: dict[str, Say]) -> list[Json]:
    """A whole content."""
    return [part for at, block in blocks(content, where) for part in parts_of(block, at, known)]


def parts_of(block: Json, at: str, known: dict[str, Say]) -> list[Json]:
    """One block, as ``blocks`` gives them."""
    say = known.get(block["type"])
    if say is None:
        raise unknown(at, block["type"])
    return say(block, at)
