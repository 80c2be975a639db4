"""Models as Ollama lists and shows them: what is known, in its shape; what nobody knows is empty.

A name is shown as it is, without a tag of our making: Ollama's clients compare the names of lists with those that
they were configured with. One that asks for ``NAME:latest`` finds it all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from swapd.core.need import is_memory
from swapd.core.view import Weight
from swapd.web.entries import CREATED

VERSION = "0.12.11"
"""The Ollama whose API this is. Clients split it at its dots and want numbers, so it says nothing of us."""
MODIFIED = datetime.fromtimestamp(CREATED, UTC).isoformat().replace("+00:00", "Z")
UNKNOWN = "unknown"
"""The architecture: clients read the word only to find the keys of ``model_info`` that begin with it."""
_CAPABILITIES = {
    "completion": "completion",
    "multimodal": "vision",
    "embedding": "embedding",
    "rerank": "rerank",
}
"""Ours -> Ollama's word (the last it does not have)."""
Entry = Mapping[str, Any]
"""A model as ``entries.entry`` has it."""


def tag(entry: Entry, own: str) -> dict[str, Any]:
    """A row of ``/api/tags``. ``own``: the model's own name, where this is an alias."""
    meta = entry.get("meta", {})
    return {
        "name": entry["id"],
        "model": entry["id"],
        "modified_at": MODIFIED,
        "size": meta.get("size", 0),
        "digest": sha256(own.encode()).hexdigest(),  # of the name: nobody reads gigabytes for it
        "details": _details(meta),
    }


def running(entry: Entry, own: str, weight: Weight, expires: str) -> dict[str, Any]:
    """A row of ``/api/ps``. ``expires``: when it goes if nobody asks, RFC 3339."""
    held = weight.measured or (weight.way.cost if weight.way is not None else {})
    memory = {name: amount for name, amount in held.items() if is_memory(name)}
    row = tag(entry, own) | {
        "size": sum(memory.values()),
        "size_vram": sum(amount for name, amount in memory.items() if name != "ram"),
        "expires_at": expires,
        "context_length": entry.get("context_length", 0),
    }
    del row["modified_at"]
    return row


def shown(entry: Entry, can: Collection[str] | None) -> dict[str, Any]:
    """``/api/show``. ``can``: of ``core.kinds.ABILITIES``, None where nobody knows."""
    meta, context = entry.get("meta", {}), entry.get("context_length")
    return {
        "license": "",
        "modelfile": f"# The config of swapd describes this model, not a Modelfile.\nFROM {entry['id']}\n",
        "parameters": f"num_ctx {context}" if context else "",
        "template": "",
        "details": _details(meta),
        "model_info": {
            "general.architecture": UNKNOWN,
            "general.basename": entry["id"],
            **({"general.parameter_count": meta["n_params"]} if "n_params" in meta else {}),
            **({f"{UNKNOWN}.context_length": context} if context else {}),
            **({f"{UNKNOWN}.embedding_length": meta["n_embd"]} if "n_embd" in meta else {}),
        },
        "capabilities": _capabilities(entry["capabilities"], can),
        "modified_at": MODIFIED,
    }


def _capabilities(listed: Iterable[str], can: Collection[str] | None) -> list[str]:
    found = [_CAPABILITIES[word] for word in listed if word in _CAPABILITIES]
    return [*found, *["tools"] * ("completion" in found and (can is None or "tools" in can))]


def _details(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf" if "ftype" in meta else "",
        "family": "",
        "families": [],
        "parameter_size": _size(meta.get("n_params", 0)),
        "quantization_level": _level(meta.get("ftype", "")),
    }


def _size(count: int) -> str:
    """As ``30.5B`` or ``270M``."""
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.0f}M" if count else ""


def _level(kind: str) -> str:
    """llama.cpp's name of a file's type, as files are called: ``Q4_K - Medium`` is Q4_K_M, ``all F32`` is F32."""
    base, _, size = kind.removeprefix("all ").removesuffix(" (guessed)").partition(" - ")
    return f"{base}_{size[0]}" if size else base
