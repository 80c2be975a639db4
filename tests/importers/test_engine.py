"""Command lines: what is said in keys, what stays a command, and what is taken off."""

from __future__ import annotations

import pytest

from tests.importers.conftest import draft, flags, model

BASE = "llama-server -m /x.gguf -np 1"


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        ("-c 4096", {"context": 4096}),
        ("--ctx-size 0", {"context": 0}),
        ("-ngl all", {"gpu_layers": "all"}),
        ("-ngl -1", {"args": ["-ngl", "-1"]}),
        ("-t -1", {}),
        ("--threads 6 -t 4", {"threads": 4}),
        ("-dev CUDA0,CUDA1", {"device": ["CUDA0", "CUDA1"]}),
        ("--lora a --lora b", {"lora": ["a", "b"]}),
        ("--ubatch_size 64", {"ubatch": 64}),
        ("--rerank", {"reranking": True}),
        ("--temp 0.5 -fa on", {"args": ["--temp", "0.5", "-fa", "on"]}),
        ("-md /d.gguf --spec-type draft-simple", {"draft": "/d.gguf"}),
        ("--host 127.0.0.1 --port 8080 -a name", {}),
    ],
)
def test_flags_become_keys(said, keys):
    found = dict(model(f"{BASE} {said}").keys)
    assert {key: found[key] for key in found.keys() - {"path", "parallel"}} == keys


@pytest.mark.parametrize(
    "said", ["-hf a/b", "-m /x.gguf -md /d.gguf --spec-type ngram-mod", "-m /x.gguf --no-kv-unified", "--jinja"]
)
def test_what_keys_cannot_say_stays_a_command(said):
    found = model(f"llama-server {said} --port 99")
    assert found.keys["command"].split()[1:] == [*said.split(), "--port", "${port}"]
    assert "kept as a command" in " ".join(found.remarks)


@pytest.mark.parametrize("said", ["--api-key hush", "--api-key-file /hush", "--api-key=hush"])
@pytest.mark.parametrize("program", ["llama-server -m /x.gguf -np 1", "vllm serve Qwen/Q"])
def test_no_key_stands_in_a_command_line(program, said):
    if "=" in said and "llama" in program:
        said = said.replace("=", " ")
    found = model(f"{program} {said}")
    assert "hush" not in str(found.keys)
    assert any("--api-key" in line for line in found.remarks)


@pytest.mark.parametrize(
    ("before", "keys"),
    [
        ("nice", {"nice": 10}),
        ("nice -5", {"nice": 5}),
        ("nice -n -5", {"nice": -5}),
        ("nice --adjustment=7", {"nice": 7}),
        ("taskset -c 0,2-3", {"cpus": "0,2-3"}),
        ("numactl --physcpubind=0-3", {"cpus": "0-3"}),
        ("env -u A B=c", {"env": {"B": "c"}}),
        ("nohup exec", {}),
        ("sudo -u ai -E", {}),
        ("ionice -c 3", {}),
        ("X=1 setsid nice -n 3", {"env": {"X": "1"}, "nice": 3}),
    ],
)
def test_what_stands_before_a_server_becomes_keys(before, keys):
    found = dict(model(f"{before} {BASE}").keys)
    assert {key: found[key] for key in found.keys() - {"path", "parallel"}} == keys


def test_what_is_not_understood_before_a_server_stays():
    found = model(f"numactl --membind=0 {BASE} --port 8080")
    assert found.keys["command"].startswith("numactl --membind=0 llama-server -m /x.gguf")
    assert "--port ${port}" in found.keys["command"]


@pytest.mark.parametrize(
    ("line", "kind", "upstream"),
    [
        ("vllm serve Qwen/Qwen3-8B --port 8000", "vllm", "Qwen/Qwen3-8B"),
        ("python -m vllm.entrypoints.openai.api_server --model a/b", "vllm", "a/b"),
        ("python3 -m sglang.launch_server --model-path a/b", "sglang", "a/b"),
        ("text-generation-launcher --model-id a/b", "tgi", "a/b"),
    ],
)
def test_servers_of_other_kinds_are_known(line, kind, upstream, good):
    (spec,) = good(draft(line)).catalog.models.values()
    assert (spec.terms.service.kind, spec.terms.service.upstream_model) == (kind, upstream)
    assert "${port}" in spec.launch.argv


def test_an_ollama_of_its_own_listens_where_swapd_says(good):
    (spec,) = good(draft("OLLAMA_DEBUG=1 ollama serve")).catalog.models.values()
    assert dict(spec.launch.env) == {"OLLAMA_DEBUG": "1", "OLLAMA_HOST": "${host}:${port}"}


def test_models_of_one_name_are_told_apart():
    assert [m.name for m in draft(f"{BASE}\n{BASE} -c 5\n{BASE} -c 6").models] == ["x", "x-2", "x-3"]


@pytest.mark.parametrize(
    ("options", "port"),
    [
        ("-p 8080:8080", "-p 127.0.0.1:${port}:8080"),
        ("-p 0.0.0.0:9000:8080/tcp", "-p 127.0.0.1:${port}:8080/tcp"),
        ("-p8080:8080", "-p 127.0.0.1:${port}:8080"),
        ("--publish=8080:8080", "-p 127.0.0.1:${port}:8080"),
        ("-p 22:22 -p 8080:8080", "-p 22:22 -p 127.0.0.1:${port}:8080"),
        ("", "-p 127.0.0.1:${port}:8080"),
    ],
)
def test_a_container_is_published_on_one_port_of_this_machine(options, port):
    found = model(f"docker run --name box {options} ghcr.io/ggml-org/llama.cpp:server -m /m.gguf")
    assert port in found.keys["command"]
    assert found.keys["stop"] == "docker stop box"


def test_a_container_stays_in_the_foreground_without_a_terminal():
    command = model("docker run -dit --rm --restart=always -v /a:/b ollama/ollama").keys["command"]
    assert command.split()[:3] == ["docker", "run", "--rm"]
    assert not {"-d", "-i", "-t", "-dit", "--restart"} & set(command.split())


def test_one_slot_of_a_line_stays_one(good):
    (spec,) = good(draft(BASE)).catalog.models.values()
    assert flags(spec.launch.argv[1:])["-np"] == "1"
    assert "--kv-unified" not in spec.launch.argv
