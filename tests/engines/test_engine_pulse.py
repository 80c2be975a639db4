"""A ready engine that hangs is found; one that has no time for us, or whose watcher had none, is let be."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from swapd.core.engine import Endpoint
from swapd.core.events import EngineSick
from swapd.engines import look, pulse
from swapd.engines.look import NOT_HTTP, Answer, Question
from swapd.engines.news import News
from swapd.engines.ports import Ports
from swapd.engines.pulse import Pulse
from tests.processes import FAKE, until

STALL = 0.3
SILENT = "import time; time.sleep(60)"
BUSY = "while True: pass"
DEAF_AND_BUSY = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: pass"


@pytest.fixture(autouse=True)
def looks(monkeypatch) -> list[Answer]:
    """What the looks found. A second stands for many minutes."""
    for name, value in [("AGAIN", 0.05), ("SOON", 0.05), ("STALL", STALL), ("LOADED", 0)]:
        monkeypatch.setattr(pulse, name, value)
    found = []

    async def noted(*arguments):
        found.append(await look.look(*arguments))
        return found[-1]

    monkeypatch.setattr(pulse, "look", noted)
    return found


@pytest.fixture
def impatient(monkeypatch):
    """A look is over soon where nobody answers."""
    monkeypatch.setattr(pulse, "BOUND", 0.4)


class Bed:
    """Where patients are: processes, and the pulses that are felt of them."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.feeling: list[asyncio.Task[str]] = []
        self.news = News(asyncio.get_running_loop().time)

    def start(self, *words: str) -> int:
        self.children.append(subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL))
        return self.children[-1].pid

    async def engine(self, *words: str) -> tuple[int, int]:
        """Started, and accepting: its pid and its port."""
        port = Ports().take()
        pid = self.start(*(word.replace("PORT", str(port)) for word in words))

        async def accepts() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await until(accepts)
        return pid, port

    def feel(
        self, port: int, members: Callable[[], list[int]] | None, waited: Callable[[], float] = lambda: 0.0
    ) -> asyncio.Task[str]:
        patient = Pulse(Question(Endpoint("127.0.0.1", port), "/health"), self.news, members, waited)
        self.feeling.append(asyncio.ensure_future(patient.until_sick()))
        return self.feeling[-1]


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    bed = Bed()
    yield bed
    for task in bed.feeling:
        task.cancel()
    await asyncio.gather(*bed.feeling, return_exceptions=True)
    for child in bed.children:
        child.kill()
        child.wait()


