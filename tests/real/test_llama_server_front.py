"""The front over xllamacpp beside a true llama-server: what holds for one must hold for the other."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx
import openai
import pytest

from swapd.engines.llama_argv import ALL_NAMES
from tests.older_llama import is_older

pytestmark = pytest.mark.real

FRONT = (sys.executable, "-W", "error", "-m", "swapd.engines.llama_server")
AT_ONCE = 3.0
"""Seconds; generous to a busy machine, far below any time-out of llama.cpp."""
GO = [{"role": "user", "content": "go"}]


DESCRIBED = "--alias a -ngl 999 --threads 1 --threads-batch 2 -c 1024 -b 512 -ub 128 -np 2 --device none"
"""What swapd makes of a model's keys."""
MORE = "--cache-ram 0 --flash_attn on -ctk q8_0 -ctv q8_0 --metrics --no-warmup --fit off --temp 0.5"
"""What operators like to add as ``args``."""


def ask(engine, path, **body):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(engine.url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_is_refused_then_loading_then_healthy(engine_binaries, start_engine, slow_model):
    with start_engine(engine_binaries, "-m", slow_model, "-c", 512) as engine:
        seen = engine.watch(until=200)
    assert seen[-2:] == [503, 200]
    assert seen[:-2] in ([], [None])


def test_the_openai_client_gets_the_whole_answer_of_the_right_model(engine_binaries, start_engine, tiny_models):
    with start_engine(engine_binaries, "-m", tiny_models / "beta.gguf", "--alias", "my-beta") as engine:
        engine.watch(until=200)
        client = engine.client()
        short = client.chat.completions.create(model="my-beta", messages=GO, max_tokens=4)
        whole = client.chat.completions.create(model="my-beta", messages=GO)
        stream = client.chat.completions.create(model="my-beta", messages=GO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert [model.id for model in client.models.list()] == ["my-beta"]
        assert engine.stop()[0] == 0
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == (" beta 1 2 3", "length")
    assert short.model == "my-beta"
    assert text == whole.choices[0].message.content == " beta " + " ".join(map(str, range(1, 201)))


def test_embeddings_lie_close_when_the_texts_share_words(engine_binaries, start_engine, tiny_models):
    texts = ["the cat sat on the mat", "a cat on the mat", "quick brown foxes jump"]
    with start_engine(engine_binaries, "-m", tiny_models / "embed.gguf", "--embeddings") as engine:
        engine.watch(until=200)
        client = engine.client()
        same, near, far = (item.embedding for item in client.embeddings.create(model="any", input=texts).data)
        with pytest.raises(openai.InternalServerError, match="too large to process"):
            client.embeddings.create(model="any", input="cat " * 600)
        assert engine.health() == 200

    def likeness(other):  # llama.cpp gives vectors of length 1
        return sum(a * b for a, b in zip(same, other, strict=True))

    assert likeness(near) > 0.7 > 0.3 > likeness(far)


def test_reranking_prefers_the_document_that_answers(engine_binaries, start_engine, tiny_models):
    documents = ["dogs run fast", "cats sleep all day long", "how do cats sleep so well"]
    with start_engine(engine_binaries, "-m", tiny_models / "rerank.gguf", "--reranking") as engine:
        engine.watch(until=200)
        results = ask(engine, "/v1/rerank", model="any", query="how do cats sleep", documents=documents)["results"]
    ranked = sorted(results, key=lambda result: -result["relevance_score"])
    assert [result["index"] for result in ranked] == [2, 1, 0]


def test_slots_share_the_context_as_llama_server_does(engine_binaries, start_engine, tiny_models):
    def props(*args):
        with start_engine(engine_binaries, "-m", tiny_models / "alpha.gguf", *args) as engine:
            engine.watch(until=200)
            props = ask(engine, "/props")
        return props["total_slots"], props["default_generation_settings"]["n_ctx"]

    assert props("-np", 2, "-c", 4096) == (2, 2048)
    assert props() == (4, 8192)  # automatic: four slots over one cache, the context as trained


def test_all_flags_of_a_described_model_are_taken(engine_binaries, start_engine, tiny_models):
    alpha = tiny_models / "alpha.gguf"
    draft = ["--model-draft", alpha, "--spec-type", "draft-simple"]
    with start_engine(engine_binaries, "-m", alpha, *DESCRIBED.split(), *MORE.split(), *draft) as engine:
        engine.watch(until=200)
        answer = ask(engine, "/v1/chat/completions", messages=GO, max_tokens=6)
        settings = ask(engine, "/props")["default_generation_settings"]
    assert answer["choices"][0]["message"]["content"] == " alpha 1 2 3 4 5"
    assert answer["timings"]["draft_n_accepted"] > 0
    assert (settings["n_ctx"], settings["params"]["temperature"]) == (512, 0.5)


@pytest.mark.parametrize("flag", ["--mmproj", "--lora"])
def test_a_side_file_that_is_missing_is_an_error_of_its_own(engine_binaries, start_engine, tiny_models, flag):
    with start_engine(engine_binaries, "-m", tiny_models / "alpha.gguf", flag, "/nowhere.gguf") as engine:
        code, _ = engine.ends(bound=10)
        said = engine.said()
    if flag == "--lora" and is_older(engine_binaries[0]):  # a fault of that build, mended since
        assert code == -signal.SIGSEGV
        return
    assert code == 1
    assert "/nowhere.gguf" in said and "invalid argument" not in said


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--nope", "--nope"),
        ("-c", "-c"),
        ("-c many", "-c"),
        ("--ctx-size=12", "--ctx-size=12"),
        ("-m /nowhere.gguf", "/nowhere.gguf"),
    ],
)
def test_what_cannot_start_is_named_and_exits_at_once_with_code_1(engine_binaries, start_engine, line, named):
    with start_engine(engine_binaries, *line.split()) as engine:
        code, took = engine.ends()
        assert named in engine.said()
    assert code == 1 and took < AT_ONCE


