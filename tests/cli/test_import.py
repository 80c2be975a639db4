"""``swapd import``: files in, a config out, or a reason."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from swapd.cli import main
from swapd.cli.importing import KINDS
from swapd.cli.tiny_model import write_chat
from swapd.config import load
from swapd.importers import recognise

LINE = "llama-server -m /x.gguf -np 1 -c 512"
SWAP = """
apiKeys: [sk-of-the-first]
models: {x: {cmd: 'llama-server --port ${PORT} -m /x.gguf -np 1', typo: 1}}
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A file of llama-swap with a key in it."""
    path = tmp_path / "config.yaml"
    path.write_text(SWAP)
    return path


def run(*words: str, stdin: str = ""):
    return CliRunner().invoke(main, ["import", *words], input=stdin)


def test_a_pasted_command_goes_to_stdout_as_a_config(tmp_path):
    done = run("-", stdin=LINE)
    assert (done.exit_code, done.stderr) == (0, "1 model\n")
    path = tmp_path / "swapd.yaml"
    path.write_text(done.stdout)
    assert list(load(path, {}).catalog.models) == ["x"]


def test_what_was_left_out_is_counted(theirs):
    done = run(str(theirs))
    assert done.stderr == "1 model, 1 thing left out: see the lines with 'left out'\n"
    assert "# left out: 'typo': llama-swap has no such key" in done.stdout


def test_a_written_file_with_keys_is_for_its_owner_only(theirs, tmp_path):
    path = tmp_path / "new.yaml"
    done = run(str(theirs), "--write", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "only you may read" in done.stderr
    assert f"swapd check -c {path}" in done.stderr
    assert load(path, {}).settings.clients[0].key == "sk-of-the-first"


def test_a_written_file_without_keys_is_as_the_umask_says(tmp_path):
    path = tmp_path / "new.yaml"
    run("-", "--write", str(path), stdin=LINE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_nothing_is_written_over(theirs, tmp_path):
    path = tmp_path / "new.yaml"
    path.write_text("mine")
    done = run(str(theirs), "--write", str(path))
    assert (done.exit_code, path.read_text()) == (2, "mine")
    assert "it is there already" in done.stderr


def test_models_are_added_to_a_config_whose_comments_stay(tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text("# mine\nmodels:\n  a: {path: /a.gguf}  # first\n")
    assert run("-", "--add", str(path), stdin=LINE).exit_code == 0
    assert path.read_text().startswith("# mine\nmodels:\n  a: {path: /a.gguf}  # first\n")
    assert list(load(path, {}).catalog.models) == ["a", "x"]
    again = run("-", "--add", str(path), stdin=LINE)
    assert (again.exit_code, again.stderr) == (
        2,
        f"swapd: cannot add to {path}: 'x': the file has a model of that name; rename one of them\n",
    )


def test_keys_that_are_added_where_others_may_read_them_are_warned_of(theirs, tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text("models:\n  a: {path: /a.gguf}\ndefaults: {ttl: never}\n")
    path.chmod(0o644)
    done = run(str(theirs), "--add", str(path))
    assert (done.exit_code, "chmod 600" in done.stderr) == (0, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_a_config_still_lacks_is_told(tmp_path):
    path = tmp_path / "new.yaml"
    done = run("-", "--write", str(path), stdin="llama-server -m $NOBODY_SET_IT -np 1")
    assert "1 problem here, the first: the environment variable 'NOBODY_SET_IT' is not set" in done.stderr


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store as Ollama keeps it, by its documentation: a manifest in JSON, and blobs by their digest."""
    store = tmp_path / ".ollama" / "models"
    (store / "blobs").mkdir(parents=True)
    model = tmp_path / "model"
    write_chat(model, "x")
    layers = []
    for kind, data in (("model", model.read_bytes()), ("params", b'{"temperature": 0.5}'), ("system", b"Be nice")):
        digest = hashlib.sha256(data).hexdigest()
        (store / "blobs" / f"sha256-{digest}").write_bytes(data)
        layers.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}"})
    manifest = store / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": layers}))
    return store


@pytest.mark.parametrize("place", [".ollama/models", ".ollama", "."])
def test_a_store_of_ollama_is_found_and_carried_over(store, tmp_path, place):
    path = tmp_path / "new.yaml"
    done = run(str(tmp_path / place), "--write", str(path))
    assert done.exit_code == 0
    tiny = load(path, {}).catalog.models["tiny"]
    assert Path(tiny.launch.argv[tiny.launch.argv.index("-m") + 1]).parent == store / "blobs"
    assert tiny.terms.service.edits.default == {"temperature": 0.5}
    assert "Be nice" in path.read_text()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\x7fELF\0\0", "it is binary"),
        (b"caf\xe9", "it is not UTF-8"),
        ("models: {}".encode("utf-16"), "it is UTF-16"),
        (b"x" * (1 << 20) + b"y", "larger than 1 MiB"),
        (b"models: [", "line"),
        (b"models:\n  a: {cmd: '${b}'}\nmacros: {b: '${b}'}\n", "circle"),
        (b"echo hello", "no command in it"),
    ],
    ids=["empty", "binary", "encoding", "wide", "large", "broken", "circle", "script"],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(tmp_path, content, why):
    path = tmp_path / "file"
    path.write_bytes(content)
    done = run(str(path))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"swapd: cannot import {path}: ")
    assert why in done.stderr
    assert len(done.stderr) < 500


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("/no/such/file",), "No such file"),
        (("/dev/zero",), "it is no file"),
        ((".",), "no store of Ollama"),
        ((".", "--from", "compose"), "needs a file"),
        (("-", "--from", "ollama"), "needs a folder"),
    ],
)
def test_what_is_no_file_is_refused_with_the_reason(words, why):
    done = run(*words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert why in done.stderr


def test_the_verb_knows_the_kinds_that_there_are():
    assert KINDS == recognise.KINDS


def test_what_is_added_changes_no_model_that_was_there(theirs, tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text("models:\n  a: {path: /a.gguf}\ndefaults: {ttl: 3m}\n")
    theirs.write_text("globalTTL: 60\nmodels: {x: {cmd: 'llama-server --port ${PORT} -m /x.gguf -np 1'}}\n")
    assert run(str(theirs), "--add", str(path)).exit_code == 0
    models = load(path, {}).catalog.models
    assert [models[name].terms.stay.ttl for name in ("a", "x")] == [180.0, 60.0]


def test_models_of_ollamas_that_are_not_here_are_told(store, tmp_path):
    manifests = store / "manifests" / "registry.ollama.ai" / "library"
    for name, content in (("far", '{"layers": []}'), ("large", "[" * (2 << 20)), ("gone", None)):
        (manifests / name).mkdir()
        if content is None:
            os.mkfifo(manifests / name / "latest")
        else:
            (manifests / name / "latest").write_text(content)
    done = run(str(tmp_path))
    assert done.stderr == "1 model, 4 things left out: see the lines with 'left out'\n"
    assert all(word in done.stdout for word in ("cloud", "too large", "it is no file"))
