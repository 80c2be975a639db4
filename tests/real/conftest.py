"""True engines as child processes, and the tiny models that they load."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from swapd.cli.tiny_model import write_chat
from tests.forking import Forker
from tests.older_llama import older
from tests.processes import Running, daemons
from tests.tiny_gguf import write_caller, write_set

ROOT = Path(__file__).parent.parent.parent
FRONT = (sys.executable, "-W", "error", "-m", "swapd.engines.llama_server")

KEY, HURRIED = "sk-of-the-desk", "sk-once-an-hour"

ONE_THREAD = ("--threads", "1")
"""Two that wait for each other on busy cores, spinning, need ten times as long for a word."""

Binary = tuple[str, ...]
"""The first words of an engine's command line."""


class Engine:
    """A running engine: where it answers, what it says, how it ends."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._output = output

    def said(self) -> str:
        """All it wrote so far, on both streams."""
        return self._output.read_text(errors="replace")

    def health(self) -> int | None:
        """The status of ``/health``; None while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code
        except OSError:
            return None

    def watch(self, until: int, bound: float = 20.0) -> list[int | None]:
        """The health as it changes, up to the status ``until``."""
        seen: list[int | None] = []
        deadline = time.monotonic() + bound
        while until not in seen:
            assert self.process.poll() is None and time.monotonic() < deadline, f"{seen}\n{self.said()}"
            if (status := self.health()) not in seen[-1:]:
                seen.append(status)
            time.sleep(0.005)
        return seen

    def client(self) -> openai.OpenAI:
        """The real client, without the retries that would hide a fault."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=20)

    def ends(self, bound: float = 5.0) -> tuple[int, float]:
        """Its exit code, and the seconds until then."""
        begun = time.monotonic()
        code: int = self.process.wait(bound)
        return code, time.monotonic() - begun

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Signal it; its exit code, and the seconds that it took."""
        self.process.send_signal(number)
        return self.ends()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


StartEngine = Callable[..., AbstractContextManager[Engine]]


