"""The demo's tour against a daemon that is played, and how it looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from swapd.cli.demo import show as demo_show
from swapd.cli.demo.tour import Leg, Times, walk
from swapd.cli.failure import Failed
from tests.cli.test_console import ESCAPES

NOTES = {"X-Swapd-Queued-Ms": "1310", "X-Swapd-Load-Ms": "1298", "Content-Type": "text/event-stream"}


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def word(text: str | None, key: str = "content") -> bytes:
    return event({"choices": [{"delta": {key: text}}]})


class Played:
    """A daemon: it shows these states one after the other, then sends the events."""

    def __init__(self, events: list[bytes], states: list[dict[str, str]]) -> None:
        self.events = events
        self.states = states
        self.seen = asyncio.Event()
        self.status = 200

    async def show(self, request: web.Request) -> web.Response:
        states = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if len(self.states) == 1:
            self.seen.set()
        return web.json_response({"models": [{"name": n, "state": s} for n, s in states.items()]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        await asyncio.wait_for(self.seen.wait(), 5)
        if self.status != 200:
            return web.json_response({"error": {"message": "cannot start it: no\nmore"}}, status=self.status)
        response = web.StreamResponse(headers=NOTES)
        await response.prepare(request)
        for piece in self.events:
            await response.write(piece)
        return response


Walk = Callable[..., Awaitable[Leg]]


@pytest.fixture
def go(aiohttp_server) -> Walk:
    """``await go(events)``: the leg that was walked, with every phase it went through in ``seen``."""

    async def walked(*events: bytes, status: int = 200, seen: list[str] | None = None) -> Leg:
        states = [{"red": "cold", "blue": "draining"}, {"red": "starting", "blue": "stopping"}, {"red": "ready"}]
        played = Played(list(events), states)
        played.status = status
        app = web.Application()
        app.router.add_get("/admin/status", played.show)
        app.router.add_post("/v1/chat/completions", played.chat)
        server = await aiohttp_server(app)
        leg = Leg("red", "Why?")
        phases = seen if seen is not None else []
        leg.told = lambda: phases.append(leg.phase)
        async with aiohttp.ClientSession(server.make_url("/")) as http:
            await walk(http, leg)
        return leg

    return walked


async def test_a_leg_gathers_words_and_times_and_knows_its_phase(go):
    seen: list[str] = []
    usage = event({"choices": [], "usage": {"completion_tokens": 2}})
    leg = await go(word(None), word("Ro"), word("ses."), usage, b": ping\n\n", b"data: [DONE]\n\n", seen=seen)
    assert leg.text == "Roses."
    assert (leg.times.queued, leg.times.load, leg.times.tokens) == (1310, 1298, 2)
    assert 0 < leg.times.first <= leg.times.total
    assert seen == ["waiting for blue to leave", "loading", "thinking", "speaking", "done"]


async def test_thoughts_are_words_too(go):
    leg = await go(word("Hm.", "reasoning_content"), b"data: [DONE]\n\n")
    assert leg.text == "Hm."


async def test_an_error_instead_of_an_answer_ends_the_tour_with_its_cause(go):
    with pytest.raises(Failed, match="cannot finish the tour: red: cannot start it: no\nmore"):
        await go(status=502)


async def test_an_error_inside_a_stream_ends_the_tour(go):
    with pytest.raises(Failed, match="red: the engine died"):
        await go(word("Ro"), event({"error": {"message": "the engine died"}}))


async def test_a_stream_without_its_end_ends_the_tour(go):
    with pytest.raises(Failed, match="red: its answer broke off"):
        await go(word("Ro"))


async def test_what_is_no_json_ends_the_tour(go):
    with pytest.raises(Failed, match="cannot finish the tour: red: "):
        await go(b"data: {oops\n\n")


async def test_a_daemon_that_is_gone_ends_the_tour():
    leg = Leg("red", "Why?")
    async with aiohttp.ClientSession("http://127.0.0.1:1") as http:
        with pytest.raises(Failed, match="cannot finish the tour: red: "):
            await walk(http, leg)


def spoken(load: int = 1298) -> Leg:
    times = Times(queued=load, load=load, first=1.31, total=1.81, tokens=51)
    return Leg("red", "Why?", phase="done", text=" Roses\n are red. ", times=times)


def test_in_a_pipe_a_leg_is_a_line_a_fact(pipe):
    leg = Leg("red", "Why?")
    with demo_show.following(pipe, leg):
        leg.enter("loading")
        leg.enter("loading")
        leg.times, leg.text = spoken().times, spoken().text
        for phase in ("thinking", "speaking", "done"):
            leg.enter(phase)
    assert pipe.shown.splitlines() == [
        "red: Why?",
        "red: loading",
        "red: loaded in 1.30 s, first word after 1.31 s",
        "red: Roses are red.",
    ]


def test_on_a_terminal_a_leg_is_a_picture_that_ends_as_the_whole_answer(terminal):
    leg = Leg("red", "Why?", phase="loading")
    assert "loading … " in text_of(leg)
    with demo_show.following(terminal, leg):
        leg.phase, leg.text, leg.times = "done", spoken().text, spoken(load=0).times
    shown = ESCAPES.sub("", terminal.shown)
    assert "● red   Why?\n        was up already, first word after 1.31 s\n        Roses are red." in shown


def text_of(leg: Leg) -> str:
    return "\n".join("".join(bit.text for bit in line.bits) for line in demo_show.picture(leg))


def test_silence_is_called_by_its_name():
    assert "(it said nothing)" in text_of(Leg("red", "Why?", phase="done"))


def test_the_times_are_a_table(pipe):
    demo_show.times(pipe, [spoken()])
    assert pipe.shown.splitlines()[1:3] == [
        "MODEL   QUEUED  OF IT LOAD  FIRST WORD    TOTAL  TOKENS  TOKENS/S",
        "red    1298 ms     1298 ms     1310 ms  1810 ms      51       100",
    ]


def test_what_to_try_next_can_be_copied(pipe):
    demo_show.what_next(pipe, "http://127.0.0.1:5")
    lines = pipe.shown.splitlines()
    body = next(line for line in lines if line.startswith("  -d '"))
    assert json.loads(body.removeprefix("  -d '").removesuffix("'"))["model"] == "red"
    program = lines[lines.index("from openai import OpenAI") :][:5]
    compile("\n".join(program), "<demo>", "exec")
    assert lines[-2].endswith(" status --url http://127.0.0.1:5")


@pytest.mark.parametrize(
    ("called", "on_path", "name"),
    [("/x/swapd", "/x/swapd", "swapd"), ("/x/swapd", None, "/x/swapd"), ("/x/__main__.py", None, "-m swapd")],
)
def test_the_command_to_copy_is_one_that_is_found(monkeypatch, called, on_path, name):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("shutil.which", lambda word: on_path)
    assert demo_show.own_name().endswith(name)


async def test_without_an_engine_the_demo_says_how_to_get_one(swapd, monkeypatch):
    monkeypatch.setattr("swapd.cli.demo.command.find_binary", lambda environ: None)
    done = await swapd("demo", "--once")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "pip install 'swapd[engine]'" in done.stderr
