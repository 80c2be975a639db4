"""A scan finds every model once, with all that belongs to it, and says what it leaves out."""

from __future__ import annotations

import os

import pytest

from swapd.scan.drafting import contexts, drafted, first_choice
from tests.scan.playing import chat, gguf, scan, told


def names(found):
    return [model.name for model in found.models]


def test_names_are_short_and_a_quantization_is_said_only_where_two_differ(tmp_path):
    chat(tmp_path / "Qwen3-Coder-30B-A3B-Q4_K_M.gguf")
    chat(tmp_path / "gemma-3-4b-it-Q8_0.gguf")
    chat(tmp_path / "gemma-3-4b-it-UD-Q4_K_XL.gguf")
    chat(tmp_path / "Phi 4/ggml-model-q4_0.gguf", general__name="Unnamed")
    chat(tmp_path / "ggml-org_SmolLM2-GGUF_SmolLM2-360M-Q8_0.gguf")
    chat(tmp_path / "Größe d'été 模型.gguf")
    found = scan(tmp_path, taken=frozenset({"smollm2-360m"}))
    assert sorted(names(found)) == [
        "gemma-3-4b-it-q8_0",
        "gemma-3-4b-it-ud-q4_k_xl",
        "gro-e-d-ete",
        "phi-4",
        "qwen3-coder-30b-a3b",
        "smollm2-360m-q8_0",
    ]


def test_the_same_files_have_the_same_names_again(tmp_path):
    for n in range(3):
        chat(tmp_path / str(n) / "same.gguf")
    first = scan(tmp_path)
    assert names(first) == ["same", "same-2", "same-3"]
    assert first.models == scan(tmp_path).models


def test_a_split_model_is_one_and_an_incomplete_one_is_told_once(tmp_path):
    for n in (1, 2, 3):
        chat(tmp_path / f"big-Q2_K-0000{n}-of-00003.gguf")
    for n in (2, 3):
        chat(tmp_path / f"half-0000{n}-of-00003.gguf")
    found = scan(tmp_path)
    (big,) = found.models
    assert (big.name, big.path.name) == ("big", "big-Q2_K-00001-of-00003.gguf")
    assert big.size == sum(path.stat().st_size for path in tmp_path.glob("big*"))
    assert told(found) == {"half-00002-of-00003.gguf": "2 of 3 parts are there: fetch the rest"}


def test_a_projector_goes_with_the_models_it_lies_beside(tmp_path):
    chat(tmp_path / "a/gemma-3-4b-it-Q4_K_M.gguf")
    chat(tmp_path / "a/gemma-3-4b-it-Q8_0.gguf")
    gguf(tmp_path / "a/mmproj-BF16.gguf", "clip")
    gguf(tmp_path / "a/mmproj-F16.gguf", "clip")
    chat(tmp_path / "b/llava-7b-Q4_0.gguf")
    chat(tmp_path / "b/qwen2-vl-2b-Q4_0.gguf")
    gguf(tmp_path / "b/mmproj-qwen2-vl-2b-f16.gguf", "clip")
    gguf(tmp_path / "b/eye.gguf", general__type="mmproj")
    gguf(tmp_path / "c/mmproj-lonely.gguf", "clip")
    found = scan(tmp_path)
    mated = {model.name: model.mmproj and model.mmproj.name for model in found.models}
    assert mated == {
        "gemma-3-4b-it-q4_k_m": "mmproj-F16.gguf",
        "gemma-3-4b-it-q8_0": "mmproj-F16.gguf",
        "llava-7b": None,
        "qwen2-vl-2b": "mmproj-qwen2-vl-2b-f16.gguf",
    }
    assert told(found) == {
        "mmproj-BF16.gguf": "the same projector as mmproj-F16.gguf, in another precision",
        "eye.gguf": "which of the 2 models beside it this projector is for is not clear",
        "mmproj-lonely.gguf": "a projector, and no model beside it that it is for",
    }


@pytest.mark.parametrize(
    ("arch", "file", "more", "kind"),
    [
        ("llama", "a", {}, "chat"),
        ("bert", "a", {}, "embedding"),
        ("nomic-bert", "a", {"nomic-bert.pooling_type": 1}, "embedding"),
        ("gemma-embedding", "a", {}, "embedding"),
        ("qwen3", "a", {"qwen3.pooling_type": 3}, "embedding"),
        ("qwen3", "Qwen3-Embedding-0.6B", {}, "embedding"),
        ("qwen3", "a", {"general.tags": ["sentence-similarity"]}, "embedding"),
        ("llama", "a", {"llama.attention.causal": False}, "embedding"),
        ("llama", "e5-mistral", {}, "embedding"),
        ("qwen3", "Qwen3-Reranker-0.6B", {}, "rerank"),
        ("bert", "a", {"bert.pooling_type": 4}, "rerank"),
        ("bert", "bge-reranker-v2-m3", {"bert.pooling_type": 2}, "rerank"),
        ("qwen3", "a", {"qwen3.classifier.output_labels": ["yes", "no"]}, "rerank"),
        ("qwen3", "zerank-2", {}, "rerank"),
        ("bert", "a", {"general.tags": ["text-ranking"]}, "rerank"),
        ("lfm2", "LFM2-ColBERT-350M", {}, "embedding"),
        ("llama", "bge_multilingual", {}, "embedding"),
        ("qwen2", "embedded-c-coder-7b", {}, "chat"),
    ],
)
def test_the_header_tells_what_a_model_is_good_for(tmp_path, arch, file, more, kind):
    gguf(tmp_path / f"{file}.gguf", arch, **more)
    (model,) = scan(tmp_path).models
    assert model.kind == kind


