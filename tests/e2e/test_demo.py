"""``swapd demo`` as somebody runs it who has just installed swapd: true engines, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from swapd.cli.tiny_model import write_chat
from tests.processes import MARK, marked

pytestmark = pytest.mark.real

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Start]:
    """``demo("--once")``: the demo as a process with a temporary folder and a cache of its own."""
    mark, folder = uuid.uuid4().hex, tmp_path / "tmp"
    folder.mkdir()
    environ = {
        **os.environ,
        MARK: mark,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "TMPDIR": str(folder),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-m", "swapd", "demo", *words]
        with one_core():
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 5
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert marked(mark) == [], "processes were left behind"
    assert list(folder.iterdir()) == [], "files were left behind"


@contextmanager
def one_core() -> Iterator[None]:
    """What is started here stays on one core, and so its engines take one thread.

    Two that wait for each other on busy cores, spinning, need ten times as long for a word.
    """
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(ours)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A tiny true model."""
    write_chat(tmp_path / "tiny.gguf", "alpha")
    return str(tmp_path / "tiny.gguf")


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """What it prints up to the line that holds ``text``; a demo that hangs is killed, so this ends."""
    assert process.stdout is not None
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            watchdog.cancel()
            return lines
    watchdog.cancel()
    raise AssertionError(f"no line with {text!r} in:\n{''.join(lines)}")


def test_once_walks_the_tour_and_leaves_nothing(demo, model):
    process = demo("--model", model, "--once")
    shown, complaints = process.communicate(timeout=40)
    assert (process.returncode, complaints) == (0, "")
    for name in ("red", "green", "blue"):
        assert f"\n{name}: loaded in " in shown
    assert shown.count(": alpha 1 2 3 ") == 4
    assert "\nblue: was up already, " in shown
    rows = re.findall(r"^(\w+) +(\d+) ms +(\d+) ms +(\d+) ms +(\d+) ms +64 ", shown, re.MULTILINE)
    assert [row[0] for row in rows] == ["red", "green", "blue", "blue"]
    loads = [int(row[2]) for row in rows]
    assert all(loads[:3])
    assert loads[3] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_serving_until_told_to_stop(demo, model, number):
    process = demo("--model", model)
    url = lines_until(process, "Serving on ")[-1].split()[2]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20)
    answer = client.chat.completions.create(
        model="green", max_tokens=3, messages=[{"role": "user", "content": "Tell me about cats."}]
    )
    client.close()
    assert answer.choices[0].message.content.split() == ["alpha", "1", "2"]
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_ctrl_c_during_the_tour_ends_it_at_once(demo, model):
    process = demo("--model", model)
    lines_until(process, "red: ")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_model_that_cannot_be_loaded_ends_the_demo_with_the_cause(demo, model):
    Path(model).write_bytes(Path(model).read_bytes()[:5000])
    process = demo("--model", model)
    _, complaints = process.communicate(timeout=40)
    assert process.returncode == 1
    assert complaints.startswith("swapd: cannot finish the tour: red: cannot start the engine of model 'red': ")
    assert complaints.count("failed to load model") < 10


def test_a_busy_port_ends_the_demo_with_the_cause(demo, model):
    first = demo("--model", model)
    port = lines_until(first, "Serving on ")[-1].split()[2].rpartition(":")[2]
    second = demo("--model", model, "--port", port)
    _, complaints = second.communicate(timeout=20)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in complaints
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
