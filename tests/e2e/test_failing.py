"""What goes wrong gets a clear answer, nobody else notices, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.processes import Client, Running, fake, until

pytestmark = pytest.mark.e2e


def config(keys: str, **more: str) -> str:
    others = "".join(f"  {name}: {{{text}}}\n" for name, text in more.items())
    return (
        "listen: 127.0.0.1:0\nbudget: {engines: 2}\nscheduling: {linger: 0s}\n"
        f'models:\n  alpha: {{{keys}}}\n  good: {{command: "{fake()}"}}\n{others}'
    )


def engine(*flags: str, keys: str = "") -> str:
    return f'command: "{fake(*flags)}"{", " + keys if keys else ""}'


async def error_of(answer):
    return (await answer.json())["error"]


async def test_an_engine_that_exits_at_once_tells_its_code_and_its_last_lines(start, connect):
    client = await connect(start(config(engine("--exit-code", "7"))))
    async with client.chat("alpha") as answer:
        error = await error_of(answer)
        assert (answer.status, error["code"]) == (502, "engine_start_failed")
    assert "exited with code 7" in error["message"]
    assert "Last lines of the engine:" in error["message"]
    async with client.chat("alpha") as answer:
        assert answer.status == 503
        assert (await error_of(answer))["code"] == "engine_unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
    assert (await client.model("alpha"))["last_failure"]["exit"] == 7
    assert (await client.text("good")).startswith(" good")


async def test_a_missing_binary_is_named(start, connect):
    client = await connect(start(config('command: "no-such-engine --port ${port}"')))
    async with client.chat("alpha") as answer:
        assert answer.status == 502
        assert "no-such-engine" in (await error_of(answer))["message"]


async def test_who_asks_for_what_is_not_there_costs_nobody_an_engine(start, connect, tmp_path):
    gguf = tmp_path / "gone.gguf"
    program = Path(sys.executable).parent / "swapd-llama-server"
    text = config(f"path: {gguf}, binary: {program}", odd="command: 'no-such ${port}'")
    client = await connect(start(text.replace("engines: 2", "engines: 1")))
    await client.text("good")
    pid = (await client.model("good"))["pid"]
    for model, what in (("alpha", f"there is no file '{gguf}'"), ("odd", "there is no program 'no-such'")):
        async with client.chat(model) as answer:
            error = await error_of(answer)
            assert (answer.status, error["code"]) == (502, "engine_start_failed")
        assert what in error["message"]
        assert "the next request tries again" in error["message"]
    assert (await client.model("good"))["pid"] == pid


@pytest.mark.parametrize("binary", [fake("--never-ready"), "no-such-engine --port ${port}"])
async def test_no_client_is_told_the_command_line_and_nobody_the_key_in_it(start, connect, binary):
    keys = "api_key: k-of-alpha, start_timeout: 300ms, stop_grace: 100ms"
    client = await connect(start(config(f'command: "{binary} --api-key k-of-alpha", {keys}')))
    async with client.chat("alpha") as answer:
        assert answer.status in (502, 504)
        assert "--api-key" not in (await error_of(answer))["message"]
    async with client.http.get("/admin/logs/alpha") as answer:
        told = await answer.text()
    assert "--api-key HIDDEN" in told
    assert "k-of-alpha" not in told


async def test_an_engine_that_never_gets_ready_is_given_up_and_killed(start, connect):
    client = await connect(
        start(config(engine("--never-ready", "--deaf", keys="start_timeout: 500ms, stop_grace: 200ms")))
    )
    async with client.chat("alpha") as answer:
        assert (answer.status, (await error_of(answer))["code"]) == (504, "engine_timeout")
    await until(lambda: client.is_in("alpha", "backoff"))
    assert (await client.model("alpha"))["pid"] is None


async def test_a_stranger_on_the_port_is_not_taken_for_the_engine(start, connect):
    """The engine only sleeps; a server of ours answers on the port that it was given."""
    client = await connect(start(config('command: "sleep 60 ${port}"')))
    asking = asyncio.ensure_future(client.chat("alpha"))
    await until(lambda: client.is_in("alpha", "starting"))
    pid = (await client.model("alpha"))["pid"]
    words = await until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2:])
    port = int(words[0])

    async def serve(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        answer = await asking
    error = await error_of(answer)
    assert (answer.status, error["code"]) == (502, "engine_start_failed")
    assert f"port {port} is answered by another process (pid {os.getpid()}" in error["message"]


@pytest.mark.parametrize("flags", [("--deaf",), ("--grandchild",), ("--grandchild", "--grandchild-setsid")])
async def test_unload_leaves_nothing_of_a_stubborn_tree(start, connect, flags):
    client = await connect(start(config(engine(*flags, keys="stop_grace: 300ms"))))
    await client.text("alpha")
    async with client.http.post("/admin/models/alpha/unload") as answer:
        assert answer.status == 200
    assert (await client.model("alpha"))["state"] == "cold"
    # that no process is left is asserted by the fixture, for every test


async def test_an_engine_killed_mid_stream_ends_it_with_an_error_event(start, connect):
    client = await connect(start(config(engine("--chunk-seconds", "0.05", "--words", "500"))))
    async with client.chat("alpha", stream=True) as answer:
        await answer.content.readany()
        os.kill((await client.model("alpha"))["pid"], signal.SIGKILL)
        text = (await answer.content.read()).decode()
    assert "[DONE]" not in text
    assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == "engine_died"
    assert (await client.text("alpha", words=3)).startswith(" alpha"), "after one crash it is started anew"


async def test_an_engine_that_dies_before_the_first_byte_is_started_again_for_the_same_request(
    start, connect, tmp_path
):
    journal = tmp_path / "journal"
    client = await connect(start(config(engine("--slow-nonstream", "0.5", "--journal", str(journal)))))
    asking = asyncio.ensure_future(client.text("alpha"))
    await until(lambda: journal.exists() and '"request"' in journal.read_text())
    os.kill((await client.model("alpha"))["pid"], signal.SIGKILL)
    assert (await asking).startswith(" alpha")
    assert (await client.model("alpha"))["run"] == 2


async def test_an_engine_whose_socket_was_removed_is_started_again_for_the_next_request(start, connect):
    daemon = start(config(f'command: "{fake("--chunk-seconds", "0.05", place="--host ${socket}")}"'))
    client = await connect(daemon)
    async with client.chat("alpha", stream=True) as answer:
        await answer.content.readany()
        Path((await client.model("alpha"))["endpoint"].removeprefix("unix:")).unlink()
        async with client.chat("alpha") as again:
            assert (again.status, again.headers["X-Swapd-Run"]) == (200, "2")


async def test_a_log_flood_costs_nobody_else_anything(start, connect):
    client = await connect(start(config(engine("--log-flood", "50"))))

    async def lag() -> float:
        begun = time.monotonic()
        async with client.http.get("/health") as answer:
            assert answer.status == 200
        return time.monotonic() - begun

    calm = statistics.median([await lag() for _ in range(20)])
    flooded = asyncio.ensure_future(client.text("alpha"))
    lags = []
    while not flooded.done():
        lags.append(await lag())
    assert (await flooded).startswith(" alpha")
    assert statistics.median(lags) < max(0.1, 5 * calm)  # the machine may be busy with others


async def test_bad_json_an_unknown_model_and_a_huge_body_are_answered_at_once(start, connect):
    client = await connect(start(config(engine())))
    async with client.http.post("/v1/chat/completions", data=b"{") as answer:
        assert answer.status == 400
    async with client.chat("alfa") as answer:
        error = await error_of(answer)
        assert (answer.status, error["code"]) == (404, "model_not_found")
        assert "did you mean 'alpha'?" in error["message"]
    size = 300 << 20

    async def zeros():
        for _ in range(size >> 20):
            yield bytes(1 << 20)

    try:
        async with client.http.post("/v1/chat/completions", data=zeros()) as answer:
            assert answer.status == 413
    except aiohttp.ClientConnectionError:
        pass  # a client that sends on regardless may see the connection close before it reads the answer
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.http._base_url.port))
    writer.write(head)
    assert b"413" in await reader.readline()
    writer.close()
    assert (await client.model("alpha"))["state"] == "cold"


async def test_a_busy_address_is_named_and_the_daemon_exits_1(start):
    first = start(config(engine()))
    address = first.url.removeprefix("http://")
    second = start(config(engine()).replace("127.0.0.1:0", address))
    assert second.process.wait(15) == 1
    assert f"cannot listen on {address}: Address already in use" in second.wait_line("cannot listen")


async def test_a_bad_config_exits_2_with_every_problem(start_fresh):
    daemon = start_fresh("listen: 127.0.0.1:0\nmodels:\n  a: {comand: x}\n  b: {path: /x.gguf, ttl: soon}\n")
    assert daemon.process.wait(15) == 2
    daemon.wait_line("swapd-0.yaml:3:7")
    daemon.wait_line("swapd-0.yaml:4:27")


async def test_sigterm_lets_a_stream_finish_and_leaves_nothing(start_fresh, connect):
    daemon = start_fresh(config(engine("--chunk-seconds", "0.02", "--words", "120")))
    client = await connect(daemon)
    async with client.chat("alpha", stream=True) as answer:
        await answer.content.readany()
        daemon.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(daemon.wait_line, "shutting down")
        async with client.chat("good") as refused:
            assert (refused.status, (await error_of(refused))["code"]) == (503, "shutting_down")
        text = (await answer.content.read()).decode()
    assert text.rstrip().endswith("data: [DONE]")
    assert await asyncio.to_thread(daemon.stop) == 0


async def test_who_follows_a_log_reads_it_to_its_end_and_holds_up_nobody(start, connect):
    daemon = start(config(engine()))
    client = await connect(daemon)
    assert await client.text("alpha")
    async with client.http.get("/admin/logs/alpha?follow=1") as log:
        begun = time.monotonic()
        assert await asyncio.to_thread(daemon.stop) == 0
        assert time.monotonic() - begun < 4  # it would be given 5
        assert (await log.text()).endswith("--- alpha#1: exited with code 0\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_twice_the_daemon_waits_for_no_stream(start, connect, number):
    daemon = start(config(engine("--chunk-seconds", "0.05", "--words", "10000")))
    client = await connect(daemon)
    async with client.chat("alpha", stream=True) as answer:
        await answer.content.readany()
        daemon.process.send_signal(number)
        await asyncio.to_thread(daemon.wait_line, "shutting down")
        assert await asyncio.to_thread(daemon.stop, number) == 0
        text = (await answer.content.read()).decode()
    assert "[DONE]" not in text
    assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == "shutting_down"


async def test_out_of_descriptors_the_daemon_says_so_in_a_line_and_serves_on(start, connect):
    daemon = start(config(engine()))
    client = await connect(daemon)
    assert await client.text("good")  # so that there is something to look at
    pid = daemon.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
    async with client.chat("alpha") as refused:
        assert (await error_of(refused))["code"] in ("engine_start_failed", "engine_unavailable")
    await asyncio.to_thread(daemon.wait_line, "cannot read the meters: Too many open files")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert await client.text("good")
    async with client.http.post("/admin/models/alpha/load") as loaded:
        assert loaded.status == 200, "the rest after its failure is over when the operator says so"
    assert await asyncio.to_thread(daemon.stop) == 0
    said = "\n".join(daemon.lines)
    assert said.count("cannot read the meters") == 1
    assert "Traceback" not in said, said
    assert "crashed" not in said, said


async def test_a_daemon_whose_parent_cares_for_nothing_serves_and_ends_in_order(tmp_path):
    """Standard streams closed, SIGCHLD ignored, umask 0, no home, no locale."""
    path = tmp_path / "careless.yaml"
    path.write_text(config(engine()) + f"state_dir: {tmp_path / 'state'}\n")
    careless = """umask 0; trap '' CHLD; unset HOME; LC_ALL=C PYTHONUTF8=0 exec "$@" <&- >&-"""
    command = ["sh", "-c", careless, "sh", sys.executable, "-m", "swapd", "serve", "-c", str(path)]
    daemon = Running(path, subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    try:
        async with aiohttp.ClientSession(daemon.url) as session:
            assert (await Client(session).text("alpha")).startswith(" alpha")
        streams = [str(Path(f"/proc/{daemon.process.pid}/fd/{number}").readlink()) for number in (0, 1)]
        assert streams == [os.devnull, os.devnull], "else a socket has its number"
        assert await asyncio.to_thread(daemon.stop) == 0
        kept = list((tmp_path / "state").rglob("*"))  # only now: a running daemon replaces its files as it goes
        assert kept
        assert not [path for path in kept if path.lstat().st_mode & 0o022]
    finally:
        daemon.close()


async def test_sigterm_during_a_load_ends_at_once(start, connect):
    daemon = start(config(engine("--load-seconds", "60")))
    client = await connect(daemon)
    asking = asyncio.ensure_future(client.chat("alpha"))
    await until(lambda: client.is_in("alpha", "starting"))
    begun = time.monotonic()
    assert await asyncio.to_thread(daemon.stop) == 0
    assert time.monotonic() - begun < 5
    answer = await asking
    assert (answer.status, (await error_of(answer))["code"]) == (503, "shutting_down")


async def test_the_clients_key_never_reaches_the_engine(start, connect):
    client = await connect(start(config(engine())))
    headers = {"Authorization": "Bearer secret-1", "x-api-key": "secret-2", "Cookie": "secret-3"}
    async with client.http.post("/upstream/alpha/echo", data=b"{}", headers=headers) as answer:
        assert "secret" not in await answer.text()
