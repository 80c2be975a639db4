"""Every decision is one line, whatever reads it."""

from __future__ import annotations

import io
import json
import logging
import os
import re

import pytest

from swapd.core.commands import Cause, Kill, Note, Refuse, Revoke, Spawn, Terminate, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, LoadWished, Ticked, Ticket
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import LogSettings
from swapd.core.spec import Launch
from swapd.journal import Journal, configure, wall_clock

RUN = RunId("qwen", 7)


@pytest.fixture
def lines():
    """What is logged, configured to a stream; the old handlers come back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()

    def read(style: str = "text") -> list[str]:
        configure(LogSettings(format=style), {}, stream)
        return stream

    yield read
    root.handlers[:], level = before
    root.setLevel(level)


def test_a_life_reads_as_a_story(lines):
    stream = lines()
    journal = Journal()
    journal.hear(Ticked(), [Spawn(RUN, Launch(("x",)), Why(Cause.ASKED, detail="2 waiting"))])
    journal.hear(EngineReady(RUN, Endpoint("127.0.0.1", 9300)), [])
    journal.hear(Ticked(), [Note(RUN, Why(Cause.EVICTED, "gemma")), Revoke(Ticket(4), RUN, Why(Cause.CLOSING))])
    journal.hear(Ticked(), [Terminate(RUN, (), Why(Cause.DRAINED)), Kill(RUN)])
    journal.hear(EngineExited(RUN, Exit(signal="SIGKILL")), [])
    journal.hear(LoadWished("qwen"), [Refuse(Ticket(5), Refusal(Reason.CLOSING, "qwen"))])
    told = [line.split(maxsplit=3)[3] for line in stream.getvalue().splitlines()]
    assert re.sub(r"\d+\.\d+ s", "N s", "\n".join(told)) == (
        "start qwen#7: asked for (2 waiting)\n"
        "qwen#7 is ready at http://127.0.0.1:9300 after N s\n"
        "drain qwen#7: makes room for gemma\n"
        "cut ticket 4 off from qwen#7\n"
        "stop qwen#7: drained\n"
        "kill qwen#7: it did not stop in time\n"
        "qwen#7 is gone: killed by SIGKILL\n"
        "the operator wants to load qwen\n"
        "refuse ticket 5: cannot serve model 'qwen': swapd is shutting down"
    )


def test_a_swap_is_one_line_that_says_what_it_cost(lines, monkeypatch):
    stream = lines()
    journal = Journal()
    times = iter([1.0, 3.0, 3.5, 12.3])
    monkeypatch.setattr("swapd.journal.time.monotonic", lambda: next(times))
    gemma = RunId("gemma", 1)
    journal.hear(Ticked(), [Note(gemma, Why(Cause.EVICTED, "qwen"))])
    journal.hear(Ticked(), [Terminate(gemma, (), Why(Cause.DRAINED))])
    journal.hear(EngineExited(gemma, Exit(code=0)), [Spawn(RUN, Launch(("x",)), Why(Cause.PINNED))])
    journal.hear(EngineReady(RUN, Endpoint("127.0.0.1", 9300)), [])
    assert (
        stream.getvalue()
        .splitlines()[-1]
        .endswith("swap gemma -> qwen took 11.3 s (drain 2.0, stop 0.5, freed 0.0, load 8.8), pinned")
    )


def test_an_end_that_nobody_asked_for_is_a_warning_with_the_last_lines(lines):
    stream = lines()
    journal = Journal()
    journal.hear(EngineExited(RUN, Exit(code=1, log=("error: no",))), [])
    assert "WARNING qwen#7 failed: exited with code 1\n  | error: no" in stream.getvalue()


def test_json_is_one_object_a_line(lines):
    stream = lines("json")
    logging.getLogger("swapd").warning("two\nlines")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "two\nlines"
    assert json.loads(line)["level"] == "warning"


def test_under_systemd_every_line_carries_its_priority():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        info = os.fstat(writing)
        configure(LogSettings(), {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}, stream)
        logging.getLogger("swapd").error("two\nlines")
        logging.getLogger().handlers.clear()
    with os.fdopen(reading) as file:
        assert file.read() == "<3>two\n<3>lines\n"


EVIL = "\x1b[2J\rroot: all is well\x7f\x9b\u202e\u200b\u2028\udc80"
HARMLESS = r"\x1b[2J\x0droot: all is well\u007f\u009b\u202e\u200b\u2028\udc80"


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_name_can_drive_a_terminal_or_forge_a_line_of_the_log(style, lines):
    stream = lines(style)
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("swapd").exception("cannot find %s", EVIL)
    shown = stream.getvalue()
    assert all(each.isprintable() for each in shown.replace("\n", ""))
    if style == "json":
        told = json.loads(shown)
        assert told["message"] == f"cannot find {HARMLESS}"
        assert told["error"].endswith(f"ValueError: {HARMLESS}")
    else:
        assert f"ERROR   cannot find {HARMLESS}\n" in shown
        assert shown.endswith(f"ValueError: {HARMLESS}\n")


def test_under_systemd_a_name_is_as_harmless():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        info = os.fstat(writing)
        configure(LogSettings(), {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}, stream)
        logging.getLogger("swapd").warning("%s\n  | of ours", EVIL)
        logging.getLogger().handlers.clear()
    with os.fdopen(reading) as file:
        assert file.read() == f"<4>{HARMLESS}\n<4>  | of ours\n"


def test_a_monotonic_moment_becomes_a_wall_clock_stamp():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", wall_clock(5.0, 7.0))
    assert wall_clock(5.0, 7.0) < wall_clock(8.0, 7.0)
