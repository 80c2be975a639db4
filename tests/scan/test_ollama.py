"""Ollama's store gives its models under the names that Ollama gives them."""

from __future__ import annotations

from tests.scan.playing import Ollama, chat, gguf, scan, told


def test_models_have_ollamas_names_and_their_projectors(tmp_path):
    store = Ollama(tmp_path / "models")
    qwen, seeing = store.blob(chat(tmp_path / "q")), store.blob(chat(tmp_path / "v"))
    eye, lora = store.blob(gguf(tmp_path / "p", "clip")), store.blob(gguf(tmp_path / "l", general__type="adapter"))
    mine = store.blob(chat(tmp_path / "m"))
    store.tag("registry.ollama.ai/library/qwen3/8b", model=qwen)
    store.tag("registry.ollama.ai/library/gemma3/latest", model=seeing, projector=eye, template=eye)
    store.tag("hf.co/Somebody/Mine-GGUF/Q4_K_M", model=mine, adapter=lora)
    for found in (scan(stores=(tmp_path / "models",)), scan(tmp_path / "models"), scan(tmp_path)):
        by_name = {model.name: model for model in found.models}
        assert by_name.keys() == {"qwen3:8b", "gemma3", "mine-gguf:q4_k_m"}
        assert by_name["gemma3"].aliases == ("gemma3:latest",)
        assert by_name["gemma3"].mmproj == tmp_path / "models/blobs" / eye.replace(":", "-")
        assert by_name["qwen3:8b"].path == tmp_path / "models/blobs" / qwen.replace(":", "-")
        assert list(told(found).values()) == ["an adapter for hf.co/Somebody/Mine-GGUF:Q4_K_M: add it with 'lora'"]


def test_a_model_with_two_tags_is_one(tmp_path):
    store = Ollama(tmp_path)
    blob = store.blob(chat(tmp_path / "q"))
    store.tag("registry.ollama.ai/library/qwen3/8b", model=blob)
    store.tag("registry.ollama.ai/library/qwen3/latest", model=blob)
    found = scan(stores=(tmp_path,))
    assert [(model.name, model.aliases) for model in found.models] == [("qwen3:8b", ("qwen3", "qwen3:latest"))]
    assert told(found) == {}


def test_a_tag_with_words_of_its_own_is_no_alias(tmp_path):
    store = Ollama(tmp_path)
    blob, system = store.blob(chat(tmp_path / "q")), store.blob(gguf(tmp_path / "s"))
    store.tag("registry.ollama.ai/library/pirate/latest", model=blob, system=system)
    store.tag("registry.ollama.ai/library/qwen3/8b", model=blob)
    found = scan(stores=(tmp_path,))
    assert [(model.name, model.aliases) for model in found.models] == [("pirate", ("pirate:latest",))]
    assert list(told(found).values()) == ["'qwen3:8b' is a file that was found already"]


def test_damaged_manifests_lead_nowhere(tmp_path):
    store = Ollama(tmp_path)
    store.tag("registry.ollama.ai/library/evil/1", model="sha256:../../../../etc/passwd")
    store.tag("registry.ollama.ai/library/gone/1", model=f"sha256:{'0' * 64}")
    store.tag("registry.ollama.ai/library/cloud/1", template=f"sha256:{'0' * 64}")
    store.tag("registry.ollama.ai/library/bad/1").write_text("{")
    store.tag("registry.ollama.ai/library/deep/1").write_text("[" * 100_000)
    store.tag("registry.ollama.ai/library/odd/1").write_text('{"layers": [1]}')
    found = scan(stores=(tmp_path,))
    assert found.models == []
    assert len(found.left) == 6
