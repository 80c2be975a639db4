"""An Ollama model store: its models by their names, with the parameters that their Modelfiles set.

What a parameter means, and what Ollama takes where none is set, is in its "Modelfile Reference" and "FAQ".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swapd.core.draft import Draft
from swapd.importers.quoting import literal
from swapd.importers.sheet import CannotImport, Names, Sheet, mapping

LATEST = ":latest"
CONTEXT = 4096
"""Tokens that Ollama takes where neither a model nor OLLAMA_CONTEXT_LENGTH says."""
_KEYS = {"num_ctx": "context", "num_gpu": "gpu_layers", "num_thread": "threads", "num_batch": "batch"}
"""Parameters of the engine, and their keys."""
_ASKED = {name: name for name in ("temperature", "top_p", "top_k", "min_p", "seed", "repeat_penalty", "stop")}
_ASKED |= {name: name for name in ("presence_penalty", "frequency_penalty", "repeat_last_n", "typical_p")}
_ASKED |= {"num_predict": "max_tokens"}
"""Parameters of a request, as llama-server calls them."""
_TEXTS = {
    "template": "llama-server takes the one in the file; or give one with args: [--chat-template-file, F]",
    "system": "swapd adds no messages to a chat: say it in the client",
    "messages": "swapd adds no messages to a chat: say them in the client",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A model of a store. ``kind``: chat, embedding or rerank; ``texts``: its layers that are text, by kind."""

    name: str
    path: str
    mmproj: str = ""
    kind: str = "chat"
    texts: Mapping[str, str] = field(default_factory=dict)


def imported(models: Sequence[Stored], store: str, lost: Sequence[str] = ()) -> Draft:
    """The draft; ``lost``: lines about what could not be read. Raises CannotImport."""
    if not models:
        raise CannotImport("the store has no models: `ollama list` shows what Ollama itself finds")
    names = Names()
    sheets = [_sheet(model, names) for model in models]
    head = (
        f"Made by `swapd import` from the model store of Ollama in {store}. The files stay there,",
        "and `ollama rm` removes them from here too. What only Ollama's own engine can load, llama-server cannot.",
    )
    top = {"defaults": {"ttl": "5m"}}
    remarks = {"defaults": ("Ollama keeps an idle model for that long.",)}
    return Draft(tuple(sheet.drafted() for sheet in sheets), head, top, remarks, tuple(lost))


def _sheet(model: Stored, names: Names) -> Sheet:
    sheet = Sheet(names.fresh(model.name.removesuffix(LATEST)), {"path": literal(model.path)})
    if model.mmproj:
        sheet.keys["mmproj"] = literal(model.mmproj)
    if model.kind != "chat":
        sheet.keys["embeddings" if model.kind == "embedding" else "reranking"] = True
    _parameters(sheet, model.texts.get("params", ""))
    if "context" not in sheet.keys and model.kind == "chat":
        sheet.keys["context"] = CONTEXT
        sheet.notes["context"] = "what Ollama takes where nobody says"
    for kind, why in _TEXTS.items():
        if text := model.texts.get(kind):
            sheet.leave(f"{kind}: {text[:60]!r}" if kind != "template" else kind, why)
    return sheet


def _parameters(sheet: Sheet, text: str) -> None:
    try:
        said: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        sheet.leave("params", "they cannot be read")
        return
    default = {}
    for name, value in mapping(said).items():
        if name in _KEYS and isinstance(value, int) and value >= (0 if name == "num_gpu" else 1):
            sheet.keys[_KEYS[name]] = value
        elif name in _ASKED:
            default[_ASKED[name]] = [literal(str(each)) for each in value] if isinstance(value, list) else value
        else:
            sheet.leave(f"parameter {name}", "it is about Ollama's own engine")
    if default:
        sheet.keys["request"] = {"default": default}
