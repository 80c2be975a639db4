"""The header walk: quick on a large vocabulary, unimpressed by files that lie."""

from __future__ import annotations

import struct
import time

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.machine.estimate import estimate
from swapd.machine.gguf import FIRST_BYTES, MOST_BYTES, BadGguf, parts, read, size_of, tensor_sizes
from tests.tiny_gguf import write_set


def write(path, **values):
    """A GGUF with a header and no tensors."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in values.items():
        key = f"llama.{name}"
        if isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_uint32(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_what_a_writer_wrote_is_read(tmp_path):
    header = read(write(tmp_path / "x.gguf", block_count=3, head_counts=[4, 8, 4]))
    assert header.arch == "llama"
    assert header.get("block_count") == 3
    assert header.get("head_counts") == [4, 8, 4]
    assert header.get("nothing") is None
    assert header.size == (tmp_path / "x.gguf").stat().st_size


def test_the_tiny_models_are_read(tmp_path):
    folder = write_set(tmp_path)
    assert {read(path).arch for path in folder.glob("*.gguf")} == {"llama", "bert"}
    assert read(folder / "alpha.gguf").tensors > 10


def test_a_large_vocabulary_is_stepped_over_and_not_kept(tmp_path):
    path = write(tmp_path / "x.gguf", tokens=[f"token {n}" for n in range(262_144)], block_count=7)
    begun = time.process_time()
    header = read(path)
    assert time.process_time() - begun < 2  # a reader that decodes them takes 16
    assert header.get("tokens") is None
    assert header.get("block_count") == 7


@pytest.mark.parametrize("keep", [0, 3, 10, 23, 24, 40, 60])
def test_a_file_cut_short_is_named(tmp_path, keep):
    path = write(tmp_path / "x.gguf", block_count=3, tokens=["a"] * 2000)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadGguf, match="cut short" if keep else "it is empty"):
        read(path)


def test_another_kind_of_file_is_named(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(BadGguf, match="not a GGUF file"):
        read(path)


@pytest.mark.parametrize(
    ("version", "tensors", "pairs", "word"),
    [(1, 0, 0, "version 1"), (3, 0, 1 << 60, "claims"), (3, 1 << 60, 0, "claims"), (3, 0, 5, "cut short")],
)
def test_a_header_that_lies_is_not_believed(tmp_path, version, tensors, pairs, word):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + bytes(4))
    with pytest.raises(BadGguf, match=word):
        read(path)


@pytest.mark.parametrize("count", [1 << 62, (1 << 64) - 8])
@pytest.mark.parametrize("kind", [4, 8])
def test_an_array_that_claims_to_be_endless_is_cut_short(tmp_path, kind, count):
    path = tmp_path / "x.gguf"
    pair = struct.pack("<Q1sIIQ", 1, b"k", 9, kind, count)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair + bytes(64))
    with pytest.raises(BadGguf, match="cut short"):
        read(path)


@pytest.mark.parametrize(
    "pair", [struct.pack("<Q1sI", 1, b"k", 77), struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 1 << 20)]
)
def test_a_value_of_no_known_type_is_named(tmp_path, pair):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair + bytes(64))
    with pytest.raises(BadGguf, match=r"is not known|an array of arrays"):
        read(path)


def test_arrays_within_arrays_do_not_go_on_for_ever(tmp_path):
    path = tmp_path / "x.gguf"
    nested = struct.pack("<IQ", 9, 1) * 5000
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sI", 1, b"k", 9) + nested)
    with pytest.raises(BadGguf):
        read(path)


def test_a_split_model_is_all_of_its_parts(tmp_path):
    second = tmp_path / "m-00002-of-00003.gguf"
    assert [path.name for path in parts(second)] == [f"m-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert parts(tmp_path / "m.gguf") == [tmp_path / "m.gguf"]
    strange = tmp_path / "m-00004-of-00003.gguf"
    assert parts(strange) == [strange]


def test_a_part_that_is_missing_is_named_at_once(tmp_path):
    for number in (1, 2):
        (tmp_path / f"m-0000{number}-of-99999.gguf").write_bytes(bytes(10))
    begun = time.process_time()
    with pytest.raises(BadGguf, match=r"m-00003-of-99999\.gguf, one of its 99999 parts, is missing"):
        size_of(tmp_path / "m-00001-of-99999.gguf")
    assert time.process_time() - begun < 1


def test_all_parts_are_weighed(tmp_path):
    for number in (1, 2):
        (tmp_path / f"m-0000{number}-of-00002.gguf").write_bytes(bytes(10 * number))
    assert size_of(tmp_path / "m-00001-of-00002.gguf") == 30


def test_a_header_larger_than_the_first_look_is_read(tmp_path):
    path = write(tmp_path / "x.gguf", tokens=["t" * 2000] * (FIRST_BYTES // 1900), block_count=7)
    assert path.stat().st_size > FIRST_BYTES
    assert read(path).get("block_count") == 7


@pytest.mark.parametrize("claim", [struct.pack("<IQ", 8, 1 << 50), struct.pack("<IQ", 0, MOST_BYTES * 2)])
def test_no_more_of_a_huge_file_is_read_than_any_header_takes(tmp_path, claim):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sI", 1, b"k", 9) + claim)
    with path.open("r+b") as file:
        file.truncate(1 << 34)  # a hole: zeros without end, each a string of length 0
    begun = time.process_time()
    with pytest.raises(BadGguf, match="larger than 64 MiB"):
        read(path)
    assert time.process_time() - begun < 20


def test_what_is_not_a_file_is_named(tmp_path):
    with pytest.raises(BadGguf, match="it is not a file"):
        read(tmp_path)


def test_the_tensors_fill_the_file(tmp_path):
    path = write_set(tmp_path) / "alpha.gguf"
    sizes = tensor_sizes(path)
    assert len(sizes) == read(path).tensors
    assert sizes["blk.0.ffn_up.weight"] == 128 * 512 * 2
    assert 0.9 * path.stat().st_size < sum(sizes.values()) <= path.stat().st_size


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A true model's whole header, how much of it is metadata worth lying about, and where to write mutants."""
    folder = tmp_path_factory.mktemp("mutants")
    whole = (write_set(folder) / "alpha.gguf").read_bytes()[: 64 << 10]
    return whole, whole.index(b"tokenizer.ggml.tokens"), folder / "mutant.gguf"


HOSTILE = [bytes(8), b"\xff" * 8, struct.pack("<Q", 1 << 60), struct.pack("<q", -1), struct.pack("<I", 9), b"\x08"]


def test_the_header_that_is_mutated_is_good_as_it_is(tiny):
    whole, _, path = tiny
    path.write_bytes(whole)
    assert estimate(["x", "-m", str(path), "--cpu-moe"]).split.layers == 4


@settings(max_examples=300, deadline=2000)
@given(data=st.data())
def test_no_mutation_of_a_header_hangs_or_raises_anything_else(tiny, data):
    whole, metadata, path = tiny
    mutant = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, metadata) | st.integers(0, len(whole)))
        some = data.draw(st.sampled_from(HOSTILE) | st.binary(max_size=8))
        mutant[at : at + data.draw(st.sampled_from([len(some), len(some), 0, 40]))] = some
    path.write_bytes(mutant)
    try:
        found = estimate(["x", "-m", str(path), "--cpu-moe"])
    except (BadGguf, OSError):
        return
    assert found.total >= found.margin > 0
