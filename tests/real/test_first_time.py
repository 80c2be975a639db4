"""From a folder with three files to the first answered chat: three commands, and no hand has edited anything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.processes import MARK, Running, marked
from tests.real.conftest import Binary, engine_file

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
SWAPD = (sys.executable, "-W", "error", "-m", "swapd")


@pytest.fixture
def newcomer(tmp_path: Path, tiny_models: Path, one_engine: Binary) -> dict[str, str]:
    """Somebody's environment: a folder of three models, a llama-server on PATH, and no config."""
    folder, tools = tmp_path / "models", tmp_path / "bin"
    folder.mkdir()
    tools.mkdir()
    for name in ("alpha", "embed", "rerank"):
        os.link(tiny_models / f"{name}.gguf", folder / f"tiny-{name}-F16.gguf")
    engine_file(tools, one_engine).rename(tools / "llama-server")
    return {
        "HOME": str(tmp_path),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SWAPD_CONFIG": str(tmp_path / ".config/swapd/swapd.yaml"),  # root's would be the machine's own
        MARK: uuid.uuid4().hex,
    }


@contextmanager
def served(environ: dict[str, str], cwd: Path) -> Iterator[Running]:
    """``swapd serve`` on a socket that is handed to it: the usual port may be somebody's."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        fd = door.fileno()
        script = f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        command = ["bash", "-c", script, "serve", *SWAPD, "serve"]
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=cwd,
            text=True,
            pass_fds=(fd,),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
    daemon = Running(Path(environ["SWAPD_CONFIG"]), process)
    try:
        yield daemon
    finally:
        daemon.close()
        assert marked(environ[MARK]) == []


def asked(url: str, body: dict[str, object]) -> dict[str, object]:
    """The answer to a POST."""
    question = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(question, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def scanned(environ: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """``swapd scan --write models``, which has to work."""
    words = [*SWAPD, "scan", "--write", "models"]
    done = subprocess.run(words, env=environ, cwd=cwd, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_three_commands_lead_to_the_first_chat(tmp_path, newcomer, tiny_models, capsys):
    began = time.monotonic()
    done = scanned(newcomer, tmp_path)
    assert "next: swapd serve" in done.stderr
    written = time.monotonic()
    models = yaml.safe_load(Path(newcomer["SWAPD_CONFIG"]).read_text())["models"]
    assert models.keys() == {"tiny-alpha", "tiny-embed", "tiny-rerank"}
    with served(newcomer, tmp_path) as daemon:
        url = daemon.url
        listening = time.monotonic()
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
        chat = asked(f"{url}/v1/chat/completions", {"model": "tiny-alpha", **body})
        answered = time.monotonic()
        assert "alpha" in chat["choices"][0]["message"]["content"]
        assert "alpha" in str(asked(f"{url}/v1/chat/completions", body))  # the default model
        assert asked(f"{url}/v1/embeddings", {"model": "tiny-embed", "input": "hi"})["data"]
        assert asked(f"{url}/v1/rerank", {"model": "tiny-rerank", "query": "hi", "documents": ["hi", "no"]})[
            "results"
        ]
    with capsys.disabled():
        print(
            f"\nfirst time: swapd scan --write {written - began:.2f} s, swapd serve listens after "
            f"{listening - written:.2f} s, first chat {answered - listening:.2f} s; all {answered - began:.2f} s"
        )
