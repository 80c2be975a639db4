"""The estimate, against what the engine itself said of gemma-3-270m in eight settings (llama.cpp b11434)."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapd.machine.estimate import MARGIN_LEAST, estimate
from swapd.machine.gguf import BadGguf, Header
from swapd.machine.kv import asked_by, cache_bytes
from tests.tiny_gguf import write_set

GEMMA = Header(
    Path("gemma-3-270m"),
    0,
    236,
    {
        "general.architecture": "gemma3",
        "gemma3.context_length": 32768,
        "gemma3.block_count": 18,
        "gemma3.embedding_length": 640,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": 256,
        "gemma3.attention.value_length": 256,
        "gemma3.attention.sliding_window": 512,
    },
)


@pytest.mark.parametrize(
    ("flags", "mib"),
    [
        ("-c 2048 -np 1", 21),
        ("-c 8192 -np 1", 39),
        ("-c 32768 -np 1", 111),
        ("-c 32768 -np 1 --swa-full", 576),
        ("-c 8192 -np 4", 84),
        ("-c 8192 -np 4 -kvu", 61),
        ("", 133),
        ("-c 8192 -np 1 -ctk q8_0 -ctv q8_0", 20),
    ],
)
def test_the_cache_is_what_the_engine_said_to_the_megabyte(flags, mib):
    asked = asked_by(flags.split())
    assert cache_bytes(GEMMA, asked.context or 32768, asked) / 2**20 == pytest.approx(mib, abs=0.8)


def header(**values):
    base = {"block_count": 4, "embedding_length": 64, "attention.head_count": 4, "context_length": 1024}
    named = {f"new.{key}": value for key, value in (base | values).items()}
    return Header(Path("x"), 0, 0, {"general.architecture": "new", **named})


@pytest.mark.parametrize(
    ("values", "kib"),
    [
        ({}, 4 * 1024 * 4 * 32 * 2 / 1024),  # as many key heads as heads, each 16 wide
        ({"attention.head_count_kv": 1}, 4 * 1024 * 32 * 2 / 1024),
        ({"attention.head_count_kv": [1, 2, 0, 1]}, 4 * 1024 * 32 * 2 / 1024),
        ({"attention.sliding_window": 256}, 4 * 1024 * 4 * 32 * 2 / 1024),  # no pattern known: the upper bound
        ({"attention.sliding_window": 256, "attention.sliding_window_pattern": [True] * 3 + [False]}, None),
        ({"attention.causal": False}, 0),
    ],
)
def test_an_unknown_architecture_gets_the_upper_bound(values, kib):
    asked = asked_by(["-np", "1"])
    full = 4 * 1024 * 4 * 32 * 2 / 1024
    found = cache_bytes(header(**values), 1024, asked) / 1024
    assert found == (kib if kib is not None else full / 4 + 3 * full / 4 * 768 / 1024)


def test_the_sum_has_the_files_the_cache_and_a_margin(tmp_path):
    folder = write_set(tmp_path)
    model, other = folder / "alpha.gguf", folder / "beta.gguf"
    found = estimate(["x", "-m", str(model), "-c", "2048", "-np", "1", "--model-draft", str(other)])
    assert found.weights == model.stat().st_size + other.stat().st_size
    assert found.margin == MARGIN_LEAST
    assert found.total == found.weights + found.cache + found.margin
    assert "files" in str(found)
    assert "2048 tokens" in str(found)


def test_without_a_context_the_trained_one_counts(tmp_path):
    assert estimate(["x", "--model", str(write_set(tmp_path) / "alpha.gguf")]).context == 8192


def test_a_command_without_a_model_file_has_no_estimate():
    assert estimate(["docker", "run", "x"]) is None


def test_a_broken_file_is_told(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(bytes(100))
    with pytest.raises(BadGguf):
        estimate(["x", "-m", str(path)])