class Well:
    """A server in our own loop that says 200 to whatever it is asked, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self.asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()


@pytest.fixture
async def well() -> AsyncIterator[Well]:
    well = Well()
    server = await asyncio.start_server(well.answer, "127.0.0.1", 0)
    well.port = server.sockets[0].getsockname()[1]
    yield well
    server.close()


@pytest.mark.usefixtures("impatient")
async def test_an_engine_that_was_stopped_is_found_and_one_that_went_on_is_not(bed, looks):
    pid, port = await bed.engine(str(FAKE), "--port", "PORT")
    felt = bed.feel(port, lambda: [pid])
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: looks and looks[-1].status == NOT_HTTP)
    os.kill(pid, signal.SIGCONT)
    await until(lambda: looks[-1].status == 200)
    assert not felt.done()
    os.kill(pid, signal.SIGSTOP)
    assert (await asyncio.wait_for(felt, 10)).startswith("it hangs: 3 looks in a row got no answer, and for ")


@pytest.mark.usefixtures("impatient")
async def test_one_that_has_no_time_to_answer_because_it_computes_is_let_be(bed, looks):
    pid, port = await bed.engine("-c", DEAF_AND_BUSY, "PORT")
    felt = bed.feel(port, lambda: [pid])
    await until(lambda: len(looks) > pulse.PATIENCE)
    assert not felt.done()
    assert {answer.status for answer in looks} == {NOT_HTTP}


async def test_one_that_answers_is_looked_at_again_and_again_and_nothing_else(bed, well, monkeypatch):
    monkeypatch.setattr("swapd.engines.stall._look", pytest.fail)
    felt = bed.feel(well.port, list)
    await until(lambda: well.asked >= 3)
    assert not felt.done()


async def test_one_that_answers_but_does_nothing_for_those_who_wait_is_found(bed, well):
    pid = bed.start("-c", SILENT)
    felt = bed.feel(well.port, lambda: [pid], lambda: STALL)
    why = await asyncio.wait_for(felt, 10)
    assert why.startswith("it hangs: it says that it is well, but for ")
    assert why.endswith(" it did nothing for those who wait")


@pytest.mark.parametrize(
    ("script", "waited", "loaded"),
    [(SILENT, STALL - 0.1, 0), (SILENT, STALL, 1 << 40), (BUSY, STALL, 0)],
    ids=["nobody waits for long", "it holds no model", "it computes"],
)
async def test_one_that_answers_is_let_be_if(bed, well, monkeypatch, script, waited, loaded):
    monkeypatch.setattr(pulse, "LOADED", loaded)
    pid = bed.start("-c", script)
    felt = bed.feel(well.port, lambda: [pid], lambda: waited)
    await until(lambda: well.asked > 2 * STALL / pulse.AGAIN)
    assert not felt.done()


async def test_what_it_did_before_anybody_waited_does_not_count(bed, well):
    """Idle for long, then a request comes: it has all the time there is."""
    pid, begun = bed.start("-c", SILENT), asyncio.get_running_loop().time()
    waits = iter([0.0] * 6)
    felt = bed.feel(well.port, lambda: [pid], lambda: next(waits, STALL))
    await asyncio.wait_for(felt, 10)
    assert asyncio.get_running_loop().time() - begun > 5 * pulse.AGAIN + STALL


def looking(monkeypatch: pytest.MonkeyPatch, *answers: Answer, takes: float = 0.0) -> list[Answer]:
    """Every look finds the next of these answers, the last one for ever; and ``takes`` so long. What was found."""
    found: list[Answer] = []
    clock = [0.0]

    async def look_(*_: object) -> Answer:
        clock[0] += takes
        found.append(answers[min(len(found), len(answers) - 1)])
        return found[-1]

    monkeypatch.setattr(pulse, "look", look_)
    monkeypatch.setattr(pulse, "_now", lambda: clock[0])
    return found


DUMB = Answer(NOT_HTTP, why="no answer in time")
FINE = Answer(200)


async def test_looks_that_failed_now_and_then_are_not_counted_together(bed, monkeypatch):
    found = looking(monkeypatch, *[DUMB, DUMB, FINE] * 3, FINE)
    felt = bed.feel(1, list)
    await until(lambda: len(found) > 9)
    assert not felt.done()


async def test_any_answer_is_one(bed, monkeypatch):
    found = looking(monkeypatch, Answer(503))
    felt = bed.feel(1, list)
    await until(lambda: len(found) > 4)
    assert not felt.done()


async def test_a_look_that_we_were_too_late_for_proves_nothing(bed, monkeypatch):
    """As after the daemon itself was stopped, or the machine had no time for it."""
    found = looking(monkeypatch, DUMB, takes=100.0)
    felt = bed.feel(1, list)
    await until(lambda: len(found) > 5)
    assert not felt.done()


async def test_a_look_that_we_had_nothing_to_make_with_proves_nothing(bed, monkeypatch):
    found = looking(monkeypatch, Answer(why="Too many open files", ours=True))
    felt = bed.feel(1, list)
    await until(lambda: len(found) > 5)
    assert not felt.done()


async def test_a_server_that_works_elsewhere_is_only_asked_and_for_longer(bed, monkeypatch):
    found = looking(monkeypatch, DUMB)
    why = await asyncio.wait_for(bed.feel(1, None, lambda: 1e9), 10)
    assert why == f"it hangs: {pulse.MORE_PATIENCE} looks in a row got no answer"
    assert len(found) == pulse.MORE_PATIENCE > pulse.PATIENCE


async def test_nobody_who_cannot_be_looked_at_is_called_hung(bed, monkeypatch):
    def blind() -> list[int]:
        raise OSError(errno.EMFILE, "Too many open files")

    found = looking(monkeypatch, DUMB)
    felt = bed.feel(1, blind)
    await until(lambda: len(found) > 5)
    assert not felt.done()


@pytest.mark.parametrize(("number", "ours"), [(errno.EMFILE, True), (errno.ECONNREFUSED, False)])
async def test_a_look_says_whether_it_is_we_who_lack_something(monkeypatch, number, ours):
    async def fails(_: Endpoint) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(look, "_open", fails)
    answer = await look.look(Question(Endpoint("127.0.0.1", 1), "/health"), 1.0)
    assert (answer.status, answer.ours) == (None, ours)


@pytest.mark.parametrize(
    ("command", "elsewhere"), [("/usr/bin/ssh", True), ("systemd-run", True), ("/opt/llama-server", False)]
)
def test_some_commands_work_elsewhere(command, elsewhere):
    assert pulse.is_elsewhere(command) == elsewhere


@pytest.mark.proc
@pytest.mark.usefixtures("impatient")
async def test_a_run_that_is_ready_and_hangs_is_told_of(room, looks):
    run = room.fake()
    await room.ready(run)
    await until(lambda: looks)
    assert [event for event in room.events if isinstance(event, EngineSick)] == []
    os.kill(room.supervisor.pid(run), signal.SIGSTOP)
    assert (await room.hears(EngineSick, run)).why.startswith("it hangs: 3 looks in a row got no answer")
    room.kill(run)
    await room.exit(run)
