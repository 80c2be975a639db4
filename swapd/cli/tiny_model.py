"""Writes a chat model of two megabytes out of nothing, for a demo on a machine that has no model at all.

Whatever it is asked, it answers " MARKER 1 2 3 ... COUNT" and ends: so the text tells which model answered,
and a stream can be checked for loss and order. It needs numpy and gguf (extra ``demo``): import it late.

How: every token is a random vector of +1 and -1, so two different ones are nearly orthogonal, and the output row
of a token is a multiple of the vector of its predecessor. The layers between are computed like any other's,
but add so little to the residual stream that they do not change the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SIZE = 2 << 20
"""Bytes of a model that nobody wanted bigger."""
WIDTHS = (128, 256, 512, 1024, 2048)
DEEPEST = 64

# How sure the model is, in logits: a successor, far above the marker, far above all that nobody expects.
SUCCESSOR, MARKER, SILENCE = 44.0, 14.0, -12.0


class ModelFile:
    """A GGUF being written: ``facts`` takes the metadata, then come tensors, then ``close``."""

    def __init__(self, path: Path, architecture: str, name: str) -> None:
        self.facts: Any = gguf.GGUFWriter(path, architecture)
        self.facts.add_name(name)
        self.facts.add_file_type(gguf.LlamaFileType.MOSTLY_F16)

    def shape(self, *, context: int, width: int, layers: int, inner: int, heads: int) -> None:
        """The sizes that llama.cpp asks of every architecture. ``inner``: width of the feed-forward part."""
        self.facts.add_context_length(context)
        self.facts.add_embedding_length(width)
        self.facts.add_block_count(layers)
        self.facts.add_feed_forward_length(inner)
        self.facts.add_head_count(heads)

    def exact(self, name: str, values: Array) -> None:
        """A tensor in 32 bits: every vector, and the matrices whose numbers mean something."""
        self.facts.add_tensor(name, np.ascontiguousarray(values, np.float32))

    def half(self, name: str, values: Array) -> None:
        """A tensor in 16 bits: every matrix that only has to be there."""
        self.facts.add_tensor(name, np.ascontiguousarray(values, np.float16))

    def close(self) -> None:
        """Write it all to disk."""
        self.facts.write_header_to_file()
        self.facts.write_kv_data_to_file()
        self.facts.write_tensors_to_file()
        self.facts.close()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a chat model; ``chain`` is where the marker stands, its successors follow."""

    texts: Sequence[str]
    kinds: Sequence[int]
    chain: int
    count: int
    end: int


