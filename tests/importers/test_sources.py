"""Presets, units, stores, and keys of llama-swap one by one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swapd.importers import options
from swapd.importers.ollama import Stored, imported
from swapd.importers.sheet import CannotImport, holds_secrets, left_out
from tests.importers.conftest import draft, model

CMD = "llama-server --port ${PORT} -m /x.gguf -np 1"


def swap(keys: str, more: str = "") -> str:
    return f"models:\n  one:\n    cmd: {CMD}\n    {keys}\n{more}"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("ttl: 0", {"ttl": "never"}),
        ("ttl: -1", {}),
        ("ttl: 90", {"ttl": "90s"}),
        ("unlisted: true", {"unlisted": True}),
        ("concurrencyLimit: 0", {}),
        ("checkEndpoint: health", {}),
        ("checkEndpoint: ready", {"health": "/ready"}),
        ("name: Nice", {"metadata": {"name": "Nice"}}),
        ("cmdStop: stop-it ${PID}", {}),
        ("cmdStop: stop-it ${PORT} ${MODEL_ID}", {"stop": "stop-it ${port} ${model}"}),
        ("filters: {stripParams: model}", {}),
        ("filters: {setParams: {a.b: 1, c: 2}}", {"request": {"set": {"c": 2}}}),
        ('aliases: [a, "b c", a]', {"aliases": ["a"]}),
        ("proxy: http://127.0.0.1:9999", {}),
    ],
)
def test_a_key_of_a_model(keys, found):
    known = dict(model(swap(keys)).keys)
    assert {key: known[key] for key in known.keys() - {"path", "parallel"}} == found


def test_macros_of_one_plain_word_stay_and_others_are_filled_in(good):
    macros = (
        "macros: {gguf: /srv, n: 8, file: '${gguf}/${n}.gguf', line: 'llama-server --port ${PORT}', unused: 1}"
    )
    made = draft(f"{macros}\nmodels: {{one: {{cmd: '${{line}} -m ${{file}} -c ${{n}} -np 1'}}}}")
    assert made.top["macros"] == {"gguf": "/srv", "n": 8, "file": "${gguf}/${n}.gguf"}
    assert made.models[0].keys["path"] == "${file}"
    argv = good(made).catalog.models["one"].launch.argv
    assert (argv[argv.index("-m") + 1], argv[argv.index("-c") + 1]) == ("/srv/8.gguf", "8")


def test_a_short_key_lets_nobody_in():
    made = draft(swap("ttl: 1", "apiKeys: [short]"))
    assert made.top["clients"] == {"client-1": {"key": "${env.SWAPD_CLIENT_KEY_1}"}}
    assert any("8 characters" in line for line in made.left)


@pytest.mark.parametrize(
    ("more", "secret"), [("apiKeys: [sk-12345678]", True), ('apiKeys: ["${env.A}"]', False), ("", False)]
)
def test_whether_keys_are_in_it_is_known(more, secret):
    assert holds_secrets(draft(swap("ttl: 1", more))) == secret


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("HF_TOKEN=hf_x llama-server -m /x.gguf", True),
        ("HF_TOKEN=$HF_TOKEN llama-server -m /x.gguf", False),
        ("llama-server -hf a/b -hft hf_x", True),
        ("docker run -e API_KEY=x -p 1:80 ollama/ollama", True),
        ("docker run -e API_KEY -p 1:80 ollama/ollama", False),
    ],
)
def test_tokens_in_commands_are_known_too(line, secret):
    assert holds_secrets(draft(line)) == secret


def test_a_preset_may_spell_an_option_in_every_way():
    text = "[*]\nngl = 1\nmmap = true\n[a]\nLLAMA_ARG_MODEL = /x.gguf\n--n-gpu-layers = 2\nno-mmap = 1\nnp = 1"
    assert model(text).keys == {"path": "/x.gguf", "gpu_layers": 2, "parallel": 1, "args": ["--no-mmap"]}


@pytest.mark.parametrize("text", ["[a]\nmodel\n", "[a\nmodel = x\n[b]\n", "[a]\n= x\n"])
def test_a_broken_preset_is_refused_with_its_line(text):
    with pytest.raises(CannotImport, match=r"line [12]"):
        draft(text, "preset")


ENDS = ("-h,", "--version", "-cl,", "--completion-bash", "--list-devices")
"""Flags that are about no model."""


def true_help() -> str:
    binary = shutil.which("llama-server-vulkan", path=str(Path(sys.executable).parent))
    if binary is None:
        pytest.skip("no true llama-server is installed")
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


def test_every_option_of_a_true_llama_server_is_known_by_all_of_its_names():
    """The table beside ``--help``: all names of an option are one, and it takes a value where help says so."""
    for entry in re.split(r"\n(?=-)", true_help()):
        head = re.match(r"((?:--?[A-Za-z][\w.-]*,?\s*)+)(\S*)", entry)
        if head is None or "has been removed" in entry or entry.startswith(("-----", *ENDS)):
            continue
        names = re.findall(r"(?<![\w-])--?[A-Za-z][\w.-]*", head[1])
        variables = [name for name in re.findall(r"\(env: (\w+)\)", entry) if name.startswith("LLAMA_ARG")]
        said = {options.told(options.option(name), "1")[0] for name in [*names, *variables]}
        assert len(said) == 1, (names, variables, said)
        written = options.words(said.pop(), "1")
        assert written[0] in names
        takes = re.match(r"[A-Z_]+\d?\b|[\[{<]|lo-hi|none,|MiB0", head[2]) and head[2] != "DEPRECATED"
        assert len(written) == (2 if takes else 1), names


def test_the_models_of_a_store_come_with_what_they_set(good):
    params = {"num_ctx": 8192, "temperature": 0.6, "stop": ["<|im_end|>"], "num_predict": 99, "num_keep": 4}
    made = imported(
        [
            Stored("qwen3:8b", "/o/blobs/sha256-a", texts={"params": json.dumps(params), "system": "Be nice"}),
            Stored("llava:latest", "/o/blobs/sha256-b", "/o/blobs/sha256-c", texts={"params": "{nonsense"}),
            Stored("nomic:latest", "/o/blobs/sha256-d", kind="embedding"),
        ],
        "/o",
    )
    models = good(made).catalog.models
    assert list(models) == ["qwen3:8b", "llava", "nomic"]
    assert models["qwen3:8b"].terms.service.edits.default == {
        "temperature": 0.6,
        "stop": ["<|im_end|>"],
        "max_tokens": 99,
    }
    assert made.models[0].keys["context"] == 8192
    assert made.models[1].keys["context"] == 4096
    assert made.models[1].keys["mmproj"] == "/o/blobs/sha256-c"
    assert made.models[2].keys == {"path": "/o/blobs/sha256-d", "embeddings": True}
    assert left_out(made) == 3
    with pytest.raises(CannotImport, match="no models"):
        imported([], "/o")


def test_a_config_of_our_own_is_not_imported():
    with pytest.raises(CannotImport, match="swapd already"):
        draft("models: {a: {path: /x.gguf}}")
