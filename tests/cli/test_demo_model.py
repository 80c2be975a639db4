"""Where the demo's model comes from."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from swapd.cli.demo import config as demo_config
from swapd.cli.demo import model as demo_model
from swapd.cli.demo.model import Brain, assemble, choose, places, smallest
from swapd.cli.failure import Failed
from swapd.config import load

NAMES = demo_config.NAMES
MIB = 1 << 20


def gguf(path: Path, size: int = 60 * MIB, architecture: str = "llama", magic: bytes = b"GGUF") -> Path:
    """A sparse file that begins as a GGUF file does."""
    key, value = b"general.architecture", architecture.encode()
    head = magic + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") * 2
    head += len(key).to_bytes(8, "little") + key + (8).to_bytes(4, "little")
    head += len(value).to_bytes(8, "little") + value
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An installed package with a model in three parts."""
    parts = [tmp_path / f"part{n}" for n in range(3)]
    for n, part in enumerate(parts):
        part.write_bytes(b"GGUF" + bytes([n]) * MIB)
    whole = b"".join(part.read_bytes() for part in parts)
    module = SimpleNamespace(
        MODEL_NAME="small.gguf",
        EXPECTED_SHA256=hashlib.sha256(whole).hexdigest(),
        chunk_paths=lambda: parts,
        whole=whole,
        parts=parts,
    )
    monkeypatch.setitem(sys.modules, demo_model.PACKAGE, module)
    monkeypatch.setattr(demo_model, "find_spec", lambda name: module)
    return module


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the demo's package."""
    monkeypatch.setattr(demo_model, "find_spec", lambda name: None)


def test_a_file_that_was_named_is_taken_by_all_three(tmp_path, pipe):
    named = gguf(tmp_path / "my.gguf", size=MIB)
    brain = choose(named, NAMES, tmp_path, pipe)
    assert brain.files == dict.fromkeys(NAMES, named)
    assert not brain.completes


def test_a_file_that_was_named_must_be_a_model(tmp_path, pipe):
    named = gguf(tmp_path / "my.gguf", magic=b"PK\x03\x04")
    with pytest.raises(Failed, match="not a GGUF file"):
        choose(named, NAMES, tmp_path, pipe)


def test_the_packaged_model_is_put_together_once(package, tmp_path, pipe):
    cache = Path.home() / ".cache" / "swapd"
    brain = choose(None, NAMES, tmp_path, pipe)
    assert brain.files == dict.fromkeys(NAMES, cache / "small.gguf")
    assert brain.completes
    assert (cache / "small.gguf").read_bytes() == package.whole
    assert [path.name for path in cache.iterdir()] == ["small.gguf"]
    assert pipe.shown == "putting the model together (3 MiB, once)\n"
    assert choose(None, NAMES, tmp_path, pipe) == brain
    assert pipe.shown.count("\n") == 1


def test_a_half_written_model_is_put_together_anew(package, tmp_path, pipe):
    (tmp_path / "small.gguf").write_bytes(package.whole[:-1])
    assert assemble(tmp_path, pipe).read_bytes() == package.whole


def test_a_wrong_checksum_leaves_no_file_and_the_search_goes_on(package, tmp_path, pipe):
    package.parts[1].write_bytes(b"GGUF" + b"x" * MIB)
    found = gguf(Path.home() / ".cache" / "llama.cpp" / "chat.gguf")
    brain = choose(None, NAMES, tmp_path, pipe)
    assert set(brain.files.values()) == {found}
    assert "cannot use the packaged model: its checksum is wrong" in pipe.shown
    assert list((Path.home() / ".cache" / "swapd").iterdir()) == []


def test_a_missing_part_is_told_and_the_search_goes_on(package, tmp_path, pipe):
    package.parts[2].unlink()
    assert choose(None, NAMES, tmp_path, pipe).files["red"] == tmp_path / "red.gguf"
    assert "cannot use the packaged model: " in pipe.shown
    assert "part2" in pipe.shown


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, ".cache/llama.cpp/chat.gguf"),
        ({}, ".cache/huggingface/hub/models--x/snapshots/0/chat.gguf"),
        ({}, ".lmstudio/models/org/x/chat.gguf"),
        ({}, ".cache/lm-studio/models/org/x/chat.gguf"),
        ({"LLAMA_CACHE": "elsewhere"}, "elsewhere/chat.gguf"),
        ({"HF_HOME": "hf"}, "hf/hub/x/chat.gguf"),
        ({"HF_HUB_CACHE": "hub"}, "hub/x/chat.gguf"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/llama.cpp/chat.gguf"),
    ],
)
def test_the_usual_caches_are_searched(environ, place):
    home = Path.home()
    found = gguf(home / place)
    assert smallest(places({name: str(home / folder) for name, folder in environ.items()})) == found


def test_the_smallest_file_that_can_chat_is_taken(tmp_path):
    gguf(tmp_path / "large.gguf", size=90 * MIB)
    small = gguf(tmp_path / "small.gguf", size=70 * MIB)
    for name in ("mmproj-f16", "nomic-embed-v1", "Qwen3-Reranker", "big-00001-of-00002"):
        gguf(tmp_path / f"{name}.gguf")
    gguf(tmp_path / "unnamed.gguf", architecture="nomic-bert")
    gguf(tmp_path / "html.gguf", magic=b"<htm")
    gguf(tmp_path / "vocab.gguf", size=MIB)
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.gguf").mkdir()
    assert smallest([tmp_path, tmp_path / "missing"]) == small
    assert smallest([tmp_path / "missing"]) is None


@pytest.mark.usefixtures("no_package")
def test_where_there_is_none_three_toys_are_written_and_that_is_said(tmp_path, pipe):
    brain = choose(None, NAMES, tmp_path, pipe)
    assert brain.files == {name: tmp_path / f"{name}.gguf" for name in NAMES}
    assert all(demo_model.is_gguf(path) for path in brain.files.values())
    assert "toys" in brain.origin


@pytest.mark.usefixtures("no_package")
def test_where_none_can_be_written_either_it_says_what_to_install(tmp_path, pipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "swapd.cli.tiny_model", None)
    with pytest.raises(Failed, match=r"pip install 'swapd\[demo\]'"):
        choose(None, NAMES, tmp_path, pipe)


@pytest.mark.parametrize("completes", [False, True])
def test_the_demos_config_is_good_whatever_the_path(tmp_path, completes):
    odd = gguf(tmp_path / 'it\'s "odd": #1.gguf', size=MIB)
    path = demo_config.write(tmp_path, Brain(dict.fromkeys(NAMES, odd), "", completes), 0)
    loaded = load(path, {"PATH": ""})
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert loaded.catalog is not None
    assert tuple(loaded.catalog.models) == NAMES
    assert loaded.catalog.budget == {"engines": 1}
    assert loaded.settings is not None
    assert loaded.settings.keepalive_comments is None  # a slow load must leave the tour its headers
    assert len({spec.launch for spec in loaded.catalog.models.values()}) == 3
    assert all(str(odd) in spec.launch.argv for spec in loaded.catalog.models.values())
    assert all(bool(spec.terms.service.edits) is completes for spec in loaded.catalog.models.values())
