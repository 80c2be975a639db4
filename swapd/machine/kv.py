"""The KV cache of a llama.cpp model: what a command line asks for, and the formula for its bytes.

Checked against the engine's own figures in eight settings (gemma-3-270m, b11434): sliding windows, unified
cache, several slots, KV types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swapd.machine.gguf import Header

UBATCH = 512
"""llama.cpp's default physical batch."""
_TYPE_BYTES = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32,
    "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
_FULL_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "llama4": 4, "exaone4": 4}
"""Every how many layers one sees the whole context, where the file does not say: llama.cpp has it in code."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for that costs memory. ``context`` None is the trained one."""

    context: int | None
    slots: int
    unified: bool
    ubatch: int
    key_type: str
    value_type: str
    whole_windows: bool
    """``--swa-full``: sliding windows keep the whole context."""


def asked_by(argv: Sequence[str]) -> Asked:
    """Read a llama-server command line. A flag said twice counts the last time, as there."""
    found = {word: argv[n + 1] if n + 1 < len(argv) else "" for n, word in enumerate(argv)}

    def value(*flags: str) -> str | None:
        return next((found[flag] for flag in flags if flag in found), None)

    def number(*flags: str) -> int | None:
        text = value(*flags)
        return int(text) if text is not None and text.isdecimal() else None

    slots = number("-np", "--parallel")
    return Asked(
        context=number("-c", "--ctx-size") or None,
        slots=slots or 4,  # llama-server's own default is four, on one unified cache
        unified=slots is None or "-kvu" in found or "--kv-unified" in found,
        ubatch=number("-ub", "--ubatch-size") or UBATCH,
        key_type=value("-ctk", "--cache-type-k") or "f16",
        value_type=value("-ctv", "--cache-type-v") or "f16",
        whole_windows="--swa-full" in found,
    )


def cache_bytes(header: Header, context: int, asked: Asked) -> int:
    """Bytes of the KV cache for ``context`` tokens in all; 0 for an encoder, which keeps none."""
    layers = int(header.get("block_count") or 0)
    if header.get("attention.causal") is False:
        return 0
    widths = _widths(header, asked)
    kv_heads = _per_layer(header.get("attention.head_count_kv") or header.get("attention.head_count") or 0, layers)
    return round(sum(_cells(header, n, context, asked) * kv_heads[n] * widths for n in range(layers)))


def _widths(header: Header, asked: Asked) -> float:
    """Bytes of one key and one value of one head."""
    heads = max(_per_layer(header.get("attention.head_count") or 1, 1))
    usual = int(header.get("embedding_length") or 0) // max(1, heads)
    key = int(header.get("attention.key_length") or usual)
    value = int(header.get("attention.value_length") or usual)
    return key * _TYPE_BYTES.get(asked.key_type, 2.0) + value * _TYPE_BYTES.get(asked.value_type, 2.0)


def _cells(header: Header, layer: int, context: int, asked: Asked) -> int:
    """Tokens that a layer keeps, over all streams."""
    window = int(header.get("attention.sliding_window") or 0)
    if not window or asked.whole_windows or _sees_all(header, layer):
        return context
    streams = 1 if asked.unified else asked.slots
    sharing = asked.slots if asked.unified else 1
    return _padded(min(context // streams, window * sharing + asked.ubatch)) * streams


def _sees_all(header: Header, layer: int) -> bool:
    pattern = header.get("attention.sliding_window_pattern")
    if isinstance(pattern, list):  # one flag a layer: whether it slides
        return not pattern[layer] if layer < len(pattern) else True
    every = pattern or _FULL_EVERY.get(header.arch)
    return not every or (layer + 1) % int(every) == 0


def _per_layer(value: int | list[int], layers: int) -> list[int]:
    """A number for each layer, whether the file says one or many."""
    return [*value, *[0] * layers] if isinstance(value, list) else [value] * max(1, layers)


def _padded(cells: int) -> int:
    return -(-cells // 256) * 256
