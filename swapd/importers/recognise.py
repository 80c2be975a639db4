"""What a text is: by its content, never by its name alone."""

from __future__ import annotations

import re
from typing import Any

from swapd.core.draft import Draft
from swapd.importers import command, compose, llama_swap, preset, unit
from swapd.importers.sheet import CannotImport, Parse, Source, mapping

KINDS = ("llama-swap", "preset", "ollama", "command", "compose", "unit")
_SECTION = re.compile(r"^[ \t]*\[([^\]\n]+)\][ \t\r]*$", re.MULTILINE)
_YAML_KEY = re.compile(r"^(['\"]?)(models|peers|services|groups|macros)\1\s*:", re.MULTILINE)
_SWAP = {"models", "peers", "groups", "macros", "healthCheckTimeout", "routing", "profiles", "selectors"}


def recognised(text: str, parse: Parse) -> str:
    """One of KINDS. Raises CannotImport, and ValueError where a YAML file is broken."""
    if not text.strip():
        raise CannotImport("it is empty")
    sections = _SECTION.findall(text)
    if {"Service", "Unit"} & set(sections) and "ExecStart" in text:
        return "unit"
    if text.startswith("#!"):
        return "command"
    if sections and not _YAML_KEY.search(text):
        return "preset"
    if _YAML_KEY.search(text) and (kind := _of_yaml(parse(text))):
        return kind
    return "command"


def _of_yaml(data: Any) -> str:
    file = mapping(data)
    if "services" in file:
        return "compose"
    if _is_ours(file):
        raise CannotImport("it is a config of swapd already: `swapd check --config FILE` looks at it")
    return "llama-swap" if _SWAP & file.keys() else ""


def _is_ours(file: dict[str, Any]) -> bool:
    models = [mapping(model) for model in mapping(file.get("models")).values()]
    return any({"path", "command", "url"} & model.keys() for model in models) and not any(
        "cmd" in m for m in models
    )


def imported(source: Source, parse: Parse, kind: str = "") -> Draft:
    """The draft of a text, of a ``kind`` or of what it is recognised as. Raises CannotImport."""
    try:
        kind = kind or recognised(source.text, parse)
        if kind == "llama-swap":
            return llama_swap.imported(source, parse)
        return compose.imported(source, parse) if kind == "compose" else _READERS[kind](source)
    except ValueError as error:
        raise CannotImport(str(error)) from None


_READERS = {"preset": preset.imported, "command": command.imported, "unit": unit.imported}
