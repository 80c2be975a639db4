"""The KV cache of a llama.cpp model: the formula for its bytes.

Checked against the engine's own figures in eight settings (gemma-3-270m, b11434): sliding windows, unified
cache, several slots, KV types. Where a header leaves something open, the upper bound is taken.
"""

from __future__ import annotations

from swapd.machine.asked import Asked
from swapd.machine.gguf import SHORT, BadGguf, Header

MOST_LAYERS, MOST_HEADS, MOST_WIDTH, MOST_TOKENS = SHORT, 1 << 14, 1 << 20, 1 << 28
"""What a header may claim; the largest models known stay far below."""
_TYPE_BYTES = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32,
    "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
_FULL_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "llama4": 4, "exaone4": 4}
"""Every how many layers one sees the whole context, where the file does not say: llama.cpp has it in code."""
_STATE_BYTES = 4.0
"""Recurrent states are kept in f32."""


def layers_of(header: Header) -> int:
    """The model's blocks. Raises BadGguf if there are none."""
    layers = header.count("block_count", MOST_LAYERS)
    if not layers:
        raise BadGguf(f"cannot believe {header.path}: it has no layers (architecture {header.arch:.40})")
    return layers


def trained_context(header: Header) -> int:
    """Tokens that the model was trained for; 0 if the file does not say."""
    return header.count("context_length", MOST_TOKENS) or 0


def cache_bytes(header: Header, context: int, asked: Asked) -> int:
    """Bytes of the KV cache for ``context`` tokens in all; 0 for an encoder, which keeps none.

    Raises BadGguf for a header that cannot be true.
    """
    layers = layers_of(header)
    if header.get("attention.causal") is False:
        return 0
    heads = _heads(header, layers)
    # The last layers of some models look into the cache of earlier ones and have none.
    own = max(0, layers - (header.count("attention.shared_kv_layers", MOST_LAYERS) or 0))
    state = _state_bytes(header) * asked.slots
    found = 0.0
    for layer in range(own):
        if _is_recurrent(header, layer, heads[layer]):
            found += state
        else:
            found += _layer_bytes(header, layer, heads[layer], context, asked)
    return round(found)


def _layer_bytes(header: Header, layer: int, heads: int, context: int, asked: Asked) -> float:
    window = header.count("attention.sliding_window", MOST_TOKENS) or 0
    slides = bool(window) and not _sees_all(header, layer)
    cells = context
    if slides and not asked.whole_windows:
        streams = 1 if asked.unified else asked.slots
        sharing = asked.slots if asked.unified else 1
        cells = _padded(min(context // streams, window * sharing + asked.ubatch)) * streams
    key, value = _widths(header, slides)
    kinds = _TYPE_BYTES.get(asked.key_type, 2.0), _TYPE_BYTES.get(asked.value_type, 2.0)
    return cells * heads * (key * kinds[0] + value * kinds[1])


def _widths(header: Header, slides: bool) -> tuple[int, int]:
    """Numbers in the key and in the value of one head; layers that slide may have their own."""
    most = max(_listed(header, "attention.head_count") or [1])
    usual = (header.count("embedding_length", MOST_WIDTH) or 0) // max(1, most)

    def width(key: str) -> int:
        own = header.count(f"{key}_swa", MOST_WIDTH) if slides else None
        return own or header.count(key, MOST_WIDTH) or usual

    return width("attention.key_length"), width("attention.value_length")


def _heads(header: Header, layers: int) -> list[int]:
    """Key heads of each layer, whether the file says one number or many; without any, as many as heads."""
    found = _listed(header, "attention.head_count_kv") or _listed(header, "attention.head_count") or [0]
    return found * layers if len(found) == 1 else [*found, *[0] * layers]


def _listed(header: Header, key: str) -> list[int] | None:
    found = header.get(key)
    if not isinstance(found, list):
        one = header.count(key, MOST_HEADS)
        return None if one is None else [one]
    if not all(isinstance(entry, int) and 0 <= entry <= MOST_HEADS for entry in found):
        raise BadGguf(f"cannot believe {header.path}: its {key} is {found!r:.40}")
    return found


def _is_recurrent(header: Header, layer: int, heads: int) -> bool:
    """A hybrid model's layer that keeps a state of fixed size instead of a cache."""
    every = header.count("full_attention_interval", MOST_LAYERS)
    return heads == 0 or (bool(every) and (layer + 1) % (every or 1) != 0)


def _state_bytes(header: Header) -> float:
    """State of one recurrent layer for one slot: the convolution's window and the state itself."""
    inner, state, window, groups = (
        header.count(f"ssm.{key}", MOST_WIDTH) or 0
        for key in ("inner_size", "state_size", "conv_kernel", "group_count")
    )
    return _STATE_BYTES * (inner * state + max(0, window - 1) * (inner + 2 * groups * state))


def _sees_all(header: Header, layer: int) -> bool:
    pattern = header.get("attention.sliding_window_pattern")
    if isinstance(pattern, list):  # one flag a layer: whether it slides
        return not pattern[layer] if layer < len(pattern) else True
    every = header.count("attention.sliding_window_pattern", MOST_LAYERS) or _FULL_EVERY.get(header.arch)
    return not every or (layer + 1) % every == 0


def _padded(cells: int) -> int:
    return -(-cells // 256) * 256
