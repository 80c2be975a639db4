"""``swapd scan``: from a folder of files to a config that serves them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from swapd.cli.putting import put
from swapd.cli.scan import config as scan_config
from swapd.config import load
from tests.scan.playing import chat, gguf


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of this machine's, and nobody is root."""
    for name in ("LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(scan_config.os, "geteuid", lambda: 1000)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Three files."""
    folder = tmp_path / "my models"
    chat(folder / "Qwen3-4B-Q4_K_M.gguf", general__name="Qwen3 4B \x1b[31m", llama__context_length=262144)
    gguf(folder / "bge-m3-f16.gguf", "bert", bert__context_length=8192)
    gguf(folder / "bge-reranker-v2-m3-Q8_0.gguf", "bert", bert__context_length=512)
    return folder


def keys_of(path: Path) -> dict:
    return yaml.safe_load(path.read_text())["models"]


async def test_it_prints_a_config_that_can_be_used_as_it_is(swapd, models, tmp_path):
    done = await swapd("scan", str(models))
    assert done.exit_code == 0
    path = tmp_path / "swapd.yaml"
    path.write_text(done.stdout)
    loaded = load(path, os.environ)
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert loaded.catalog.default_model == "qwen3-4b"
    assert keys_of(path)["bge-reranker-v2-m3"] == {
        "path": str(models / "bge-reranker-v2-m3-Q8_0.gguf"),
        "reranking": True,
        "context": 512,
        "batch": 512,
    }
    assert "# Qwen3 4B \\x1b[31m, Q4_K_M, 0 MiB, chat\n" in done.stdout
    assert "context: 32768  # trained with 262144\n" in done.stdout
    assert "bge-m3              embedding" in done.stderr
    assert "3 models found among 3 files and folders" in done.stderr


async def test_a_first_config_is_made_where_it_is_looked_for(swapd, models, tmp_path):
    done = await swapd("scan", "--write", str(models))
    path = tmp_path / "home/.config/swapd/swapd.yaml"
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert f"wrote {path}: 3 models" in done.stderr
    assert "next: swapd serve, then" in done.stderr
    assert path.read_text().startswith("# yaml-language-server: $schema=./swapd.schema.json\n")
    assert json.loads((path.parent / "swapd.schema.json").read_text())["title"] == "swapd.yaml"
    assert {file.name for file in path.parent.iterdir()} == {"swapd.yaml", "swapd.schema.json"}
    assert (await swapd("check")).exit_code == 0


async def test_what_is_new_is_added_to_a_file_of_its_own_and_nothing_twice(swapd, models, tmp_path):
    path, scanned = tmp_path / "swapd.yaml", tmp_path / "models.d/scanned.yaml"
    mine = "models:  # mine\n  qwen3-4b: {path: my models/Qwen3-4B-Q4_K_M.gguf}\n  bge-m3: {url: 'http://x'}\n"
    path.write_text(mine)
    path.chmod(0o640)
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 0, done.stderr
    assert path.read_text() == mine + "\ninclude: [models.d/*.yaml]\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert keys_of(scanned).keys() == {"bge-m3-f16", "bge-reranker-v2-m3"}
    assert "the config has it already, as 'qwen3-4b'" in done.stderr
    assert "a running swapd has seen it already" in done.stderr

    before = scanned.read_text()
    again = await swapd("scan", "--write", str(models))
    assert "0 new models found" in again.stderr
    assert f"nothing new: {path} stays as it is" in again.stderr
    assert scanned.read_text() == before
    scanned.write_text(before + "  # a note\n")
    chat(models / "new.gguf")
    assert (await swapd("scan", "--write", str(models))).exit_code == 0
    assert scanned.read_text().startswith(before + "  # a note\n\n  # new, ")
    assert path.read_text().count("include") == 1
    loaded = load(path, os.environ)
    assert (loaded.problems, len(loaded.catalog.models)) == ((), 5)


async def test_an_include_that_does_not_cover_it_is_made_longer(swapd, models, tmp_path):
    (tmp_path / "models.d").mkdir()
    (tmp_path / "models.d/off.yaml").write_text("models: {off: {path: /x}}")
    (tmp_path / "extra.yaml").write_text("models: {x: {path: /x}}")
    path = tmp_path / "swapd.yaml"
    path.write_text("include: extra.yaml # one\n")
    assert (await swapd("scan", "--write", str(models))).exit_code == 0
    assert path.read_text() == "include: [extra.yaml, models.d/scanned.yaml] # one\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modles: {}\n", "cannot add to a config with problems"),
        (
            "{models: {}, log: {access: false}}\n",
            "swapd.yaml as it is written: write `include: [models.d/*.yaml]`",
        ),
        ("models: {}\ndefaults: {engine: vllm}\n", "cannot be started from a 'path'"),
    ],
)
async def test_a_config_that_cannot_be_added_to_is_left_as_it_was(swapd, models, tmp_path, text, told):
    path = tmp_path / "swapd.yaml"
    path.write_text(text)
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 2
    assert told in done.stderr
    assert path.read_text() == text
    assert not list(tmp_path.glob("models.d")) + list(tmp_path.glob(".swapd*"))


