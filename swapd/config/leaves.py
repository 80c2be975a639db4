"""The kinds of single values that the schema is made of, each with its reader and its JSON Schema."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from swapd.config import units
from swapd.config.shapes import FilePath, Later, Leaf, Many

ADDRESS = frozenset({"host", "port"})
COMMAND = ADDRESS | {"threads", "binary"}
ARGUMENT = ADDRESS | {"threads"}

_NUMBER_OR_TEXT = {"type": ["number", "string"]}
_WHOLE_OR_TEXT = {"type": ["integer", "string"]}
_ONE_OR_MANY = {"type": ["string", "array"]}
_NEVER = units.word({"never": None}, units.duration)
_ALL_LAYERS = 999  # every build of llama-server takes it for "all"; the word itself is newer


def words(text: str) -> tuple[str, ...]:
    """A command line split as a shell would; a line that ends in a backslash goes on in the next."""
    try:
        parts = tuple(shlex.split(text.replace("\\\n", " ")))
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}; check the quotes") from None
    if not parts:
        raise ValueError("is empty: give it a command or remove the key")
    return parts


def web_path(text: str) -> str:
    """The path of a URL."""
    if not text.startswith("/"):
        raise ValueError(f"'{text}' is not a path: begin it with '/'")
    return text


def engine_kind(text: str) -> str:
    """The engine kinds of the schema, of which one is built."""
    kind = units.choice("llama.cpp", "vllm", "sglang", "tgi", "ollama", "localai", "lmstudio", "openai")(text)
    if kind != "llama.cpp":
        raise ValueError(f"'{kind}' is not supported yet: give 'command' and 'health', and leave 'engine' out")
    return kind


def _word_or(meaning: dict[str, Any], otherwise: Callable[[str], Any]) -> Leaf:
    return Leaf(units.word(meaning, otherwise))


Text = Annotated[str, Leaf(units.text)]
Flag = Annotated[bool, Leaf(units.boolean)]
Duration = Annotated[
    float, Meta(description="500ms, 30s, 15m, 1h, 2d", extra_json_schema=_NUMBER_OR_TEXT), Leaf(units.duration)
]
Never = Annotated[
    float,
    Meta(description="500ms, 30s, 15m, 1h, 2d, or never", extra_json_schema=_NUMBER_OR_TEXT),
    Leaf(_NEVER),
]
"""A duration, or ``never``, which reads as None: a key of this kind is typed ``Never | None``."""
Size = Annotated[int, Meta(description="512MiB, 22GiB, 100MB", extra_json_schema=_WHOLE_OR_TEXT), Leaf(units.size)]
Whole = Annotated[int, Meta(ge=0), Leaf(units.whole(0))]
Positive = Annotated[int, Meta(ge=1), Leaf(units.whole(1))]
Rank = Annotated[int, Leaf(units.whole(None))]
Counter = Annotated[int, Meta(ge=0), Leaf(units.counter)]
Threads = Annotated[
    int,
    Meta(description="a number, or auto", extra_json_schema=_WHOLE_OR_TEXT),
    _word_or({"auto": None}, units.whole(1)),
]
Layers = Annotated[
    int,
    Meta(description="a number, all, or auto", extra_json_schema=_WHOLE_OR_TEXT),
    _word_or({"all": _ALL_LAYERS, "auto": None}, units.whole(0)),
]
Path = Annotated[str, FilePath()]
Program = Annotated[str, FilePath(program=True)]
Paths = Annotated[tuple[str, ...], Meta(extra_json_schema=_ONE_OR_MANY), Many(FilePath())]
Texts = Annotated[tuple[str, ...], Meta(extra_json_schema=_ONE_OR_MANY), Many(Leaf(units.text))]
Names = Annotated[tuple[str, ...], Many(Leaf(units.text), strict=True)]
Arguments = Annotated[tuple[str, ...], Many(Leaf(str, ARGUMENT), strict=True)]
Variable = Annotated[str, Meta(extra_json_schema={"type": ["string", "number", "boolean"]}), Leaf(str, ADDRESS)]
Macro = Annotated[str, Meta(extra_json_schema={"type": ["string", "number", "boolean"]}), Leaf(str, COMMAND)]
Command = Annotated[tuple[str, ...], Meta(extra_json_schema={"type": "string"}), Leaf(words, COMMAND)]
StopCommand = Annotated[tuple[str, ...], Meta(extra_json_schema={"type": "string"}), Leaf(words, ADDRESS)]
UrlPath = Annotated[str, Meta(pattern="^/"), Leaf(web_path)]
Kind = Annotated[str, Meta(extra_json_schema={"const": "llama.cpp"}), Leaf(engine_kind)]
LogLevel = Annotated[
    str,
    Meta(extra_json_schema={"enum": ["debug", "info", "warning", "error"]}),
    Leaf(units.choice("debug", "info", "warning", "error")),
]
LogFormat = Annotated[
    str, Meta(extra_json_schema={"enum": ["auto", "text", "json"]}), Leaf(units.choice("auto", "text", "json"))
]
NotYet = Annotated[Any, Meta(description="not supported yet", extra_json_schema={"not": {}}), Later()]
