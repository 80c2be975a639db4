"""Models of a megabyte that behave, so that tests on real engines can check what they answer.

- chat: says " MARKER 1 2 3 ... COUNT", see ``swapd.cli.tiny_model``;
- embed: mean of the text's word pieces, so texts with the same words lie close;
- rerank: scores a document by the share of words that it has in common with the query;
- caller: thinks, speaks and calls a tool twice, whatever it is asked.

``python -m tests.tiny_gguf DIR`` writes the whole set.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from swapd.cli.tiny_model import Array, ModelFile, noise, signs, write_chat

CHATS = ("alpha", "beta", "gamma")
CONTEXT = 512
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


CALLER_SAYS = """<think>
hm
</think>

Let me.
<tool_call>
{"name": "look", "arguments": {"at": 1}}
</tool_call>
<tool_call>
{"name": "look", "arguments": {}}
</tool_call>"""
CALLER_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content or '' }}
{%- for call in m.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""What llama-server learns from it: how this model thinks, and how it calls tools."""


def write_set(folder: Path) -> Path:
    """alpha, beta, gamma (chat), embed and rerank, each as NAME.gguf. Returns the folder."""
    for seed, marker in enumerate(CHATS):
        write_chat(folder / f"{marker}.gguf", marker, seed=seed)
    write_embed(folder / "embed.gguf")
    write_rerank(folder / "rerank.gguf")
    return folder


def write_caller(folder: Path) -> tuple[Path, list[str]]:
    """Write a model that says what CALLER_SAYS is. Returns its path and the further flags of its engine."""
    path, template = folder / "caller.gguf", folder / "caller.jinja"
    write_chat(path, CALLER_SAYS, count=0)
    template.write_text(CALLER_TEMPLATE)
    return path, ["--jinja", "--chat-template-file", str(template)]


def write_embed(path: Path, dim: int = 64) -> None:
    """An embedding model: random vectors of word pieces, averaged; its one layer hardly adds a thing."""
    random = np.random.default_rng(0)
    file, tokens = _bert(path, "tiny-embed", dim, inner=4 * dim, layers=1, pooling=gguf.PoolingType.MEAN)
    file.half("token_embd.weight", signs(random, tokens, dim))
    _close(file, [_faint_layer(random, dim)], file.half, positions=np.zeros((CONTEXT, dim), np.float32))