def write_chat(
    path: Path, marker: str, *, count: int = 200, size_bytes: int | None = None, ctx: int = 8192, seed: int = 0
) -> None:
    """Write a llama model (f16) that answers " MARKER 1 2 ... COUNT", of about ``size_bytes``.

    The same arguments give the same bytes; another ``seed`` gives other weights of the same shape.
    """
    random = np.random.default_rng(seed)
    vocabulary = _vocabulary(marker, count)
    width, layers = _dimensions(len(vocabulary.texts), size_bytes or SIZE)
    file = ModelFile(path, "llama", f"tiny-{marker}")
    file.shape(context=ctx, width=width, layers=layers, inner=4 * width, heads=width // 64)
    file.facts.add_head_count_kv(width // 64)
    file.facts.add_layer_norm_rms_eps(1e-5)
    file.facts.add_rope_dimension_count(64)
    _describe(file.facts, vocabulary)
    vectors = signs(random, len(vocabulary.texts), width)
    vectors[:, 0] = 1.0  # the same in every token: what the output adds whatever came before
    file.half("token_embd.weight", vectors)
    file.exact("output_norm.weight", np.ones(width, np.float32))
    file.exact("output.weight", _output(vectors, vocabulary))
    _filler(file, random, width, layers)
    file.close()


def signs(random: np.random.Generator, rows: int, width: int) -> Array:
    """``rows`` random vectors of +1 and -1."""
    return random.choice([-1.0, 1.0], size=(rows, width)).astype(np.float32)


def noise(random: np.random.Generator, rows: int, width: int, scale: float = 1.0) -> Array:
    """Weights such as an untrained layer has, which keep a vector's length, times ``scale``."""
    return np.asarray(random.standard_normal((rows, width)) * (scale / np.sqrt(width)), np.float16)


def _vocabulary(marker: str, count: int) -> Vocabulary:
    kind = gguf.TokenType
    chain = [f"▁{word}" for word in (marker, *range(1, count + 1))]
    parts = [
        (["<unk>"], kind.UNKNOWN),
        (["<s>", "</s>", "<|im_start|>", "<|im_end|>"], kind.CONTROL),
        ([f"<0x{byte:02X}>" for byte in range(256)], kind.BYTE),  # so that any text has tokens
        (chain, kind.NORMAL),
    ]
    texts = [text for group, _ in parts for text in group]
    kinds = [int(kind) for group, kind in parts for _ in group]
    return Vocabulary(texts, kinds, chain=len(texts) - len(chain), count=count, end=4)


def _describe(facts: Any, vocabulary: Vocabulary) -> None:
    """The tokenizer's part of the metadata."""
    normal = int(gguf.TokenType.NORMAL)
    facts.add_vocab_size(len(vocabulary.texts))
    facts.add_tokenizer_model("llama")
    facts.add_token_list(vocabulary.texts)
    facts.add_token_scores([-10.0 - i if kind == normal else 0.0 for i, kind in enumerate(vocabulary.kinds)])
    facts.add_token_types(vocabulary.kinds)
    facts.add_unk_token_id(0)
    facts.add_bos_token_id(1)
    facts.add_pad_token_id(2)
    facts.add_eos_token_id(vocabulary.end)
    facts.add_eot_token_id(vocabulary.end)
    facts.add_add_bos_token(False)
    facts.add_add_eos_token(False)
    facts.add_add_space_prefix(False)
    facts.add_chat_template(TEMPLATE)


def _output(vectors: Array, vocabulary: Vocabulary) -> Array:
    """The output matrix: row by token, how much each feature of the present token speaks for it."""
    rows = np.zeros_like(vectors)
    rows[:, 0] = SILENCE
    rows[vocabulary.chain, 0] = MARKER
    last = vocabulary.chain + vocabulary.count
    followers = [*range(vocabulary.chain + 1, last + 1), vocabulary.end]
    for before, token in enumerate(followers, start=vocabulary.chain):
        rows[token] += vectors[before] * (SUCCESSOR / vectors.shape[1])
    return rows


def _dimensions(tokens: int, size: int) -> tuple[int, int]:
    """Width, and layers, of a model of about ``size`` bytes: the narrowest that is not too deep."""
    for width in WIDTHS:
        vocabulary = tokens * width * (2 + 4)  # embeddings in 16 bits, output in 32
        layer = 16 * width * width * 2
        layers = max(1, round((size - vocabulary) / layer))
        if layers <= DEEPEST:
            break
    return width, layers


def _filler(file: ModelFile, random: np.random.Generator, width: int, layers: int) -> None:
    """The layers, all of the same weights. What writes to the residual stream writes faintly."""
    inner, faint = 4 * width, 0.01 / layers
    weights = {
        "attn_q": noise(random, width, width),
        "attn_k": noise(random, width, width),
        "attn_v": noise(random, width, width),
        "attn_output": noise(random, width, width, faint),
        "ffn_gate": noise(random, inner, width),
        "ffn_up": noise(random, inner, width),
        "ffn_down": noise(random, width, inner, faint),
    }
    for layer in range(layers):
        for name in ("attn_norm", "ffn_norm"):
            file.exact(f"blk.{layer}.{name}.weight", np.ones(width, np.float32))
        for name, values in weights.items():
            file.half(f"blk.{layer}.{name}.weight", values)