def test_a_model_cut_short_is_reported_beside_llama_cpps_own_lines(
    engine_binaries, start_engine, tiny_models, tmp_path
):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((tiny_models / "alpha.gguf").read_bytes()[:900_000])
    with start_engine(engine_binaries, "-m", cut) as engine:
        code, _ = engine.ends()
        said = engine.said()
    assert code == 1
    assert "corrupted or incomplete" in said
    if engine_binaries == FRONT:
        # llama.cpp's own lines come from a thread of its own: one of them may be the last
        assert any(line.startswith(f"error: cannot load model {cut}: ") for line in said.splitlines()[-3:])


def test_a_port_in_use_is_an_error_before_anything_is_loaded(engine_binaries, start_engine, tiny_models):
    with start_engine(engine_binaries, "-m", tiny_models / "alpha.gguf") as first:
        first.watch(until=200)
        with start_engine(engine_binaries, "-m", tiny_models / "beta.gguf", port=first.port) as second:
            code, took = second.ends()
            said = second.said()
        assert first.health() == 200
    assert code == 1 and took < AT_ONCE
    if engine_binaries == FRONT:
        assert said == f"error: cannot listen on 127.0.0.1:{first.port}: address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_engine_with_code_0(engine_binaries, start_engine, tiny_models, number):
    with start_engine(engine_binaries, "-m", tiny_models / "alpha.gguf") as engine:
        engine.watch(until=200)
        code, took = engine.stop(number)
    assert code == 0 and took < AT_ONCE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_load_ends_it_at_once(engine_binaries, start_engine, slow_model, number):
    with start_engine(engine_binaries, "-m", slow_model, "-c", 512) as engine:
        engine.watch(until=503)
        code, took = engine.stop(number)
    assert code == -number and took < AT_ONCE


def test_the_front_ends_at_once_even_in_the_middle_of_a_stream(start_engine, slow_model):
    with start_engine(FRONT, "-m", slow_model, "-c", 8192) as engine:
        engine.watch(until=200)
        stream = iter(engine.client().chat.completions.create(model="any", messages=GO, stream=True))
        next(stream), next(stream)
        code, took = engine.stop()
        with pytest.raises((openai.APIConnectionError, httpx.TransportError)):  # the latter with openai 2
            list(stream)
    assert code == 0 and took < AT_ONCE


def test_every_flag_of_the_front_exists_in_the_true_llama_server():
    binary = shutil.which("llama-server-vulkan", path=str(Path(sys.executable).parent))
    if binary is None:
        pytest.skip("no true llama-server is installed")
    text = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    heads = [head[0] for line in text.splitlines() if (head := re.match(r"(--?[\w.-]+,\s*)*--?[\w.-]+", line))]
    known = {name for head in heads for name in re.findall(r"--?[a-zA-Z][\w.-]*", head)}
    assert set(ALL_NAMES) - known == set()
