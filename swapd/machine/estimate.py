"""How much memory a llama.cpp model will take, told from its file's header before it was ever loaded.

Weights are the files themselves, the KV cache follows from the header; what computing takes besides cannot
be told from metadata and is covered by a margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from swapd.machine.gguf import parts, read
from swapd.machine.kv import asked_by, cache_bytes

MARGIN_SHARE, MARGIN_LEAST = 0.05, 256 << 20
"""For compute buffers and a GPU context: a share of the rest, and never less than so many bytes."""
_OTHERS = {"--mmproj", "-mm", "--model-draft", "-md", "--spec-draft-model", "--lora"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, and their parts; ``str()`` says how they were found."""

    weights: int
    cache: int
    margin: int
    context: int

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
    model, others = _files(argv)
    if model is None:
        return None
    header = read(model)
    asked = asked_by(argv)
    weights = sum(part.stat().st_size for path in (model, *others) for part in parts(path))
    context = asked.context or int(header.get("context_length") or 0)
    cache = cache_bytes(header, context, asked)
    margin = max(MARGIN_LEAST, int((weights + cache) * MARGIN_SHARE))
    return Estimate(weights, cache, margin, context)


def _files(argv: Sequence[str]) -> tuple[Path | None, list[Path]]:
    model: Path | None = None
    others: list[Path] = []
    for flag, value in pairwise(argv):
        if flag in ("-m", "--model"):
            model = Path(value)
        elif flag in _OTHERS:
            others += [Path(name) for name in value.split(",")]
    return model, others
