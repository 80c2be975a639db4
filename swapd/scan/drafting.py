"""What was found, worded for a config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swapd.core.draft import ModelDraft
from swapd.scan.found import Model
from swapd.scan.kinds import CHAT, EMBEDDING, RERANK

LARGEST, LEAST = 32768, 2048
"""Tokens: what a chat gets where there is room, and what it gets in any case."""
AT_ONCE = 2048
"""Tokens of an input that is embedded or ranked: it is computed in one batch, whose buffers grow with it."""
_SAID = {"embeddings": EMBEDDING, "reranking": RERANK}
_NOTHING: Mapping[str, Any] = {}
_OPEN = re.compile(r"\$(?=\{)")


def contexts(model: Model) -> list[int]:
    """The contexts that are worth a try, the largest first."""
    if model.kind != CHAT:
        return [min(model.trained or AT_ONCE, AT_ONCE)]
    most = min(model.trained or LARGEST, LARGEST)
    powers = [1 << n for n in range(LEAST.bit_length() - 1, LARGEST.bit_length())]
    return [most, *(power for power in reversed(powers) if power < most)]


def drafted(
    model: Model, context: int, remarks: tuple[str, ...] = (), common: Mapping[str, Any] = _NOTHING
) -> ModelDraft:
    """An entry of the config. ``common``: what the config says for all models, under ``defaults``."""
    keys: dict[str, Any] = {"path": _said(str(model.path.absolute()))}
    notes: dict[str, str] = {}
    if model.mmproj is not None:
        keys["mmproj"] = _said(str(model.mmproj.absolute()))
        notes["mmproj"] = "it sees pictures with this"
    for key, kind in _SAID.items():
        if model.kind == kind or (common.get("defaults") or {}).get(key):
            keys[key] = model.kind == kind
    slots = _slots(common)
    keys["context"] = context * slots
    if model.kind != CHAT:
        keys["batch"] = context
        notes["batch"] = "an input has to fit into one batch"
    if model.pooling:
        keys["args"] = ["--pooling", model.pooling]
        notes["args"] = "the file does not say how it is to be pooled"
    trained = f"trained with {model.trained}" if model.trained > context else ""
    shared = f"{context} for each slot" if slots > 1 else ""
    if told := ", ".join(filter(None, (shared, trained))):
        notes["context"] = told
    if model.aliases:
        keys["aliases"] = list(model.aliases)
    return ModelDraft(model.name, keys, remarks, notes)


def first_choice(models: Mapping[str, Model], fits: Mapping[str, bool]) -> str | None:
    """The model for clients that name none: the largest that chats, of those that fit."""
    chats = [model for model in models.values() if model.kind == CHAT]
    best = max(chats, key=lambda model: (fits.get(model.name, False), model.template, model.size), default=None)
    return None if best is None else best.name


def _slots(common: Mapping[str, Any]) -> int:
    """Among how many requests llama-server divides the context (``--parallel``)."""
    parallel = (common.get("defaults") or {}).get("parallel", 1)
    return parallel if isinstance(parallel, int) and parallel > 0 else 1


def _said(path: str) -> str:
    """A path in a config: ``${`` would begin a reference there."""
    return _OPEN.sub("$$", path)
