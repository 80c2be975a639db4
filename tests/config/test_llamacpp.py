"""A described model as a command line."""

from __future__ import annotations

import pytest

from swapd.config import llamacpp

HEAD = ("${binary}", "--host", "${host}", "--port", "${port}", "--metrics", "--alias", "m", "-m", "/x")


@pytest.mark.parametrize(
    ("keys", "flags"),
    [
        ("", "--threads ${threads} -np 1"),
        ("gpu_layers: 33", "-ngl 33 --threads ${threads} -np 1"),
        ("gpu_layers: 0", "-ngl 0 --threads ${threads} -np 1"),
        ("gpu_layers: all", "-ngl 999 --threads ${threads} -np 1"),
        ("gpu_layers: auto", "--threads ${threads} -np 1"),
        ("threads: 8", "--threads 8 -np 1"),
        ("socket: tcp", "--threads ${threads} -np 1"),
        ("threads: auto", "--threads ${threads} -np 1"),
        ("threads_batch: 4", "--threads ${threads} --threads-batch 4 -np 1"),
        ("threads_batch: auto", "--threads ${threads} -np 1"),
        ("context: 32768", "--threads ${threads} -c 32768 -np 1"),
        ("context: 0", "--threads ${threads} -c 0 -np 1"),
        ("batch: 2048, ubatch: 512", "--threads ${threads} -b 2048 -ub 512 -np 1"),
        ("batch: 2048", "--threads ${threads} -b 2048 -np 1"),
        ("embeddings: true, batch: 2048", "--threads ${threads} -b 2048 -ub 2048 -np 1 --embeddings"),
        ("reranking: true, batch: 64, ubatch: 32", "--threads ${threads} -b 64 -ub 32 -np 1 --reranking"),
        ("embeddings: true", "--threads ${threads} -np 1 --embeddings"),
        ("embeddings: no, reranking: off", "--threads ${threads} -np 1"),
        ("parallel: 3", "--threads ${threads} -np 3"),
        ("device: auto", "--threads ${threads} -np 1 --device ${device}"),
        ("device: [auto]", "--threads ${threads} -np 1 --device ${device}"),
        ("device: CUDA0", "--threads ${threads} -np 1 --device CUDA0"),
        ("device: [CUDA0, CUDA1]", "--threads ${threads} -np 1 --device CUDA0,CUDA1"),
        (
            "mmproj: /p, draft: /d",
            "--threads ${threads} -np 1 --mmproj /p --model-draft /d --spec-type draft-simple",
        ),
        ("lora: /a", "--threads ${threads} -np 1 --lora /a"),
        ("lora: [/a, /b]", "--threads ${threads} -np 1 --lora /a,/b"),
        ("args: [--jinja, -ctk, q8_0], parallel: 2", "--threads ${threads} -np 2 --jinja -ctk q8_0"),
    ],
)
def test_each_key_becomes_its_flag(model, keys, flags):
    assert model(f"path: /x, {keys}").launch.argv == (*HEAD, *flags.split())


def test_on_a_unix_socket_an_engine_takes_no_port(model):
    argv = model("path: /x, socket: unix").launch.argv
    assert argv[:6] == ("${binary}", "--host", "${socket}", "--metrics", "--alias", "m")
    assert "--port" not in argv


def test_a_configured_binary_comes_first(model):
    assert model("path: /x, binary: llama-server").launch.argv[0] == "llama-server"
    assert model("path: /x, binary: /opt/llama-server").launch.argv[0] == "/opt/llama-server"


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("x -np 4", 4), ("x --parallel=3", 3), ("x --parallel 2 -np 5", 5), ("x -np", None), ("x -np auto", None),
        ("x -np -1", None), ("x -np 0", None), ("x -npx 3", None), ("x", None),
    ],
)  # fmt: skip
def test_a_number_is_found_in_a_command_line(line, number):
    assert llamacpp.number_after(line.split(), llamacpp.PARALLEL) == number
