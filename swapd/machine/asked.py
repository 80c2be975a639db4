"""What a llama-server command line asks for that costs memory: files, context, and where they are to lie.

Spellings as ``llama-server --help`` lists them (b10434). Environment twins (``LLAMA_ARG_*``) are not read: an
engine's environment is scrubbed of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UBATCH = 512
"""llama.cpp's default physical batch."""
AUTO_SLOTS = 4
"""Slots of an engine that is told nothing, on one unified cache."""

_VALUES = {
    "model": "-m --model",
    "mmproj": "-mm --mmproj",
    "draft": "-md --model-draft --spec-draft-model",
    "lora": "--lora",
    "lora-scaled": "--lora-scaled",
    "context": "-c --ctx-size",
    "slots": "-np --parallel",
    "ubatch": "-ub --ubatch-size",
    "key-type": "-ctk --cache-type-k",
    "value-type": "-ctv --cache-type-v",
    "layers": "-ngl --gpu-layers --n-gpu-layers",
    "device": "-dev --device",
    "split": "-ts --tensor-split",
    "split-mode": "-sm --split-mode",
    "main": "-mg --main-gpu",
    "fit": "-fit --fit",
    "cpu-moe-layers": "-ncmoe --n-cpu-moe",
    "override": "-ot --override-tensor",
}
_SWITCHES = {
    "unified": ("-kvu --kv-unified", "-no-kvu --no-kv-unified"),
    "cache-on-gpu": ("-kvo --kv-offload", "-nkvo --no-kv-offload"),
    "whole-windows": ("--swa-full", ""),
    "cpu-moe": ("-cmoe --cpu-moe", ""),
}
_NAMES = {flag: name for name, flags in _VALUES.items() for flag in flags.split()}
_STATES = {
    flag: (name, on)
    for name, spellings in _SWITCHES.items()
    for flags, on in zip(spellings, (True, False), strict=True)
    for flag in flags.split()
}
_EXPERTS = r"\.ffn_\w*exps"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the KV cache. ``context`` None is the trained one."""

    context: int | None
    slots: int
    unified: bool
    ubatch: int
    key_type: str
    value_type: str
    whole_windows: bool
    """``--swa-full``: sliding windows keep the whole context."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files that are loaded; ``others`` (mmproj, draft, LoRA) follow no layer count."""

    model: Path | None
    draft: Path | None
    others: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the line wants its layers."""

    layers: int | None
    """GPU layers; a huge number for ``all``, None where llama.cpp is to fit them to the free memory."""
    devices: tuple[str, ...] | None
    """Named by ``--device`` (``()`` for ``none``); None where nobody named any."""
    split: tuple[float, ...]
    """``--tensor-split``, in the order of the devices; empty for llama.cpp's own."""
    one: int | None
    """The only GPU used (``--split-mode none``), counted in the order of the devices."""
    cache_on_gpu: bool
    in_ram: tuple[str, ...]
    """Patterns of the tensors that stay in RAM whatever their layer (experts)."""


ALL_LAYERS = 1 << 30
"""``--gpu-layers all``."""


def asked_by(argv: Sequence[str]) -> Asked:
    """What the cache is to be. A flag said twice counts the last time, as in the engine."""
    found, switched = _read(argv)
    slots = _number(found.get("slots"))
    return Asked(
        context=_number(found.get("context")) or None,
        slots=slots or AUTO_SLOTS,
        unified=switched.get("unified", not slots),
        ubatch=_number(found.get("ubatch")) or UBATCH,
        key_type=found.get("key-type", "f16"),
        value_type=found.get("value-type", "f16"),
        whole_windows=switched.get("whole-windows", False),
    )


def files_of(argv: Sequence[str]) -> Files:
    """The files that the line names."""
    found, _ = _read(argv)
    others = [found["mmproj"]] if "mmproj" in found else []
    others += [name for name in found.get("lora", "").split(",") if name]
    others += [entry.rpartition(":")[0] for entry in found.get("lora-scaled", "").split(",") if ":" in entry]
    model, draft = found.get("model"), found.get("draft")
    return Files(Path(model) if model else None, Path(draft) if draft else None, tuple(map(Path, others)))


def placing_of(argv: Sequence[str]) -> Placing:
    """Where the line wants its layers. A device that is still open (``${device}``) is nobody's choice."""
    found, switched = _read(argv)
    device = found.get("device", "")
    named = None if not device or "$" in device else tuple(name for name in device.split(",") if name != "none")
    return Placing(
        layers=_layers(found),
        devices=named,
        split=_proportions(found.get("split", "")),
        one=(_number(found.get("main")) or 0) if found.get("split-mode") == "none" else None,
        cache_on_gpu=switched.get("cache-on-gpu", True),
        in_ram=_kept(found, switched.get("cpu-moe", False)),
    )


def layers_asked(argv: Sequence[str]) -> int | None:
    """GPU layers that the line asks for: 0 for none, None where the engine may choose."""
    placing = placing_of(argv)
    return 0 if placing.devices == () else placing.layers


def _read(argv: Sequence[str]) -> tuple[dict[str, str], dict[str, bool]]:
    """Values and switches by our names. The engine takes ``_`` for ``-`` within long flags."""
    found: dict[str, str] = {}
    switched: dict[str, bool] = {}
    words = iter(argv)
    for word in words:
        flag = word.replace("_", "-") if word.startswith("--") else word
        if (name := _NAMES.get(flag)) is not None:
            found[name] = next(words, "")
        elif (state := _STATES.get(flag)) is not None:
            switched[state[0]] = state[1]
    return found, switched


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 12 else None


def _layers(found: dict[str, str]) -> int | None:
    """``auto`` means all of them where fitting is switched off."""
    text = found.get("layers", "auto")
    fits = found.get("fit", "on") not in ("off", "0", "false", "disabled")
    if text in ("all", "-2") or (text in ("auto", "-1") and not fits):
        return ALL_LAYERS
    return _number(text)


def _proportions(text: str) -> tuple[float, ...]:
    """``3,1`` (or ``3/1``); empty if it is not that."""
    try:
        found = tuple(float(part) for part in text.replace("/", ",").split(","))
    except ValueError:
        return ()
    return found if sum(found) > 0 and min(found) >= 0 and sum(found) < float("inf") else ()


def _kept(found: dict[str, str], all_experts: bool) -> tuple[str, ...]:
    patterns = [_EXPERTS] if all_experts else []
    if layers := min(_number(found.get("cpu-moe-layers")) or 0, 1024):
        patterns.append(rf"^blk\.({'|'.join(map(str, range(layers)))}){_EXPERTS}")
    for entry in found.get("override", "").split(","):
        pattern, _, place = entry.rpartition("=")
        if pattern and place.startswith("CPU"):
            patterns.append(pattern)
    return tuple(patterns)
