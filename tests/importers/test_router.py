"""A preset file, read by a true llama-server and by us."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.importers.conftest import draft, flags

ODD_PRESET = """version = 1
[*]
c = 512 ; for all
n-gpu-layers = 0# none
[one]
model = /m/one.gguf
chat-template-kwargs = {"a": "b"}
no-mmap = true
flash-attn=on   # so
LLAMA_ARG_N_PARALLEL = 2
[two]
m = /m/100%%25.gguf
[two]
m = /m/a b.gguf
LLAMA_ARG_CTX_SIZE = 77
mmap = 0
"""


def test_a_true_llama_server_reads_a_preset_as_it_is_imported(tmp_path, good):
    """The router's own word for each model's flags, beside ours; it loads none of them."""
    path = tmp_path / "presets.ini"
    path.write_text(ODD_PRESET)
    theirs = router_args(path)
    made = good(draft(ODD_PRESET, "preset")).catalog.models
    assert theirs.keys() == made.keys()
    for name, args in theirs.items():
        said, ours = flags(args[1:]), flags(made[name].launch.argv[1:])
        assert {flag: ours.get(flag) for flag in said if flag not in ("--host", "--port", "-a")} == {
            flag: value for flag, value in said.items() if flag not in ("--host", "--port", "-a")
        }


def router_args(preset: Path) -> dict[str, list[str]]:
    """Model -> the words that the router would start it with."""
    binary = shutil.which("llama-server-vulkan", path=str(Path(sys.executable).parent))
    if binary is None:
        pytest.skip("no true llama-server is installed")
    port = free_port()
    url = f"http://127.0.0.1:{port}/models"
    words = [binary, "--models-preset", str(preset), "--port", str(port), "--no-models-autoload"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:
                    found = {each["id"]: each["status"]["args"] for each in json.load(answer)["data"]}
                    return {name: args for name, args in found.items() if name in ("one", "two")}
                time.sleep(0.05)
        finally:
            process.terminate()
    raise AssertionError("the router does not answer")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
