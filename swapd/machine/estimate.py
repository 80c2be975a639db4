"""How much memory a llama.cpp model will take, told from its file's header before it was ever loaded.

Weights are the files themselves, the KV cache follows from the header; what computing takes besides cannot
be told from metadata and is covered by a margin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swapd.machine.asked import Asked, asked_by, files_of, placing_of
from swapd.machine.gguf import BadGguf, parts, read, size_of, tensor_sizes
from swapd.machine.kv import cache_bytes, layers_of, trained_context

MARGIN_SHARE, MARGIN_LEAST = 0.05, 256 << 20
"""For compute buffers: a share of the rest, and never less than so many bytes."""


@dataclass(frozen=True, slots=True)
class Split:
    """What follows the layers when a model is laid over devices: bytes, each a part of what Estimate counts.

    The rest (mmproj, LoRA, the draft model and its cache, the margin) follows no layer count.
    """

    layers: int
    """As llama.cpp counts them: the blocks, and one for the output."""
    weights: int
    cache: int
    in_ram: int
    """Weights that stay in RAM whatever their layer: experts, on ``--cpu-moe`` and its like."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, and their parts; ``str()`` says how they were found."""

    weights: int
    cache: int
    """Of the model and of its draft."""
    margin: int
    context: int
    """Tokens over all slots."""
    split: Split

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.margin

    def __str__(self) -> str:
        mib = 1 << 20
        return (
            f"{self.total / mib:.0f} MiB: files {self.weights / mib:.0f} + KV cache {self.cache / mib:.0f} "
            f"({self.context} tokens) + margin {self.margin / mib:.0f}"
        )


def estimate(argv: Sequence[str]) -> Estimate | None:
    """For a llama-server command line: its model, and what is loaded with it (mmproj, draft, LoRA).

    None if the line names no model file. Raises BadGguf and OSError.
    """
    files = files_of(argv)
    if files.model is None:
        return None
    header = read(files.model)
    asked = asked_by(argv)
    context = asked.context or trained_context(header)
    weights, cache = size_of(files.model), cache_bytes(header, context, asked)
    in_ram = min(weights, _held(files.model, placing_of(argv).in_ram))
    split = Split(layers_of(header) + 1, weights - in_ram, cache, in_ram)
    weights += sum(map(size_of, files.others))
    if files.draft is not None:
        weights += size_of(files.draft)
        cache += _draft_cache(files.draft, context, asked)
    margin = max(MARGIN_LEAST, int((weights + cache) * MARGIN_SHARE))
    return Estimate(weights, cache, margin, context, split)


def _draft_cache(draft: Path, context: int, asked: Asked) -> int:
    """A draft works on its model's context; its KV types are its own, taken as the default."""
    return cache_bytes(read(draft), context, replace(asked, key_type="f16", value_type="f16"))


def _held(model: Path, patterns: Sequence[str]) -> int:
    """Bytes of the tensors that the patterns keep in RAM."""
    if not patterns:
        return 0
    try:
        wanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    except re.error as error:
        raise BadGguf(
            f"cannot tell what stays in RAM: the pattern of --override-tensor is wrong: {error}"
        ) from error
    return sum(
        size for part in parts(model) for name, size in tensor_sizes(part).items() if wanted.search(name[:256])
    )
