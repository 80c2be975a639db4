"""``swapd bench``: whom it asks, what it prints and writes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from swapd.cli.bench.show import complain, picture, show
from swapd.loadtest import pulse
from swapd.loadtest.course import Course, Load
from swapd.loadtest.question import Form
from swapd.loadtest.side import Side
from tests.loadtest.conftest import DONE, SSE, Closed, Serve, said, serve, whole  # noqa: F401  (one is a fixture)

NAMES = {"data": [{"id": "tiny"}]}


def answering(names=NAMES):
    """A server with these models, that streams and embeds."""

    async def script(body, writer):
        if not body:
            writer.write(whole(names))
        elif body.get("stream"):
            usage = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'
            writer.write(SSE + said("a") + said("b") + usage + DONE)
            raise Closed
        else:
            writer.write(whole({"usage": {"prompt_tokens": 3}}))

    return script


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No key of the machine's; and the servers are in this process, which has to do more than a bench's."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(pulse, "BREATHLESS", 9.0)


async def test_a_bench_that_was_the_limit_itself_says_so(serve, swapd, monkeypatch):  # noqa: F811
    monkeypatch.setattr(pulse, "BREATHLESS", 0.0)
    done = await swapd("bench", await serve(answering()), "-n", "5", "--json", "-")
    assert json.loads(done.stdout)["bench"]["breathless"]
    assert done.stderr.startswith("the bench itself took ")


async def test_the_only_model_is_found_and_the_figures_are_a_table_of_80_columns(serve, swapd):  # noqa: F811
    done = await swapd("bench", await serve(answering()), "-n", "30")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "chat, streamed, 32 words in, at most 64 tokens out; 30 requests, 4 at a time"
    assert lines[2].endswith("/v1 tiny")
    assert lines[3].split() == ["MILLISECONDS", "N", "P50", "P90", "P95", "P99", "MAX"]
    assert [line.split("  ")[0] for line in lines[4:9]] == [
        "first byte (TTFB)",
        "first token (TTFT)",
        "between events (ITL)",
        "per token (TPOT)",
        "all of it (E2EL)",
    ]
    assert lines[8].split()[-2] == "-"  # too few for a p99, and that is said
    assert lines[-1].startswith("-: too few samples")
    assert max(map(len, lines[1:])) <= 95


async def test_json_on_stdout_is_alone_there_and_a_report_is_written(serve, swapd, tmp_path):  # noqa: F811
    words = ["--endpoint", "embeddings", "-n", "6", "--json", "-", "--html", str(tmp_path / "r.html")]
    done = await swapd("bench", await serve(answering()), *words)
    assert (done.exit_code, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["swapd_bench"], told["load"]["stream"], told["load"]["endpoint"]) == (1, False, "embeddings")
    assert told["sides"][0]["tokens"]["prompt"] == 18
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    lost = await swapd("bench", await serve(answering()), "-n", "1", "--json", str(tmp_path / "no" / "x"))
    assert (lost.exit_code, "cannot write" in lost.stderr) == (1, True)


async def test_of_several_models_one_has_to_be_named(serve, swapd):  # noqa: F811
    url = await serve(answering({"data": [{"id": "one\x1b[2J"}, {"id": "two"}]}))
    done = await swapd("bench", url)
    assert done.exit_code == 1
    assert (
        f"cannot tell which model to ask {url}/v1 for: it has one\\x1b[2J, two; name one with --model"
        in done.stderr
    )
    assert (await swapd("bench", url, "-m", "two", "-n", "2")).exit_code == 0


async def test_side_by_side_with_the_ratio_and_what_it_lies_between(serve, swapd):  # noqa: F811
    urls = [await serve(answering()), await serve(answering())]
    done = await swapd("bench", urls[0], "--compare", urls[1], "--compare-model", "other", "-n", "24")
    assert done.exit_code == 0
    assert "A: " in done.stdout
    assert "/v1 other" in done.stdout
    head = next(line for line in done.stdout.splitlines() if "B/A" in line)
    assert head.split("  ")[0] == "MILLISECONDS"
    assert "95 % SURE" in head


async def test_what_fails_is_told_by_kind_and_nothing_answered_is_exit_1(serve, swapd, monkeypatch):  # noqa: F811
    monkeypatch.setattr(pulse, "BREATHLESS", 0.0)  # with no figures there is nothing to doubt

    async def script(body, writer):
        writer.write(whole({"error": {"code": "queue_full", "message": "no\x07"}}, "503 Full"))

    done = await swapd("bench", await serve(script), "-m", "x", "-n", "5")
    assert done.exit_code == 1
    assert "5 failed, http_503 queue_full: no\\x07" in done.stdout
    assert "the bench itself" not in done.stdout


async def test_a_swap_of_two_models(serve, swapd):  # noqa: F811
    done = await swapd("bench", await serve(answering()), "--swap", "a", "b", "--rounds", "2")
    assert done.exit_code == 0
    assert "2 rounds of swaps" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[4:8]] == [
        ["TTFB", "a"],
        ["TTFT", "a"],
        ["TTFB", "b"],
        ["TTFT", "b"],
    ]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["ftp://x", "-m", "y"], 2, "cannot ask 'ftp://x'"),
        (["http://h/?a=b", "-m", "y"], 2, "that is no base URL"),
        (["127.0.0.1:1", "-m", "y", "--compare-model", "z"], 2, "give --compare for each"),
        (["127.0.0.1:1", "-m", "y", "--key", "a\nb"], 2, "cannot send the key"),
        (["127.0.0.1:1", "-m", "y", "--swap", "a", "b"], 2, "--swap names them"),
        (["127.0.0.1:1", "-m", "y", "--duration", "0"], 2, "more than nothing"),
        (["127.0.0.1:1", "-m", "y", "--timeout", "soon"], 2, "not a duration"),
        (["127.0.0.1:1"], 1, "cannot ask http://127.0.0.1:1/v1 for its models: refused"),
    ],
)
async def test_a_call_that_makes_no_sense_says_why(swapd, words, code, text):
    done = await swapd("bench", *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert text in done.stderr


async def test_the_key_goes_to_its_own_server_alone(swapd, aiohttp_server):
    from aiohttp import web

    seen = []

    async def answer(request):
        seen.append((request.host, request.headers.get("Authorization")))
        return web.json_response({"usage": {"prompt_tokens": 1}})

    app = web.Application()
    app.router.add_post("/v1/embeddings", answer)
    one, other = await aiohttp_server(app), None
    app2 = web.Application()
    app2.router.add_post("/v1/embeddings", answer)
    other = await aiohttp_server(app2)
    urls = [str(server.make_url("/")) for server in (one, other)]
    words = ["-m", "x", "-n", "1", "--warmup", "0", "--endpoint", "embeddings"]
    done = await swapd("bench", urls[0], "--compare", urls[1], *words, OPENAI_API_KEY="sk-secret")
    assert done.exit_code == 0
    assert sorted(key or "" for _, key in seen) == ["", "Bearer sk-secret"]
    assert "sk-secret" not in done.output


async def test_ctrl_c_shows_what_there_is_and_exits_130(serve, tmp_path):  # noqa: F811
    async def script(body, writer):
        await asyncio.sleep(0.005)
        writer.write(whole({"usage": {"prompt_tokens": 3}}))
        answered.set() if len(seen) > 20 else seen.append(1)

    seen, answered = [], asyncio.Event()
    words = [await serve(script), "-m", "x", "-n", "100000", "--no-stream", "--json", str(tmp_path / "f.json")]
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "swapd", "bench", *words]
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environ)
    async with asyncio.timeout(30):
        await answered.wait()
        running.send_signal(signal.SIGINT)
        out, err = await running.communicate()
    assert (running.returncode, err) == (130, b"")
    assert b"interrupted after" in out
    told = json.loads((tmp_path / "f.json").read_text())
    assert told["stopped"] == "interrupted"
    assert told["sides"][0]["answered"] > 10


def test_progress_is_a_line_for_each_side_and_colours_stay_on_terminals(terminal, pipe):
    course = Course(Load(Form(), requests=10), [Side("A", "http://h", ("m",)), Side("B", "http://i", ("m",))])
    course.parties[0].sent = course.parties[0].tally.answered = 3
    lines = ["".join(bit.text for bit in line.bits) for line in picture(course)]
    assert " A: 3 of 10 answered" in lines[0]
    assert " B: warming up" in lines[1]
    from swapd.loadtest.result import told

    result = told(course, "now", 1.0, True)
    for screen in (terminal, pipe):
        show(screen, result)
        complain(screen, result)
        assert "interrupted after 1.0 s" in screen.shown
    assert "\x1b" not in pipe.shown
