"""Drivers and disks that do not answer: what hangs is left behind, and the rest goes on."""

from __future__ import annotations

import asyncio
import threading

import pytest

from swapd.core.events import Asked, Ticket
from swapd.core.need import RAM, Source, Way
from swapd.machine.needs import weigh
from tests.machine.playing import GIB
from tests.processes import until


@pytest.fixture
def gate():
    """What hangs waits for this; it goes on when the test is over."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def dead(monkeypatch, gate):
    """Models of this name lie on a server that is gone; nobody is patient."""
    monkeypatch.setattr("swapd.machine.weigher.PATIENCE", 0.05)
    hanging = lambda argv, *more: gate.wait(20) if "dead" in argv[2] else weigh(argv, *more)  # noqa: E731
    monkeypatch.setattr("swapd.machine.weighing.weigh", hanging)


async def test_a_file_that_does_not_answer_holds_up_no_other_model(play, dead, caplog):
    play.begin(play.spec("dead"), play.spec("dead2", ram=GIB), play.spec("beta"))
    assert (await play.weighed("beta")).need.source is Source.HEADER
    assert (await play.weighed("dead")).need.detail == "its file does not answer"
    assert (await play.weighed("dead")).need.source is Source.UNKNOWN
    assert (await play.weighed("dead2")).need.ways == (Way({RAM: GIB}),)
    assert "cannot weigh dead: its file does not answer" in caplog.text


async def test_a_reading_that_takes_too_long_is_told_once(play, gate, monkeypatch, caplog):
    monkeypatch.setattr("swapd.machine.watch.SLOW", 0.02)
    read, begun = play.machine.read, []

    def slow(at, trees):
        begun.append(at)
        gate.wait(20)
        return read(at, trees)

    play.machine.read = slow
    play.begin()
    await until(lambda: "has not answered" in caplog.text)
    gate.set()
    await until(lambda: play.machine.readings == 1)
    gate.clear()
    play.scales.hear(Asked(Ticket(1), "alpha"), [])
    await until(lambda: len(begun) == 2)
    await asyncio.sleep(0.05)  # more than SLOW
    gate.set()
    await until(lambda: play.machine.readings == 2)
    assert caplog.text.count("has not answered") == 1


async def test_a_driver_that_hangs_does_not_keep_the_meters_from_being_given_up(play, gate, monkeypatch, caplog):
    monkeypatch.setattr("swapd.machine.watch.LAST_READING", 0.05)
    play.machine.close = lambda: gate.wait(20)
    play.begin()
    await until(lambda: play.machine.readings)
    await play.scales.aclose()
    assert "cannot close the meters" in caplog.text


async def test_a_disk_that_hangs_does_not_keep_the_ledger_from_being_given_up(play, gate, monkeypatch, caplog):
    monkeypatch.setattr("swapd.machine.saver.LAST_SAVE", 0.05)
    play.ledger.save = lambda: gate.wait(20)
    await play.scales.aclose()
    assert "cannot save the ledger" in caplog.text


async def test_who_asks_for_what_is_not_up_has_the_meters_read(play):
    play.begin()
    await until(lambda: play.machine.readings)
    play.scales.hear(Asked(Ticket(1), "alpha"), [])
    await until(lambda: play.machine.readings == 2, 3.0)  # half a minute later otherwise


async def test_a_crowd_has_the_meters_read_once(play):
    play.begin()
    await until(lambda: play.machine.readings)
    for number in range(100):
        play.scales.hear(Asked(Ticket(number), "alpha"), [])
    with pytest.raises(TimeoutError):
        await until(lambda: play.machine.readings > 1, 0.5)
