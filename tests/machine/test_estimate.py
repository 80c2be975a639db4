"""The estimate, against what the engine itself said of gemma-3-270m in eight settings (llama.cpp b11434)."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapd.machine.asked import asked_by
from swapd.machine.estimate import MARGIN_LEAST, estimate
from swapd.machine.gguf import BadGguf, Header
from swapd.machine.kv import cache_bytes, layers_of
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


HUGE = 1 << 60


@pytest.mark.parametrize(
    "values",
    [
        {"block_count": HUGE},
        {"block_count": -3},
        {"block_count": 0},
        {"block_count": None},
        {"block_count": "four"},
        {"block_count": [4]},
        {"block_count": 4.0},
        {"embedding_length": HUGE},
        {"attention.head_count": HUGE},
        {"attention.head_count": [4, HUGE, 4, 4]},
        {"attention.head_count_kv": [1, -1, 1, 1]},
        {"attention.head_count_kv": ["1"]},
        {"attention.key_length": -64},
        {"attention.sliding_window": HUGE},
        {"full_attention_interval": -1, "attention.head_count_kv": 1},
        {"ssm.state_size": HUGE},
    ],
)
def test_a_header_that_cannot_be_true_is_refused_by_name(values):
    with pytest.raises(BadGguf, match="cannot believe x: "):
        cache_bytes(header(**values), 1024, asked_by([]))


def test_a_model_that_looks_at_a_window_in_some_layers_may_have_other_heads_there():
    sliding = {"attention.sliding_window": 256, "attention.sliding_window_pattern": [True, True, True, False]}
    asked = asked_by(["-np", "1", "--swa-full"])
    own = {"attention.key_length": 32, "attention.value_length": 32}
    swa = {"attention.key_length_swa": 8, "attention.value_length_swa": 8}
    assert cache_bytes(header(**sliding, **own, **swa), 1024, asked) == 1024 * 4 * 2 * (3 * 16 + 64)


def test_a_hybrid_model_keeps_a_cache_in_few_layers_and_a_small_state_in_the_rest():
    state = {"ssm.inner_size": 64, "ssm.state_size": 16, "ssm.conv_kernel": 4, "ssm.group_count": 2}
    found = cache_bytes(header(full_attention_interval=4, **state), 1024, asked_by(["-np", "2"]))
    assert found == 1024 * 4 * 32 * 2 + 3 * 2 * 4 * (64 * 16 + 3 * (64 + 2 * 2 * 16))


def test_layers_that_look_into_the_cache_of_others_have_none():
    asked = asked_by(["-np", "1"])
    assert (
        cache_bytes(header(**{"attention.shared_kv_layers": 2}), 1024, asked)
        == cache_bytes(header(), 1024, asked) / 2
    )


def test_layers_are_counted_with_the_output(tmp_path):
    model = write_set(tmp_path) / "alpha.gguf"
    assert estimate(["x", "-m", str(model)]).split.layers == 4
    assert layers_of(header()) == 4


def test_the_last_of_two_spellings_counts_and_underscores_are_dashes():
    assert asked_by(["-c", "100", "--ctx-size", "200"]).context == 200
    assert asked_by(["--ctx-size", "200", "-c", "100"]).context == 100
    assert asked_by(["--ctx_size", "300"]).context == 300
    assert asked_by(["--ctx-size=300"]).context is None  # the engine does not take it either


def test_a_word_behind_a_flag_is_its_value_and_not_a_flag():
    assert asked_by(["--cache-type-k", "-c", "7"]).context is None


def test_a_unified_cache_can_be_refused():
    assert asked_by([]).unified
    assert not asked_by(["-no-kvu"]).unified
    assert not asked_by(["-np", "2"]).unified
    assert asked_by(["-np", "-1"]).unified


def test_everything_that_is_loaded_beside_is_weighed(tmp_path):
    folder = write_set(tmp_path)
    alpha, beta, gamma = (folder / f"{name}.gguf" for name in ("alpha", "beta", "gamma"))
    line = ["x", "-m", str(alpha), "-c", "2048", "-np", "1"]
    alone = estimate(line)
    full = estimate(
        [*line, "-mm", str(beta), "--lora", f"{beta},{gamma}", "--lora-scaled", f"{gamma}:0.5", "-md", str(gamma)]
    )
    assert full.weights == alpha.stat().st_size + 2 * beta.stat().st_size + 3 * gamma.stat().st_size
    assert full.cache == 2 * alone.cache  # the draft keeps its own
    assert full.split == alone.split


def test_a_missing_part_is_told_and_not_taken_for_a_missing_model(tmp_path):
    folder = write_set(tmp_path)
    first = tmp_path / "m-00001-of-00002.gguf"
    (folder / "alpha.gguf").rename(first)
    with pytest.raises(BadGguf, match=r"m-00002-of-00002\.gguf"):
        estimate(["x", "-m", str(first)])