def test_a_reranker_without_a_head_is_told(tmp_path):
    gguf(tmp_path / "qwen3-reranker.gguf", "qwen3")
    gguf(tmp_path / "qwen3-reranker-good.gguf", "qwen3", **{"qwen3.pooling_type": 4})
    gguf(tmp_path / "bge-reranker.gguf", "bert")
    caveats = {model.name: model.caveat[:15] for model in scan(tmp_path).models}
    assert caveats == {"qwen3-reranker": "no ranking head", "qwen3-reranker-good": "", "bge-reranker": ""}


def test_slots_of_the_config_do_not_make_the_context_of_each_smaller(tmp_path):
    gguf(tmp_path / "bge.gguf", "bert", **{"bert.pooling_type": 2})
    (model,) = scan(tmp_path).models
    draft = drafted(model, 2048, (), {"defaults": {"parallel": 4}})
    assert (draft.keys["context"], draft.keys["batch"]) == (8192, 2048)
    assert draft.notes["context"] == "2048 for each slot, trained with 40960"
    assert drafted(model, 2048, (), {"defaults": {"parallel": "${n}"}}).keys["context"] == 2048


def test_an_engine_is_told_how_to_pool_where_the_file_does_not_say(tmp_path):
    gguf(tmp_path / "qwen3-embedding.gguf", "qwen3")
    gguf(tmp_path / "minilm.gguf", "bert")
    gguf(tmp_path / "nomic.gguf", "nomic-bert", **{"nomic-bert.pooling_type": 1})
    args = {model.name: drafted(model, 512).keys.get("args") for model in scan(tmp_path).models}
    assert args == {"qwen3-embedding": ["--pooling", "last"], "minilm": ["--pooling", "mean"], "nomic": None}


def test_what_is_no_model_is_left_out_and_told(tmp_path):
    gguf(tmp_path / "lora.gguf", general__type="adapter")
    gguf(tmp_path / "im.gguf", general__type="imatrix")
    gguf(tmp_path / "vocab.gguf", tensors=0)
    gguf(tmp_path / "flux.gguf", "flux")
    (tmp_path / "web.gguf").write_text("<html>not found</html>")
    (tmp_path / "empty.gguf").touch()
    good = chat(tmp_path / "whole.gguf")
    (tmp_path / "header.gguf").write_bytes(good.read_bytes()[:100])
    cut = chat(tmp_path / "cut.gguf", tensors=2)
    cut.write_bytes(cut.read_bytes()[:-100])
    (tmp_path / "gone.gguf").symlink_to("nowhere")
    (tmp_path / "${port}.gguf").write_bytes(good.read_bytes())
    found = scan(tmp_path)
    assert names(found) == ["whole"]
    wanted = {
        "lora.gguf": "a LoRA adapter", "im.gguf": "an importance matrix", "vocab.gguf": "a vocabulary",
        "flux.gguf": "it makes pictures", "web.gguf": "it is not a GGUF file",
        "empty.gguf": "it is empty",
        "header.gguf": "its header is cut short", "cut.gguf": "it is cut short", "gone.gguf": "it is a link to",
        "${port}.gguf": "its name holds what means something else",
    }  # fmt: skip
    assert told(found).keys() == wanted.keys()
    assert {file: why[: len(wanted[file])] for file, why in told(found).items()} == wanted


def test_a_file_with_several_names_is_one_model(tmp_path):
    real = chat(tmp_path / "a.gguf")
    os.link(real, tmp_path / "b.gguf")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.gguf").symlink_to(real)
    assert names(scan(tmp_path, tmp_path / "sub", real)) == ["a"]


def test_a_snapshot_of_hugging_face_is_named_by_the_path_that_people_can_read(tmp_path):
    repo = tmp_path / "hub/models--ggml-org--gemma-3-4b-it-GGUF"
    blob = chat(repo / "blobs/0123abcd")
    link = repo / "snapshots/5f1/gemma-3-4b-it-Q4_K_M.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    (model,) = scan(tmp_path / "hub").models
    assert (model.name, model.path) == ("gemma-3-4b-it", link)


def test_of_two_revisions_the_one_that_is_in_force_counts(tmp_path):
    repo = tmp_path / "models--o--r-GGUF"
    chat(repo / "snapshots/aaa/r-Q4_0.gguf")
    chat(repo / "snapshots/aaa/only-here-Q4_0.gguf")
    chat(repo / "snapshots/bbb/r-Q4_0.gguf")
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text("bbb\n")
    found = scan(tmp_path)
    assert {model.name: model.path.parent.name for model in found.models} == {"r": "bbb", "only-here": "aaa"}
    assert told(found) == {"r-Q4_0.gguf": "an older revision of a file that is there"}
    (repo / "refs/main").write_bytes(b"\xff\0")
    assert len(scan(tmp_path).models) == 3


def test_the_context_is_what_a_chat_needs_and_an_input_fits_one_batch(tmp_path):
    chat(tmp_path / "big-Q8_0.gguf", llama__context_length=262144)
    chat(tmp_path / "old.gguf", llama__context_length=4096)
    gguf(tmp_path / "embed.gguf", "bert", bert__context_length=512)
    big, embed, old = sorted(scan(tmp_path).models, key=lambda model: model.name)
    assert (contexts(big), contexts(old), contexts(embed)) == (
        [32768, 16384, 8192, 4096, 2048],
        [4096, 2048],
        [512],
    )
    draft = drafted(big, 16384)
    assert dict(draft.keys) == {"path": str(tmp_path / "big-Q8_0.gguf"), "context": 16384}
    assert draft.notes == {"context": "trained with 262144"}
    assert dict(drafted(embed, 512).keys)["embeddings"] is True
    by_name = {model.name: model for model in (big, old, embed)}
    assert first_choice(by_name, {"big": False, "old": True}) == "old"
    assert first_choice({"embed": embed}, {}) is None
