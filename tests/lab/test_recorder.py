"""The recorder: what is written of each request, what never is, and a disk that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swapd.core.commands import Command, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Event, Left, Ticked, Ticket, Usage
from swapd.core.refusal import Exit, Refused
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Alias, Bounds, Catalog, Launch, Rules, Spec, Terms
from swapd.dispatch import Dispatcher
from swapd.lab import recorder as recorders
from swapd.lab import simulate as lab
from swapd.lab.recorder import Recorder
from swapd.lab.trace import SERVED, read

NOWHERE = Endpoint("127.0.0.1", 1)
SECRET = "192.0.2.7"


def two_models(rules: Rules | None = None) -> Catalog:
    terms = Terms(cost={"engines": 1}, bounds=Bounds(drain=10.0))
    models = {name: Spec(name, Launch((name,)), terms) for name in ("a", "b")}
    return Catalog(models, {"gpt-4o": Alias("gpt-4o", "a")}, {"engines": 1}, rules or Rules())


class Tape:
    """A scheduler whose clock only the test moves, and a recorder that hears it. The clock begins at 1000."""

    def __init__(self, path: Path, rules: Rules | None = None) -> None:
        self.path = path
        self.now = 1000.0
        self.scheduler = Scheduler()
        self.recorder = Recorder(path, lambda: self.now, every=60.0)
        self.tell(0, CatalogChanged(two_models(rules)))

    def tell(self, seconds: float, event: Event) -> list[Command]:
        """So much later, this."""
        self.now += seconds
        commands = self.scheduler.handle(event, self.now)
        self.recorder.hear(event, commands)
        return commands

    def asks(self, seconds: float, ticket: int, model: str, client: str = SECRET) -> None:
        self.tell(seconds, Asked(Ticket(ticket), model, client))

    def leaves(self, seconds: float, ticket: int) -> None:
        self.tell(seconds, Left(Ticket(ticket)))

    def ready(self, seconds: float, model: str) -> None:
        self.tell(seconds, EngineReady(self.scheduler.book.engines[model].run, NOWHERE))

    def exits(self, seconds: float, model: str) -> None:
        self.tell(seconds, EngineExited(self.scheduler.book.engines[model].run, Exit(code=1)))

    def lines(self) -> list[dict[str, Any]]:
        """All after the header, once the recorder is closed."""
        self.recorder.close()
        header, *rest = [json.loads(line) for line in self.path.read_text().splitlines() if line]
        assert header == {"swapd_trace": 1}
        return rest


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    made = Tape(tmp_path / "trace.jsonl")
    yield made
    made.recorder.close()


def test_a_served_request_is_one_line_and_its_load_another(tape):
    tape.asks(5, 1, "a")
    tape.ready(4, "a")
    tape.leaves(2.5, 1)
    load, request = tape.lines()
    assert load == {"load": "a", "seconds": 4.0}
    assert request == {
        "arrival": 5.0,
        "model": "a",
        "service": 2.5,
        "client": "client-1",
        "waited": 4.0,
        "outcome": "served",
    }


def test_what_the_answer_took_is_written_as_far_as_it_is_known(tape):
    tape.asks(0, 1, "a")
    tape.asks(0, 2, "a")
    tape.ready(4, "a")
    tape.tell(2, Left(Ticket(1), Usage(0.25, 512, 80)))
    tape.tell(1, Left(Ticket(2), Usage(first_byte=0.5)))
    _, full, part = tape.lines()
    assert (full["first_byte"], full["prompt"], full["completion"]) == (0.25, 512, 80)
    assert part["first_byte"] == 0.5 and not {"prompt", "completion"} & part.keys()


def test_clients_are_numbers_in_order_of_appearance_and_their_names_are_nowhere(tape):
    tape.asks(0, 1, "a", "ada")
    tape.asks(0, 2, "a", SECRET)
    tape.asks(0, 3, "a", "ada")
    tape.ready(1, "a")
    for ticket in (1, 2, 3):
        tape.leaves(1, ticket)
    assert sorted(line["client"] for line in tape.lines() if "client" in line) == ["client-1"] * 2 + ["client-2"]
    text = tape.path.read_text()
    assert "ada" not in text
    assert SECRET not in text


def test_an_alias_is_written_as_its_model_and_an_unknown_name_not_at_all(tape):
    tape.asks(0, 1, "gpt-4o")
    tape.asks(0, 2, "my secret project")
    tape.leaves(3, 1)
    assert [(line["model"], line["outcome"]) for line in tape.lines()] == [
        ("unknown", "unknown_model"),
        ("a", "withdrawn"),
    ]
    assert "secret" not in tape.path.read_text()


def test_a_request_that_was_never_served_says_why(tmp_path):
    tape = Tape(tmp_path / "trace.jsonl", Rules(queue=1, wait=60.0))
    tape.asks(0, 1, "a")
    tape.asks(1, 2, "b")
    tape.tell(70, Ticked())
    assert [(line["outcome"], line["waited"], line["service"]) for line in tape.lines()] == [
        ("queue_full", 0.0, 0.0),
        ("queue_timeout", 71.0, 0.0),
    ]


def test_an_answer_that_was_cut_short_does_not_count_as_served(tape):
    tape.asks(0, 1, "a")
    tape.ready(1, "a")
    tape.asks(1, 2, "b")
    while not any(isinstance(command, Terminate) for command in tape.tell(1, Ticked())):
        assert tape.now < 1200, "it must be drained"
    tape.leaves(0, 1)
    assert [line["outcome"] for line in tape.lines() if "model" in line] == ["cut"]


def test_an_engine_that_dies_under_its_request_is_told_so(tape):
    tape.asks(0, 1, "a")
    tape.ready(1, "a")
    tape.exits(3, "a")
    tape.leaves(0, 1)
    assert [(line["outcome"], line["service"]) for line in tape.lines()[1:]] == [("engine_died", 3.0)]


def test_a_load_that_fails_is_no_load_and_an_open_request_no_line(tape):
    tape.asks(0, 1, "a")
    tape.exits(3, "a")
    tape.asks(100, 2, "b")
    assert [line["outcome"] for line in tape.lines()] == ["start_failed"]


def test_a_new_file_is_its_owners_alone_and_a_second_recording_goes_on_in_it(tmp_path):
    path = tmp_path / "trace.jsonl"
    for _ in range(2):
        tape = Tape(path)
        tape.asks(1, 1, "a")
        tape.ready(1, "a")
        tape.leaves(8, 1)
        tape.recorder.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [request.arrival for request in read(path.read_bytes().splitlines()).requests] == [1.0, 11.0]


def test_a_recording_that_broke_off_amidst_a_line_costs_only_that_line(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text('{"swapd_trace": 1}\n{"arrival": 1.0, "mod')
    tape = Tape(path)
    tape.asks(1, 1, "a")
    tape.leaves(1, 1)
    tape.recorder.close()
    found = read(path.read_bytes().splitlines())
    assert (len(found.requests), found.skipped) == (1, 1)


def wait_for(fact: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_the_file_is_brought_up_to_date_now_and_then(tmp_path):
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, time.monotonic, every=0.02)
    wait_for(lambda: path.exists() and b"swapd_trace" in path.read_bytes())
    recorder.hear(Asked(Ticket(1), "x", ""), [])
    recorder.hear(Left(Ticket(1)), [])
    wait_for(lambda: b"withdrawn" in path.read_bytes())
    recorder.close()


def test_a_file_that_cannot_be_written_is_said_once_and_costs_nothing_else(tmp_path, caplog):
    recorder = Recorder(tmp_path / "nowhere" / "trace.jsonl", time.monotonic, every=0.01)
    wait_for(lambda: bool(caplog.records))
    for ticket in range(5):
        recorder.hear(Asked(Ticket(ticket), "x", ""), [])
        recorder.hear(Left(Ticket(ticket)), [])
    recorder.close()
    [said] = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage() == (
        f"cannot record to {tmp_path}/nowhere/trace.jsonl: No such file or directory; name another file"
    )


def refused(path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """The one warning of a recorder that hears of a request, and is then closed."""
    recorder = Recorder(path, time.monotonic, every=0.01)
    wait_for(lambda: bool(caplog.records))
    recorder.hear(Asked(Ticket(1), "x", ""), [])
    recorder.hear(Left(Ticket(1)), [])
    recorder.close()
    [said] = caplog.records
    caplog.clear()
    return said.getMessage()


@pytest.mark.parametrize("held", [b"models: {}\n", b'{"swapd_tracer": 1}\n', b"\n\n", b"\0" * 9000])
def test_a_file_that_holds_anything_else_stays_as_it_is(held, tmp_path, caplog):
    path = tmp_path / "swapd.yaml"
    path.write_bytes(held)
    why = "it holds something that is not a trace"
    assert refused(path, caplog) == f"cannot record to {path}: {why}; name another file"
    assert path.read_bytes() == held


def test_a_link_is_not_followed_wherever_it_leads(tmp_path, caplog):
    for name in ("there", "nowhere"):
        link = tmp_path / f"to-{name}"
        link.symlink_to(tmp_path / name)
        (tmp_path / "there").touch()
        assert refused(link, caplog) == f"cannot record to {link}: it is a symbolic link; name another file"
    assert (tmp_path / "there").read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_or_a_device_is_no_file_to_record_in_and_nobody_waits_for_its_reader(tmp_path, caplog):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path(os.devnull)):
        assert refused(path, caplog) == f"cannot record to {path}: it is not a regular file; name another file"


def test_a_disk_that_takes_too_long_ends_the_recording(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(recorders, "MOST", 10)
    recorder = Recorder(tmp_path / "trace.jsonl", time.monotonic, every=60.0)
    for ticket in range(50):
        recorder.hear(Asked(Ticket(ticket), "x", ""), [])
        recorder.hear(Left(Ticket(ticket)), [])
    assert [record.getMessage().count("10 lines wait for the disk already") for record in caplog.records] == [1]
    recorder.close()


def test_clients_beyond_all_bounds_are_one(tmp_path, monkeypatch):
    monkeypatch.setattr(recorders, "MOST_CLIENTS", 2)
    tape = Tape(tmp_path / "trace.jsonl")
    for ticket in range(4):
        tape.asks(0, ticket, "a", f"peer {ticket}")
        tape.leaves(0, ticket)
    assert [line["client"] for line in tape.lines()] == ["client-1", "client-2", "others", "others"]


class Hands:
    """Engines that load for 30 ms and stop at once."""

    desk: Dispatcher

    def perform(self, command: Command) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(command, Spawn):
            loop.call_later(0.03, self.desk.post, EngineReady(command.run, NOWHERE))
        elif isinstance(command, Terminate):
            loop.call_soon(self.desk.post, EngineExited(command.run, Exit(code=0)))


async def test_what_a_true_desk_recorded_can_be_played_again(tmp_path):
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path, asyncio.get_running_loop().time)
    hands = Hands()
    desk = hands.desk = Dispatcher(Scheduler(), hands, [recorder.hear])
    desk.post(CatalogChanged(two_models(Rules(linger=0.0))))

    async def ask(model: str, client: str) -> RunId:
        async with desk.lease(model, client) as lease:
            await asyncio.sleep(0.01)
            return lease.run

    runs = [await ask(model, "ada") for model in ("a", "gpt-4o", "b", "a")]
    with pytest.raises(Refused):
        await ask("nobody", "ben")
    desk.close()
    recorder.close()
    trace = read(path.read_bytes().splitlines())
    assert [(r.model, r.client) for r in trace.requests if r.outcome == SERVED] == [
        (run.model, "client-1") for run in runs
    ]
    assert all(0.01 <= r.service < 1 for r in trace.requests if r.outcome == SERVED)
    assert all(0.03 <= seconds < 1 for seconds in trace.loads.values())
    [tally] = lab.run(lab.recorded("t", trace, two_models()), "bypass").tallies
    assert len(tally.requests) == 4
    assert [load.model for load in tally.loads] == ["a", "b", "a"]