async def test_a_config_of_settings_alone_takes_models_too(swapd, models, tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text("budget: {ram: 1MiB}  # little\n")
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 0, done.stderr
    assert path.read_text() == "budget: {ram: 1MiB}  # little\n\ninclude: [models.d/*.yaml]\n"
    assert "never fits: it needs" in done.stderr
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {"swapd.yaml"}


@pytest.mark.parametrize("text", ["", "# soon\n", "---\n"])
async def test_a_file_in_which_nothing_stands_yet_takes_models_too(swapd, models, tmp_path, text):
    path = tmp_path / "swapd.yaml"
    path.write_text(text)
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 0, done.stderr
    assert path.read_text() == f"{text}\ninclude: [models.d/*.yaml]\n".lstrip("\n")
    loaded = load(path, os.environ)
    assert (loaded.problems, len(loaded.catalog.models)) == ((), 3)


async def test_defaults_do_not_make_a_chat_an_embedder(swapd, models, tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text("macros: {kind: f16}\ndefaults: {embeddings: true, args: [-ctk, '${kind}']}\nmodels: {}\n")
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 0, done.stderr
    loaded = load(path, os.environ)
    assert (loaded.problems, loaded.warnings) == ((), ())
    told = {name: spec.launch.argv for name, spec in loaded.catalog.models.items()}
    assert "--embeddings" not in told["qwen3-4b"] and "-ctk" in told["qwen3-4b"]
    assert "--embeddings" in told["bge-m3"]
    assert "--embeddings" not in told["bge-reranker-v2-m3"]


async def test_caches_are_searched_where_no_folder_is_named(swapd, tmp_path):
    home = tmp_path / "home"
    chat(home / ".lmstudio/models/owner/repo/lm-Q4_0.gguf")
    chat(home / ".cache/llama.cpp/owner_repo-GGUF_cpp-Q4_0.gguf")
    chat(home / ".cache/huggingface/hub/models--o--r/snapshots/1/hf-Q4_0.gguf")
    done = await swapd("scan", "--json")
    found = json.loads(done.stdout)
    assert {model["name"] for model in found["models"]} == {"lm", "cpp", "hf"}
    assert found["complete"] is True
    assert found["models"][0]["fits"] is True
    assert found["models"][0]["needs"]


async def test_where_nothing_is_found_it_says_what_to_do(swapd, tmp_path):
    (tmp_path / "no.gguf").write_text("<html>")
    done = await swapd("scan", str(tmp_path))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no.gguf: it is not a GGUF file" in done.stderr
    assert "0 models found among 1 file or folder\n" in done.stderr
    assert "no model was found that an engine could load" in done.stderr
    (tmp_path / "none").mkdir()
    done = await swapd("scan", str(tmp_path / "none"))
    assert "no model was found: name the folder" in done.stderr
    done = await swapd("scan", "nowhere")
    assert (done.exit_code, "no such folder" in done.stderr) == (1, True)


async def test_an_interrupt_tells_what_was_found_until_then(swapd, models, monkeypatch):
    facts_of = scan_config.facts_of

    def interrupting(path):
        if "reranker" in path.name:
            raise KeyboardInterrupt
        return facts_of(path)

    monkeypatch.setattr(scan_config, "facts_of", interrupting)
    done = await swapd("scan", str(models))
    assert done.exit_code == 130
    assert "not all was searched: it was interrupted" in done.stderr
    assert yaml.safe_load(done.stdout)["models"].keys() == {"qwen3-4b", "bge-m3"}


async def test_an_interrupt_before_anything_was_found_is_no_failure(swapd, models, monkeypatch):
    def interrupting(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(scan_config, "facts_of", interrupting)
    done = await swapd("scan", str(models))
    assert (done.exit_code, done.stdout, "no model was found" in done.stderr) == (130, "", False)


async def test_a_model_larger_than_the_budget_is_told_so(swapd, models, tmp_path):
    (tmp_path / "swapd.yaml").write_text("budget: {ram: 1MiB}\nmodels: {}\n")
    done = await swapd("scan", "--write", str(models))
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "models.d/scanned.yaml").read_text()
    assert "never fits: it needs" in text
    assert keys_of(tmp_path / "models.d/scanned.yaml")["qwen3-4b"]["context"] == 2048


async def test_the_context_is_the_largest_that_leaves_no_layer_in_main_memory(swapd, tmp_path):
    sizes = {"block_count": 32, "embedding_length": 4096, "attention.head_count": 32, "attention.head_count_kv": 8}
    keys = {f"llama.{key}": value for key, value in sizes.items()}  # 128 KiB of cache a token
    chat(tmp_path / "models/mid-Q4_K_M.gguf", **{**keys, "llama.context_length": 131072})
    (tmp_path / "swapd.yaml").write_text("budget: {CUDA0: 4GiB, ram: 6GiB}\nmodels: {}\n")
    assert (await swapd("scan", "--write", "models")).exit_code == 0
    text = (tmp_path / "models.d/scanned.yaml").read_text()
    assert "at context 16384: fits on CUDA0 alone\n" in text
    assert "context: 16384  # trained with 131072\n" in text


async def test_hostile_names_of_files_stay_what_they_are(swapd, tmp_path):
    hostile = ["a\x1b[2J\nmodels: {}.gguf", "b ${x}: #.gguf", "c\u202e'\".gguf", "-d-é.gguf"]
    for name in hostile:
        chat(tmp_path / "odd" / name, general__name="evil\n  x: y\x1b")
    chat(tmp_path / "odd/e.gguf").rename(tmp_path / "odd" / os.fsdecode(b"e\xff.gguf"))
    done = await swapd("scan", "odd")
    assert done.exit_code == 0
    assert "its name is not UTF-8" in done.stderr
    path = tmp_path / "swapd.yaml"
    path.write_text(done.stdout)
    loaded = load(path, os.environ)
    assert (loaded.problems, loaded.warnings) == ((), ())  # so each file is there
    assert len(loaded.catalog.models) == 4
    assert "\x1b" not in done.stdout + done.stderr


def test_a_file_is_put_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    put(path, "one", over=False)
    with pytest.raises(FileExistsError):
        put(path, "two", over=False)
    link = tmp_path / "link"
    link.symlink_to(path)
    put(link, "three", over=True)
    assert (path.read_text(), link.is_symlink(), len(list(tmp_path.iterdir()))) == ("three", True, 2)
