"""The verbs that talk to a daemon: what they do there, and what they say when it does not work."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from swapd import address
from swapd.cli.failure import BadConfig
from swapd.cli.target import find_target, url_of
from swapd.core.events import LoadWished, UnloadWished
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import Address, Settings
from swapd.engines.house import REAPER, enter

ROOT = Path(__file__).parent.parent.parent


async def test_load_waits_until_the_model_is_ready(front, swapd):
    done = await swapd("load", "org/beta")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("org/beta is ")
    assert front.gate.posted == [LoadWished("org/beta")]
    assert front.gate.asked == [("org/beta", "operator")]


async def test_load_need_not_wait(front, swapd):
    done = await swapd("load", "gpt-4o", "--no-wait")
    assert (done.exit_code, done.stdout) == (0, "alpha is cold\n")
    assert front.gate.asked == []


async def test_a_load_that_fails_says_why_and_exits_1(front, swapd):
    end = Exit(code=3, log=("no such file",), hint="look at the path")
    front.gate.refusal = Refusal(Reason.START_FAILED, "alpha", end)
    done = await swapd("load", "alpha")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("swapd: cannot start the engine of model 'alpha': exited with code 3\n")
    assert "look at the path" in done.stderr
    assert "no such file" in done.stderr


async def test_unload_takes_one_model_or_all_of_them(front, swapd):
    assert (await swapd("unload", "alpha")).stdout == "alpha is cold\n"
    assert front.gate.posted == [UnloadWished("alpha")]
    assert (await swapd("unload", "--all")).stdout == "every model is cold\n"
    assert len(front.gate.posted) == 1 + len(front.gate.catalog.models)
    for words in (["unload"], ["unload", "alpha", "--all"]):
        assert (await swapd(*words)).exit_code == 2


async def test_unload_now_waits_for_no_request(front, swapd):
    assert (await swapd("unload", "alpha", "--now")).stdout == "alpha is cold\n"
    assert (await swapd("unload", "--all", "--now")).stdout == "every model is cold\n"
    assert {(type(wish), wish.now) for wish in front.gate.posted} == {(UnloadWished, True)}


async def test_reload_says_what_changed(front, swapd):
    front.config.outcome = {
        "generation": 4,
        "added": ["a", "b"],
        "removed": [],
        "relaunched": ["c"],
        "retuned": [],
        "needs_restart": ["listen", "trace"],
    }
    done = await swapd("reload")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "generation 4",
        "  added: a, b",
        "  new launch, restarts: c",
        "  takes effect when swapd is restarted (--exec does not do): listen",
        "  takes effect with `swapd reload --exec`, or a restart: trace",
    ]
    front.config.outcome = {"generation": 4, "added": []}
    assert (await swapd("reload")).stdout == "nothing changed (generation 4)\n"


async def test_reload_of_a_broken_config_prints_its_problems_and_exits_1(front, swapd):
    problem = {"file": "s.yaml", "line": 3, "column": 5, "key": "models.x", "message": "must be a mapping"}
    front.config.outcome = {"problems": [problem]}
    done = await swapd("reload")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "\ns.yaml:3:5: models.x: must be a mapping\n" in done.stderr


async def test_logs_prints_the_lines_and_follows_to_their_end(front, swapd):
    assert (await swapd("logs", "alpha", "-n", "2")).stdout == "two\nthree\n"
    assert (await swapd("logs", "alpha", "-n", "1", "-f")).stdout == "three\nfour\n"


async def test_an_unknown_model_exits_1_with_the_daemons_words(front, swapd):
    for words in (["load", "nope"], ["unload", "nope"], ["logs", "nope"]):
        done = await swapd(*words)
        assert done.exit_code == 1
        assert done.stderr.startswith("swapd: cannot find model 'nope'")


async def test_without_the_right_key_the_operator_is_told_how_to_give_it(front, swapd):
    front.config.settings = Settings(admin_key="right")
    done = await swapd("status")
    assert done.exit_code == 1
    assert "$SWAPD_ADMIN_KEY" in done.stderr
    assert (await swapd("status", SWAPD_ADMIN_KEY="right")).exit_code == 0


async def test_the_address_and_the_key_come_from_the_config(front, swapd, tmp_path, monkeypatch):
    monkeypatch.delenv("SWAPD_URL")
    front.config.settings = Settings(admin_key="right")
    config = tmp_path / "swapd.yaml"
    config.write_text(f"listen: 127.0.0.1:{front.port}\nadmin: {{key: right}}\nmodels: {{}}\n")
    assert (await swapd("status")).exit_code == 0
    assert (await swapd("status", "-c", str(config))).exit_code == 0


@pytest.fixture
def sign(front, tmp_path, monkeypatch):
    """A config whose `listen` was edited since its daemon started, the lock of that, and what it wrote down."""
    monkeypatch.delenv("SWAPD_URL")
    config, state = tmp_path / "swapd.yaml", tmp_path / "state"
    config.write_text(f"listen: 127.0.0.1:{unused_port()}\nstate_dir: {state}\nmodels: {{}}\n")
    house = enter(state)
    address.put_up(state, config, [f"http://0.0.0.0:{front.port}"])
    yield config, state, house
    house.leave()


async def test_a_daemon_is_found_though_its_listen_was_edited_since_or_is_any_port(sign, swapd):
    config, _, _ = sign
    assert (await swapd("status")).exit_code == 0
    config.write_text(config.read_text().replace(config.read_text().split()[1], "127.0.0.1:0"))
    assert (await swapd("status")).exit_code == 0


async def test_what_a_dead_daemon_another_config_or_a_reaper_wrote_down_counts_for_nothing(sign, swapd, tmp_path):
    config, state, house = sign
    said = f"http://{config.read_text().split()[1]}"
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text())
    assert f"cannot reach swapd at {said}: " in (await swapd("status", "-c", str(other))).stderr
    sign_of_a_reaper = f"{REAPER} 4711"
    (state / "lock").write_text(sign_of_a_reaper)
    assert f"cannot reach swapd at {said}: " in (await swapd("status")).stderr
    house.leave()
    assert f"cannot reach swapd at {said}: " in (await swapd("status")).stderr
    (state / address.FILE).write_text("{")
    assert address.look(state, config) == ()
    address.take_down(state)
    assert address.look(state, config) == ()


async def test_who_does_not_answer_where_it_said_either_is_told_with_both_addresses(sign, swapd):
    config, state, _ = sign
    gone = f"http://127.0.0.1:{unused_port()}"
    address.put_up(state, config, [gone])
    done = await swapd("status")
    assert f"cannot reach swapd at {gone}: connection refused" in done.stderr
    assert f"says http://{config.read_text().split()[1]}, but its daemon was started before that" in done.stderr


async def test_a_daemon_that_is_not_there_is_told_with_what_to_do(swapd):
    url = f"http://127.0.0.1:{unused_port()}"
    done = await swapd("status", "--url", url)
    assert done.exit_code == 1
    assert done.stderr == (
        f"swapd: cannot reach swapd at {url}: connection refused; is it running? start it with `swapd serve`\n"
    )


async def test_a_socket_that_is_not_there_is_told_too(swapd, tmp_path):
    done = await swapd("status", "--url", f"unix:{tmp_path}/no.sock")
    assert done.exit_code == 1
    assert "no such file or directory" in done.stderr


async def test_a_unix_socket_is_spoken_to(swapd, tmp_path):
    async def unload(request: web.Request) -> web.Response:
        return web.json_response({"model": request.match_info["name"], "state": "cold"})

    app = web.Application()
    app.router.add_post("/admin/models/{name:.+}/unload", unload)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    done = await swapd("unload", "a/b c?", "--url", f"unix:{tmp_path}/s")
    await runner.cleanup()
    assert (done.exit_code, done.stdout) == (0, "a/b c? is cold\n")


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>", "content_type": "text/html"},
        {"text": "nope", "status": 404},
        {"text": "[1]", "content_type": "application/json"},
        {"text": "{", "content_type": "application/json"},
    ],
)
async def test_something_else_at_the_address_is_told_from_a_swapd(aiohttp_server, swapd, answer):
    app = web.Application()

    async def odd(request: web.Request) -> web.Response:
        return web.Response(**answer)

    app.router.add_route("*", "/{path:.*}", odd)
    server = await aiohttp_server(app)
    done = await swapd("status", "--url", str(server.make_url("/")))
    assert done.exit_code == 1
    assert done.stderr.startswith("swapd: cannot understand ")


async def test_a_log_is_shown_whole_however_long_its_lines_and_wherever_it_was_cut(aiohttp_server, swapd):
    line = ("é" * 300_000 + "\n").encode()

    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for start in range(0, len(line), 4095):
            await response.write(line[start : start + 4095])
        return response

    app = web.Application()
    app.router.add_get("/admin/logs/{name}", pieces)
    server = await aiohttp_server(app)
    done = await swapd("logs", "x", "--url", str(server.make_url("/")))
    assert (done.exit_code, done.stdout) == (0, line.decode())


async def test_a_daemon_that_goes_away_ends_a_followed_log_with_a_word(aiohttp_server, swapd):
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"a line\n")
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/admin/logs/{name}", cut)
    server = await aiohttp_server(app)
    done = await swapd("logs", "x", "-f", "--url", str(server.make_url("/")))
    assert (done.exit_code, done.stdout) == (1, "a line\n")
    assert "it closed the connection" in done.stderr


@pytest.mark.parametrize("url", ["http://:::", "http://", "ftp://x/"])
async def test_a_bad_url_is_an_error_in_words(swapd, url):
    done = await swapd("status", "--url", url)
    assert done.exit_code == 1
    assert done.stderr.startswith("swapd: cannot ")


async def test_ctrl_c_ends_a_followed_log_quietly_with_130(aiohttp_server):
    async def forever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"a line\n")
            await request.content.readany()

    app = web.Application()
    app.router.add_get("/admin/logs/{name}", forever)
    server = await aiohttp_server(app)
    follower = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "swapd", "logs", "x", "-f", "--url", str(server.make_url("/"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    first = await asyncio.to_thread(follower.stdout.readline)
    follower.send_signal(signal.SIGINT)
    _, complaints = await asyncio.to_thread(follower.communicate, timeout=10)
    assert (first, complaints, follower.returncode) == (b"a line\n", b"", 130)


def test_a_config_with_problems_still_says_where_its_daemon_is(tmp_path):
    (tmp_path / "swapd.yaml").write_text(
        "listen: 127.0.0.1:1\nadmin: {key: k}\nmodels: {x: {path: '${env.NOT_SET}', contxt: 1}}\n"
    )
    target = find_target(None, None, {})
    assert (target.url, target.key, target.doubt) == ("http://127.0.0.1:1", "k", "")


@pytest.mark.parametrize(
    "text", ["listen: 127.0.0.1:x\nmodels: {}", "listen: 127.0.0.1:1\nmodels: {", "listen:\n\t- 1"]
)
def test_where_it_does_not_the_default_address_is_tried_and_the_doubt_is_told(text, tmp_path, capsys):
    config = tmp_path / "swapd.yaml"
    config.write_text(text)
    target = find_target(None, None, {"SWAPD_ADMIN_KEY": "k"})
    assert (target.url, target.key) == ("http://127.0.0.1:9292", "k")
    told = " ".join(capsys.readouterr().err.split())
    assert "has problems (see `swapd check`): asking the default address" in told
    config.unlink()
    assert "no config was found" in find_target(None, None, {"HOME": str(tmp_path)}).doubt


def test_a_config_that_was_named_must_exist():
    with pytest.raises(BadConfig, match="no such file"):
        find_target("nowhere.yaml", None, {})


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("0.0.0.0", 80), "http://127.0.0.1:80"),
        (Address("::", 80), "http://[::1]:80"),
        (Address("::1", 80), "http://[::1]:80"),
        (Address("192.168.1.2", 80), "http://192.168.1.2:80"),
        (Address(path="/run/s.sock"), "unix:/run/s.sock"),
    ],
)
def test_an_address_to_listen_on_becomes_one_to_connect_to(address, url):
    assert url_of(address) == url


def test_port_0_leads_nowhere():
    with pytest.raises(BadConfig, match="--url"):
        url_of(Address(port=0))
