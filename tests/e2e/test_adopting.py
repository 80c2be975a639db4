"""A daemon that dies leaves its engines; the next one takes them over, and what nobody wants is ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.processes import FAKE, MARK, fake, until

pytestmark = pytest.mark.e2e


def config(*models: str, flags: str = "", more: str = "", head: str = "") -> str:
    entries = "".join(f'  {name}: {{command: "{fake(flags)}"{more}}}\n' for name in models)
    return f"listen: 127.0.0.1:0\nbudget: {{engines: 2}}\nscheduling: {{linger: 0s}}\n{head}models:\n{entries}"


async def crashed(start, connect, text: str, *models: str, **environ: str):
    """A daemon killed with its engines up; their pids."""
    daemon = start(text, **environ)
    client = await connect(daemon)
    for name in models:
        assert await client.text(name)
    pids = {name: (await client.model(name))["pid"] for name in models}
    await until(lambda: is_recorded(daemon, *models))
    daemon.process.kill()
    daemon.process.wait()
    return daemon, pids


def state_of(daemon) -> Path:
    return daemon.config.parent / "state"


def is_recorded(daemon, *models: str) -> bool:
    record = state_of(daemon) / "engines.json"
    entries = json.loads(record.read_text())["engines"] if record.exists() else []
    return {entry["model"] for entry in entries if entry["ready"]} == set(models)


def damaged(daemon) -> bool:
    try:
        return not is_recorded(daemon)
    except (ValueError, TypeError):
        return True


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_engines_are_taken_over_without_a_load(start, connect):
    first, pids = await crashed(start, connect, config("alpha", "beta"), "alpha", "beta")
    assert all(map(lives, pids.values()))
    begun = time.monotonic()
    second = start(first.config)
    client = await connect(second)
    for name, pid in pids.items():
        assert await client.text(name)
        assert (await client.model(name))["pid"] == pid
    assert time.monotonic() - begun < 5
    assert not [line for line in second.lines if "start alpha" in line or "start beta" in line]
    assert second.stop() == 0
    assert not any(map(lives, pids.values()))


async def test_a_taken_over_engine_counts_against_the_budget_and_can_be_evicted(start, connect):
    first, pids = await crashed(start, connect, config("alpha", "beta", "gamma"), "alpha", "beta")
    client = await connect(start(first.config))
    assert await client.text("gamma")
    left = [name for name, pid in pids.items() if lives(pid)]
    assert len(left) == 1
    assert await client.is_in(left[0], "ready")


async def test_what_it_wrote_before_is_in_its_log_and_what_it_writes_now(start, connect):
    first, _ = await crashed(start, connect, config("alpha"), "alpha")
    client = await connect(start(first.config))
    assert await client.text("alpha")
    async with client.http.get("/admin/logs/alpha") as answer:
        text = await answer.text()
    assert text.count("--- alpha#1:") == 1
    assert fake().split()[1] in text


async def test_its_death_after_that_is_seen_and_the_next_request_starts_another(start, connect):
    first, pids = await crashed(start, connect, config("alpha"), "alpha")
    second = start(first.config)
    client = await connect(second)
    assert await client.text("alpha")
    os.kill(pids["alpha"], signal.SIGKILL)
    await until(lambda: client.is_in("alpha", "backoff"))
    failure = (await client.model("alpha"))["last_failure"]
    assert "SIGKILL" in failure["reason"] or "how is not known" in failure["reason"]
    assert await client.text("alpha")


async def test_one_whose_launch_was_edited_meanwhile_is_stopped_and_started_anew(start, connect):
    first, pids = await crashed(start, connect, config("alpha", "beta"), "alpha", "beta")
    first.config.write_text(config("alpha", flags="--words 3"))
    second = start(first.config)
    client = await connect(second)
    await until(lambda: not any(map(lives, pids.values())))
    assert await client.text("alpha") == " alpha 1 2"


async def test_one_deaf_to_sigterm_that_nobody_wants_is_killed_after_its_grace(start, connect):
    text = config("alpha", flags="--deaf --grandchild-setsid", more=", stop_grace: 200ms")
    first, pids = await crashed(start, connect, text, "alpha")
    first.config.write_text(config("beta"))
    second = start(first.config)
    await connect(second)
    await until(lambda: not lives(pids["alpha"]))
    assert second.stop() == 0


@pytest.mark.parametrize("text", ["", "{", '{"version": 99, "boot": "", "engines": "of the future"}', "\x00" * 64])
async def test_a_record_that_cannot_be_read_is_told_and_its_engines_are_ended(start, connect, text):
    first, pids = await crashed(start, connect, config("alpha"), "alpha")
    (state_of(first) / "engines.json").write_text(text)
    second = start(first.config)
    client = await connect(second)
    second.wait_line("cannot read")
    await until(lambda: damaged(second) is False)
    await until(lambda: not lives(pids["alpha"]))
    assert await client.text("alpha")


async def test_a_load_that_was_under_way_goes_on(start, connect):
    text = config("alpha", flags="--load-seconds 1.5", more=", preload: true")
    first = start(text)
    await connect(first)
    await until((state_of(first) / "engines.json").exists)
    pid = json.loads((state_of(first) / "engines.json").read_text())["engines"][0]["identity"]["pid"]
    first.process.kill()
    first.process.wait()
    client = await connect(start(first.config))
    assert await client.text("alpha")
    assert (await client.model("alpha"))["pid"] == pid


async def test_a_process_that_has_the_pid_of_a_lost_engine_is_let_alone(start, connect):
    first, pids = await crashed(start, connect, config("alpha"), "alpha")
    os.kill(pids["alpha"], signal.SIGKILL)
    stranger = await asyncio.create_subprocess_exec("sleep", "60", env={MARK: "none"})
    try:
        record = state_of(first) / "engines.json"
        told = json.loads(record.read_text())
        told["engines"][0]["identity"]["pid"] = stranger.pid
        record.write_text(json.dumps(told))
        second = start(first.config)
        assert await (await connect(second)).text("alpha")
        second.wait_line("is another process now: letting it alone")
        assert lives(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_engines_that_nobody_comes_back_for_are_ended(start, connect):
    text = config("alpha", "beta", flags="--grandchild-setsid", head="adoption: 500ms\n")
    first, pids = await crashed(start, connect, text, "alpha", "beta")
    await until(lambda: not any(map(lives, pids.values())))
    await until(lambda: json.loads((state_of(first) / "engines.json").read_text())["engines"] == [])


async def test_without_adoption_they_go_at_once(start, connect):
    _, pids = await crashed(start, connect, config("alpha", head="adoption: never\n"), "alpha")
    await until(lambda: not lives(pids["alpha"]))


async def test_reap_ends_them_now_but_not_those_of_a_daemon_that_lives(start, connect, capsys):
    first, pids = await crashed(start, connect, config("alpha"), "alpha")
    environ = {"STATE_DIRECTORY": str(state_of(first))}
    code, text = await reap(first, environ)
    assert code == 0
    assert "stopping alpha#1" in text
    assert "ended 1 engine" in text
    assert not lives(pids["alpha"])
    assert await reap(first, environ) == (0, f"nothing is left of a daemon of {state_of(first)}\n")
    client = await connect(start(first.config))
    assert await client.text("alpha")
    code, text = await reap(first, environ)
    assert code == 1
    assert "is running" in text
    assert await client.text("alpha")


@pytest.mark.parametrize(("result", "status", "left"), [("signal", "KILL", True), ("exit-code", "2", False)])
async def test_as_execstoppost_it_tells_a_crash_from_the_end(start, connect, result, status, left):
    first, pids = await crashed(start, connect, config("alpha"), "alpha")
    environ = {
        "STATE_DIRECTORY": str(state_of(first)),
        "SERVICE_RESULT": result,
        "EXIT_STATUS": status,
    }
    code, _ = await reap(first, environ)
    assert code == 0
    assert lives(pids["alpha"]) is left
    second = start(first.config)  # a successor that ends what is left
    assert (await (await connect(second)).model("alpha"))["pid"] == (pids["alpha"] if left else None)


async def test_a_second_daemon_with_the_same_state_folder_says_so_and_serves(start, connect):
    first = start(config("alpha"))
    assert await (await connect(first)).text("alpha")
    second = start(config("alpha"))
    assert await (await connect(second)).text("alpha")
    second.wait_line("give it a state_dir of its own")
    assert second.stop() == 0
    assert await (await connect(first)).text("alpha")


async def test_a_container_whose_client_is_killed_is_stopped_before_the_next_one_starts(start, connect, tmp_path):
    """``docker`` is a script: its server, in a session of its own, outlives the client, as a container does."""
    docker = tmp_path / "docker"
    docker.write_text(
        f"#!/bin/bash\n"
        f'if [ "$1" = stop ]; then kill $(cat {tmp_path}/pid); rm -f {tmp_path}/pid; exit; fi\n'
        f"[ -e {tmp_path}/pid ] && {{ echo 'the name is in use' >&2; exit 125; }}\n"
        f'shift; env -u SWAPD_RUN -u SWAPD_HOUSE setsid {sys.executable} {FAKE} "$@" & echo $! > {tmp_path}/pid\n'
        f"wait\n"
    )
    docker.chmod(0o755)
    command = (
        f'command: "{docker} run --host ${{host}} --port ${{port}} --alias ${{model}}", stop: "{docker} stop x"'
    )
    client = await connect(start(f"listen: 127.0.0.1:0\nmodels:\n  alpha: {{{command}}}\n"))
    assert await client.text("alpha")
    os.kill((await client.model("alpha"))["pid"], signal.SIGKILL)
    await until(lambda: client.is_in("alpha", "backoff"))
    assert await client.text("alpha")
    assert (await client.model("alpha"))["run"] == 2


async def reap(daemon, environ: dict[str, str]) -> tuple[int, str]:
    """The exit code of ``swapd reap``, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "swapd", "reap", "-c", str(daemon.config),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()