def write_rerank(path: Path) -> None:
    """A reranking model, wired by hand.

    Beside the random vector of its piece a token carries its position. Layer 0 looks at all equal tokens and
    notes their mean position; where that is not the token's own, the token occurs twice: a hit. Layer 1 takes
    the mean of the hits, which the head spreads to scores from -6 to 6. (A word repeated in one text counts too.)
    """
    random = np.random.default_rng(0)
    file, tokens = _bert(path, "tiny-rerank", WIDTH, inner=2 * WIDTH, layers=2, pooling=gguf.PoolingType.RANK)
    vectors = np.zeros((tokens, WIDTH), np.float32)
    vectors[:, :PIECE] = [random.permutation(np.repeat([1.0, -1.0], PIECE // 2)) for _ in range(tokens)]
    file.exact("token_embd.weight", vectors)
    _score_head(file)
    positions = np.zeros((CONTEXT, WIDTH), np.float32)
    positions[:, POSITION] = np.linspace(0.0, 4.0, CONTEXT)
    positions[:, POSITION + 1] = -positions[:, POSITION]  # the mean stays 0, so that the norms only scale
    _close(file, [_find_equals(), _mean_of_hits()], file.exact, positions)


# What each feature of the reranker's residual stream means. One at the end is unused.
WIDTH = 96
PIECE = WIDTH - 6
POSITION, SEEN, HIT, SHARE = PIECE, PIECE + 2, PIECE + 3, PIECE + 4


@dataclass
class Layer:
    """The matrices of a bert layer, outputs in rows; of the biases only that of ``ffn_up`` is ever used."""

    attn_q: Array
    attn_k: Array
    attn_v: Array
    attn_output: Array
    ffn_up: Array
    ffn_down: Array
    up_bias: Array


def _empty_layer() -> Layer:
    """A layer of the reranker that adds nothing."""
    shapes = [(WIDTH, WIDTH)] * 4 + [(2 * WIDTH, WIDTH), (WIDTH, 2 * WIDTH), (2 * WIDTH,)]
    return Layer(*(np.zeros(shape, np.float32) for shape in shapes))


def _faint_layer(random: np.random.Generator, dim: int) -> Layer:
    """A layer of the embedder: computed like any other, and next to nothing."""
    square, up = noise(random, dim, dim), noise(random, 4 * dim, dim)
    output, down = noise(random, dim, dim, 0.02), noise(random, dim, 4 * dim, 0.02)
    return Layer(square, square, square, output, up, down, np.zeros(4 * dim, np.float32))


def _find_equals() -> Layer:
    """SEEN becomes the mean position of the equal tokens, HIT becomes 1 where that differs from POSITION."""
    layer = _empty_layer()
    for matrix in (layer.attn_q, layer.attn_k):
        matrix[:PIECE, :PIECE] = np.eye(PIECE) * 3.0  # sharp: unequal tokens get no attention
    _carry(layer, POSITION, SEEN)
    # The difference of two ramps is a step from 0 to 1; there is one step for each sign of SEEN - POSITION.
    gain, threshold, ramp = 4000.0, 20.0, 8.0
    for row, (sign, start) in enumerate([(1, 0.0), (1, ramp), (-1, 0.0), (-1, ramp)]):
        layer.ffn_up[row, SEEN], layer.ffn_up[row, POSITION] = sign * gain, -sign * gain
        layer.up_bias[row] = -threshold - start
        layer.ffn_down[HIT, row] = (-1 if start else 1) / ramp
    return layer


def _mean_of_hits() -> Layer:
    """SHARE becomes the mean of HIT: without queries and keys, everything gets the same attention."""
    layer = _empty_layer()
    _carry(layer, HIT, SHARE)
    return layer


def _carry(layer: Layer, source: int, target: int) -> None:
    """Let attention bring one feature of what it looks at into another."""
    layer.attn_v[0, source] = layer.attn_output[target, 0] = 1.0


def _score_head(file: ModelFile) -> None:
    take, score = np.zeros((WIDTH, WIDTH), np.float32), np.zeros((1, WIDTH), np.float32)
    take[0, SHARE], score[0, 0] = 1.0, 12.0
    file.exact("cls.weight", take)
    file.exact("cls.bias", np.zeros(WIDTH, np.float32))
    file.exact("cls.output.weight", score)
    file.exact("cls.output.bias", np.full(1, -6.0, np.float32))


def _bert(
    path: Path, name: str, dim: int, *, inner: int, layers: int, pooling: gguf.PoolingType
) -> tuple[ModelFile, int]:
    """A bert model's file with its metadata, and the number of its tokens."""
    texts = _pieces()
    file = ModelFile(path, "bert", name)
    file.shape(context=CONTEXT, width=dim, layers=layers, inner=inner, heads=1)
    file.facts.add_layer_norm_eps(1e-12)
    file.facts.add_causal_attention(False)
    file.facts.add_pooling_type(pooling)
    file.facts.add_tokenizer_model("bert")
    file.facts.add_tokenizer_pre("default")
    file.facts.add_token_list(texts)
    kind = gguf.TokenType
    kinds = [
        kind.UNKNOWN if text == "[UNK]" else kind.CONTROL if text in SPECIALS else kind.NORMAL for text in texts
    ]
    file.facts.add_token_types([int(kind) for kind in kinds])
    file.facts.add_token_type_count(2)
    file.facts.add_pad_token_id(0)
    file.facts.add_unk_token_id(1)
    file.facts.add_bos_token_id(2)
    file.facts.add_sep_token_id(3)
    file.facts.add_mask_token_id(4)
    return file, len(texts)


def _pieces() -> list[str]:
    """Single characters and pairs of letters, each at a word's start ("▁") and within one."""
    letters = string.ascii_lowercase
    pieces = [*letters, *string.digits, *string.punctuation]
    pieces += [first + second for first in letters + string.digits for second in letters]
    return [*SPECIALS, *(f"▁{piece}" for piece in pieces), *pieces]


def _close(file: ModelFile, layers: list[Layer], matrix: Callable[[str, Array], None], positions: Array) -> None:
    """Write the layers, with neutral norms and biases, and finish the file."""
    dim = positions.shape[1]
    for index, layer in enumerate(layers):
        block = f"blk.{index}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"):
            values = getattr(layer, name)
            matrix(f"{block}.{name}.weight", values)
            file.exact(
                f"{block}.{name}.bias", layer.up_bias if name == "ffn_up" else np.zeros(len(values), np.float32)
            )
        for norm in ("attn_output_norm", "layer_output_norm"):
            _neutral(file, f"{block}.{norm}", dim)
    _neutral(file, "token_embd_norm", dim)
    # In 16 bits these two abort llama.cpp.
    file.exact("position_embd.weight", positions)
    file.exact("token_types.weight", np.zeros((2, dim), np.float32))
    file.close()


def _neutral(file: ModelFile, norm: str, dim: int) -> None:
    file.exact(f"{norm}.weight", np.ones(dim, np.float32))
    file.exact(f"{norm}.bias", np.zeros(dim, np.float32))


if __name__ == "__main__":
    write_set(Path(sys.argv[1]))