@pytest.fixture(scope="session")
def start_engine() -> StartEngine:
    """``with start_engine(binary, *args) as engine``: it listens on a port of its own; nothing of it is left."""

    @contextmanager
    def start(binary: Binary, *args: str | Path, port: int | None = None) -> Iterator[Engine]:
        port = port or free_port()
        where = ["--host", "127.0.0.1", "--port", str(port)]
        command = [*binary, *where, *ONE_THREAD, *map(str, args)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_")}
        with tempfile.NamedTemporaryFile() as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=ROOT, env=environ, start_new_session=True
            )
            try:
                yield Engine(process, port, Path(output.name))
            finally:
                process.kill()
                process.wait()
                with pytest.raises(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    return start


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with alpha, beta, gamma, embed and rerank (.gguf)."""
    return write_set(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model that takes a while to load and many seconds to count to its end."""
    path = tmp_path_factory.mktemp("slow") / "slow.gguf"
    write_chat(path, "slow", count=4000, size_bytes=192 << 20)
    return path


def true_llama_server(tiny_models: Path, start_engine: StartEngine) -> Binary | str:
    """The true llama-server that is installed, else an older build for this CPU; or why there is none."""
    binary = shutil.which("llama-server-vulkan", path=str(Path(sys.executable).parent))
    if binary is None:
        return "no true llama-server is installed"
    if not _runs(binary, tiny_models, start_engine):
        try:
            binary = older()
        except OSError as error:
            return f"the true llama-server was built for another CPU; {error}"
        assert _runs(binary, tiny_models, start_engine)
    return (binary,)


def _runs(binary: str, tiny_models: Path, start_engine: StartEngine) -> bool:
    """Whether it was built for this CPU."""
    with start_engine((binary,), "-m", tiny_models / "alpha.gguf") as engine:
        try:
            engine.watch(until=200)
        except AssertionError:
            if engine.process.poll() == -signal.SIGILL:
                return False
            raise
    return True


@pytest.fixture(scope="session", params=["xllamacpp", "llama-server"])
def engine_binaries(request: pytest.FixtureRequest, tiny_models: Path, start_engine: StartEngine) -> Binary:
    """Our front over xllamacpp, and the true llama-server where there is one that runs on this machine."""
    if request.param == "xllamacpp":
        return FRONT
    found = true_llama_server(tiny_models, start_engine)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def one_engine(tiny_models: Path, start_engine: StartEngine) -> Binary:
    """The true llama-server, or our front where there is none: for what is not about the engine."""
    found = true_llama_server(tiny_models, start_engine)
    return FRONT if isinstance(found, str) else found


def engine_file(folder: Path, binary: Binary) -> Path:
    """A file that runs the engine, as ``binary`` in a config wants it."""
    path = folder / "engine"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(binary)} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def serve(
    start: Callable[..., Running],
    engine_binaries: tuple[str, ...],
    tiny_models: Path,
    tmp_path: Path,
) -> Callable[..., Running]:
    """``serve(budget)``: a daemon over both kinds of engine, with chat, embedding and rerank models."""
    binary = engine_file(tmp_path, engine_binaries)

    def running(budget: str = "{engines: 1}", **models: str) -> Running:
        more = "".join(f"  {name}: {{{keys}}}\n" for name, keys in models.items())
        return start(f"""
listen: 127.0.0.1:0
budget: {budget}
scheduling: {{linger: 0s, patience: 1s}}
macros: {{gguf: "{tiny_models}"}}
defaults: {{binary: "{binary}", threads: 1, context: 2048, env: {{PYTHONPATH: "{Path.cwd()}"}}}}
models:
  alpha: {{path: "${{gguf}}/alpha.gguf", aliases: [gpt-4o], parallel: 2}}
  beta: {{path: "${{gguf}}/beta.gguf", socket: unix}}
  embed: {{path: "${{gguf}}/embed.gguf", embeddings: true, context: 512}}
  rerank: {{path: "${{gguf}}/rerank.gguf", reranking: true, context: 512}}
{more}""")

    return running


@pytest.fixture(scope="module")
def box(
    forker: Forker, one_engine: Binary, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Running]]:
    """``box(budget_models_and_more)``: a daemon for all tests of a module, with one kind of engine."""
    folder = tmp_path_factory.mktemp("box")
    binary = engine_file(folder, one_engine)
    with daemons(folder, forker.start) as start:
        yield lambda config: start(f"""
listen: 127.0.0.1:0
scheduling: {{linger: 0s, patience: 1s}}
macros: {{gguf: "{tiny_models}"}}
defaults: {{binary: "{binary}", threads: 1, context: 2048, env: {{PYTHONPATH: "{ROOT}"}}}}
{config}""")


@pytest.fixture(scope="module")
def desk(box: Callable[[str], Running], slow_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A box where two fit, with all that a client library asks for. HURRIED may come once an hour."""
    caller, flags = write_caller(tmp_path_factory.mktemp("caller"))
    return box(f"""
budget: {{engines: 2}}
clients:
  desk: {{key: {KEY}}}
  hurried: {{key: {HURRIED}, rate: 1/h}}
models:
  alpha: {{path: "${{gguf}}/alpha.gguf", aliases: [gpt-4o], parallel: 2}}
  caller: {{path: "{caller}", args: {json.dumps(flags)}}}
  embed: {{path: "${{gguf}}/embed.gguf", embeddings: true, context: 512}}
  rerank: {{path: "${{gguf}}/rerank.gguf", reranking: true, context: 512}}
  slow: {{path: "{slow_model}"}}
""")


@pytest.fixture
async def ask() -> Any:
    """``ask(daemon)``: the OpenAI client of it."""
    clients: list[openai.AsyncOpenAI] = []

    def client(daemon: Running) -> openai.AsyncOpenAI:
        clients.append(openai.AsyncOpenAI(base_url=daemon.url + "/v1", api_key="any", max_retries=0, timeout=30))
        return clients[-1]

    yield client
    for opened in clients:
        await opened.close()
