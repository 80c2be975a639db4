"""However an engine ends, and whatever it left where, the end is told once and nothing stays."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from swapd.core.commands import Spawn
from swapd.core.engine import RunId
from swapd.core.events import EngineReady, Event
from swapd.core.spec import Launch
from swapd.engines import process as process_module
from swapd.engines import run as run_module
from swapd.engines.furnished import furnished
from swapd.engines.ports import Ports
from swapd.engines.process import Process
from tests.engines.conftest import WHY
from tests.processes import until

pytestmark = pytest.mark.proc


async def ask(port: int, **body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A chat that is on its way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
    assert b" 200 " in await reader.readline()
    return reader, writer


async def test_a_second_terminate_is_not_a_second_sigterm(room, tmp_path):
    """The real one takes a second SIGTERM for "now": exit code 1, streams cut."""
    journal = tmp_path / "journal"
    run = room.fake("--journal", str(journal))
    _, writer = await ask(await room.ready(run), stream=True, chunk_seconds=60)
    room.terminate(run)
    await until(lambda: "sigterm" in journal.read_text())
    room.terminate(run)
    writer.close()
    end = await room.exit(run)
    assert (end.code, end.hint) == (0, None)
    assert journal.read_text().count('"sigterm"') == 1


async def test_a_kill_does_not_wait_for_a_stop_command_that_hangs(room):
    run = room.fake("--deaf")
    await room.ready(run)
    room.terminate(run, "sleep", "60")
    await until(lambda: any("sleep 60" in line for line in room.left()))
    room.kill(run)
    room.kill(run)
    end = await room.exit(run)
    assert (end.signal, end.hint) == ("SIGKILL", None)


async def test_a_stop_command_has_a_bound_and_sigterm_follows(room, monkeypatch):
    monkeypatch.setattr(run_module, "STOP_BOUND", 0.1)
    run = room.fake()
    await room.ready(run)
    room.terminate(run, "sleep", "60")
    assert (await room.exit(run)).code == 0


async def test_a_stop_command_runs_in_the_models_environment_and_to_its_end(room, tmp_path):
    """It must not be cut off by the very exit that it brings about."""
    run = room.fake(env=(("WHO", "me"),), cwd=str(tmp_path))
    await room.ready(run)
    pid = room.supervisor.pid(run)
    room.terminate(run, "sh", "-c", f"kill -9 {pid}; sleep 0.2; echo $WHO > stopped")
    await room.exit(run)
    assert (tmp_path / "stopped").read_text() == "me\n"


@pytest.mark.parametrize("order", ["terminate", "kill"])
async def test_a_child_that_left_the_session_and_dropped_its_environment_goes_too(room, order):
    script = "env -i setsid sleep 600 & echo child is $!; exec sleep 600"
    run = room.spawn(Launch(("sh", "-c", script)))
    child = int((await until(lambda: [x for x in room.log() if x.startswith("child is ")]))[0].split()[-1])
    await until(lambda: os.getsid(child) == child and psutil.Process(child).environ() == {})
    getattr(room, order)(run)
    await room.exit(run)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


async def test_a_tree_that_keeps_forking_is_ended_whole(room):
    script = "while :; do (trap '' TERM; setsid sh -c 'sleep 0.05; setsid sleep 600' & ); sleep 0.01; done"
    run = room.spawn(Launch(("sh", "-c", script)))
    await until(lambda: len(room.left()) > 10)
    room.kill(run)
    await room.exit(run)
    assert room.left() == []


async def test_killed_while_loading_it_is_never_announced(room):
    run = room.fake("--load-seconds", "0.2", "--deaf")
    await until(room.left)
    room.kill(run)
    await room.exit(run)
    assert not [e for e in room.events if isinstance(e, EngineReady)]


async def test_ready_is_not_told_of_an_engine_that_survives_its_kill_for_a_while(room, monkeypatch, tmp_path):
    async def later(process: Process) -> None:
        await until(lambda: '"ready"' in (tmp_path / "journal").read_text())

    monkeypatch.setattr(Process, "kill", later)
    run = room.fake("--load-seconds", "0.8", "--journal", str(tmp_path / "journal"))
    await until((tmp_path / "journal").exists)
    room.kill(run)
    await until(lambda: '"ready"' in (tmp_path / "journal").read_text())
    await asyncio.sleep(0.3)  # longer than the probe ever pauses
    room.terminate(run)
    await room.exit(run)
    assert not [e for e in room.events if isinstance(e, EngineReady)]


async def test_a_port_comes_back_with_the_exit_and_with_a_failed_start():
    events: list[Event] = []
    supervisor = furnished(events.append, find_binary=lambda: None, environ=os.environ, ports=Ports([9399]))
    for n, argv in enumerate([("no-such-binary",), ("true",), ("true",)]):
        supervisor.perform(Spawn(RunId("m", n), Launch(argv), WHY))
        await until(lambda: len(events) == n + 1)  # noqa: B023  (awaited here and now)
    assert [event.exit.code for event in events] == [None, 0, 0]


async def test_an_engine_that_dies_after_binding_tells_its_code(room):
    end = await room.exit(room.fake("--exit-code", "4", "--exit-after", "0.05"))
    assert (end.code, end.log[-1]) == (4, "error: told to exit with 4")


async def test_a_server_that_goes_to_the_background_is_not_left_there(room):
    run = room.spawn(Launch(("sh", "-c", "sleep 600 &")))
    end = await room.exit(run)
    assert end.code == 0
    assert "foreground" in end.hint
    assert room.left() == []


async def test_an_end_by_a_nameless_signal_is_told(room):
    end = await room.exit(room.spawn(Launch((sys.executable, "-c", "import os; os.kill(os.getpid(), 40)"))))
    assert end.signal == "signal 40"


async def test_the_end_is_seen_without_pidfds(room, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    run = room.fake("--grandchild", "--grandchild-setsid")
    await room.ready(run)
    room.terminate(run)
    assert (await room.exit(run)).code == 0
    assert (await room.exit(room.spawn(Launch(("sh", "-c", "exit 3"))))).code == 3, "it was not reaped before"


async def test_a_process_that_cannot_be_watched_does_not_live_on(room, monkeypatch):
    """There is neither a descriptor nor a thread to be had."""

    def fails(*_: object) -> int:
        raise OSError(24, "Too many open files")

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    await room.exit(room.spawn(Launch(("true",))))  # what all share is opened by the first
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", fails)
        patch.setattr(threading.Thread, "start", start)
        run = room.spawn(Launch(("sleep", "600")))
    assert (await room.exit(run)).reason == "cannot watch 'sleep': can't start new thread"
    assert room.left() == []
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "add_reader", fails)
        run = room.spawn(Launch(("sleep", "600")))
    assert (await room.exit(run)).reason == "cannot watch 'sleep': [Errno 24] Too many open files"
    assert room.left() == []
    monkeypatch.setattr(os, "memfd_create", fails)
    run = room.spawn(Launch(("sleep", "600")))
    assert (await room.exit(run)).reason == f"cannot keep what {run} would write: Too many open files"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_stop_command_that_cannot_be_started_does_not_keep_the_signal_back(room, monkeypatch):
    run = room.fake()
    await room.ready(run)

    def fails(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(process_module.subprocess, "Popen", fails)
    room.terminate(run, "true")
    assert (await room.exit(run)).code == 0


async def test_an_orphan_that_comes_to_us_is_reaped(room):
    """As pid 1 of a container, or as a subreaper, the daemon inherits what lost its parent."""
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    try:
        script = "(setsid sleep 600 & ) ; (sleep 600 & ) ; exec sleep 600"
        run = room.spawn(Launch(("sh", "-c", script)))
        await until(lambda: [line.split()[1:] for line in room.left()] == [["sleep", "600"]] * 3)
        room.kill(run)
        await room.exit(run)
        assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []
    finally:
        libc.prctl(36, 0)


async def test_closing_does_not_wait_for_a_stop_command(room):
    run = room.fake("--deaf")
    await room.ready(run)
    room.terminate(run, "sleep", "60")
    await until(lambda: any("sleep 60" in line for line in room.left()))
    begun = time.monotonic()
    await room.supervisor.aclose()
    assert time.monotonic() - begun < 10
    assert room.left() == []
    assert (await room.exit(run, bound=0.1)).signal == "SIGKILL"


async def test_the_log_spans_runs_and_an_exit_tells_only_of_its_own(room):
    first = room.spawn(Launch(("sh", "-c", "echo one; exit 1")))
    await room.exit(first)
    second = room.spawn(Launch(("sh", "-c", "echo two; exit 2")))
    assert (await room.exit(second)).log == ("two",)
    assert [line for line in room.log() if not line.endswith(("exit 1'", "exit 2'"))] == [
        "one",
        "--- m#1: exited with code 1",
        "two",
        "--- m#2: exited with code 2",
    ]


async def test_bytes_that_are_no_text_do_not_disturb_the_log(room):
    run = room.fake("--binary-log")
    await room.ready(run)
    await until(lambda: "after no text" in room.log())


async def test_an_error_in_finding_the_binary_comes_back_as_an_end(room, caplog):
    def fails() -> str:
        raise RuntimeError("the PATH is on fire")

    room.supervisor._workshop._find_binary = fails
    end = await room.exit(room.spawn(Launch(("${binary}",))))
    assert end.reason == "the PATH is on fire"
    assert "cannot start m#1" in caplog.text
