"""The annals outlive their daemon: written down, brought back, and harmless where that cannot be."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from swapd.core import events as fact
from swapd.history import keeper, kept
from swapd.history.keeper import Keeper
from tests.history.play import Past, answered, swap
from tests.processes import until


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(monkeypatch, "a", "b")


def after(monkeypatch: pytest.MonkeyPatch, seconds: float, *names: str) -> Past:
    """A daemon that begins so much later, on a machine that was started anew."""
    later = Past(monkeypatch, *names)
    later.now, later.slept = 50.0, 100_000.0 - 50.0 + seconds
    return later


async def test_what_happened_is_told_by_the_next_daemon_as_by_the_last(past, monkeypatch, tmp_path):
    swap(past).leave(2, 3, 4, after=1)
    past.history.count([answered(past, "a"), answered(past, "b", completion=None)])
    before = await past.told()
    await Keeper(past.history, tmp_path).save()
    later = after(monkeypatch, 60.0)
    await Keeper(later.history, tmp_path).bring()
    later.knows("a", "b")
    told = await later.told()
    (lasting,) = [span for span in before["models"]["b"] if span["until"] is None]
    lasting["until"] = before["until"]  # the daemon ended, and with it all that it saw
    assert {**told, "from": 0, "until": 0} == {**before, "from": 0, "until": 0}
    assert later.history.about("b")["last_swap"] == past.history.about("b")["last_swap"] is not None
    assert later.history.about("a")["requests"] == 0, "counts are those of this daemon"


async def test_who_still_waited_has_waited_until_the_daemon_ended(past, monkeypatch, tmp_path):
    past.asks("a", 1)
    past.now += 7
    await Keeper(past.history, tmp_path).save()
    later = after(monkeypatch, 60.0)
    await Keeper(later.history, tmp_path).bring()
    (wait,) = (await later.told())["waits"]
    assert (wait["model"], past.seconds(wait["until"]), wait["longest"]) == ("a", 7.0, 7.0)


async def test_what_goes_on_is_told_after_what_was(past, monkeypatch, tmp_path):
    swap(past)
    past.history.count([answered(past, "a")])
    await Keeper(past.history, tmp_path).save()
    later = after(monkeypatch, 60.0)
    await Keeper(later.history, tmp_path).bring()
    later.knows("a", "b")
    swap(later)
    later.history.count([answered(later, "b")])
    told = await later.told()
    assert [(span["state"], span["run"]) for span in told["models"]["b"]] == [("starting", 1), ("ready", 1)] * 2
    assert [row["model"] for row in told["requests"]] == ["a", "b"]
    assert len(told["swaps"]) == 2
    assert later.history.rows(1)[0] == told["requests"][1:], "who reads on hears of new ones alone"


async def test_what_is_a_day_old_by_then_is_forgotten(past, monkeypatch, tmp_path):
    swap(past).leave(2, 3, 4)
    await Keeper(past.history, tmp_path).save()
    later = after(monkeypatch, 25 * 3600.0)
    await Keeper(later.history, tmp_path).bring()
    later.knows("a", "b")
    told = await later.told(hours=1000.0)
    assert (told["models"], told["swaps"], told["waits"]) == ({}, [], [])


async def test_the_file_is_its_owners_alone_whatever_the_umask(past, tmp_path):
    before = os.umask(0)
    try:
        await Keeper(past.history, tmp_path).save()
    finally:
        os.umask(before)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [(kept.FILE, 0o600)]


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _half(path: Path) -> None:
    path.write_text('{"version": 1, "at": "2026-01-01T00:00:00.000Z", "spans": [["a", {"state"')


def _deep(path: Path) -> None:
    path.write_text('{"version": 1, "spans": ' + "[" * 100_000)


def _future(path: Path) -> None:
    path.write_text('{"version": 2}')


def _timeless(path: Path) -> None:
    row = [1e300, [1.0, 1.0, "id", "GET", "/", 200, "", "ann", "a", None, 0.0, 0.0, None, None, None]]
    lists = {"spans": [], "swaps": [], "waits": [], "requests": [row]}
    path.write_bytes(msgspec.json.encode({"version": 1, "at": "2026-01-01T00:00:00.000Z", **lists}))


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(kept.MOST_BYTES + 1)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    "damage", [_garbage, _half, _deep, _future, _timeless, _huge, _link, Path.mkdir, os.mkfifo]
)
async def test_what_cannot_be_read_is_said_in_a_line_and_the_past_begins_anew(past, tmp_path, caplog, damage):
    damage(tmp_path / kept.FILE)
    await Keeper(past.history, tmp_path).bring()
    (record,) = caplog.records
    assert record.getMessage().startswith(f"cannot read {tmp_path / kept.FILE}: ")
    assert record.getMessage().endswith("; the past begins anew")
    told = await past.told()
    assert (told["models"], told["requests"]) == ({}, [])


async def test_where_nothing_was_left_nothing_is_said(past, tmp_path, caplog):
    await Keeper(past.history, tmp_path).bring()
    assert caplog.records == []


async def test_a_state_folder_of_another_daemon_is_neither_read_nor_written(past, tmp_path, monkeypatch, caplog):
    ours = Keeper(past.history, None)
    await ours.bring()
    await ours.save()
    ours.save_at_once()
    assert caplog.records == []


async def test_a_folder_that_cannot_be_written_is_said_in_a_line(past, tmp_path, caplog):
    lost = Keeper(past.history, tmp_path / "gone")
    await lost.save()
    (record,) = caplog.records
    assert record.getMessage().startswith("cannot save the history: ")


async def test_what_is_no_text_is_said_in_a_line_and_holds_no_goodbye_up(past, tmp_path, caplog):
    past.history.count([answered(past, "\udcff")])
    await Keeper(past.history, tmp_path).save()
    assert "cannot save the history: 'utf-8' codec can't encode" in caplog.text


async def test_a_disk_that_does_not_answer_holds_nobody_up(past, tmp_path, monkeypatch, caplog):
    answers, asked = Event(), []

    def write(*_: Any) -> None:
        asked.append(1)
        answers.wait(30)

    monkeypatch.setattr(keeper, "LAST_SAVE", 0.05)
    monkeypatch.setattr(keeper, "write", write)
    ours = Keeper(past.history, tmp_path)
    try:
        await ours.save()
        ours.save_at_once()  # returns, though the first still hangs
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "does not answer" in caplog.text
        assert asked == [1]
    finally:
        answers.set()


@pytest.mark.parametrize("what", ["a request has ended", "a model came up"])
async def test_it_is_saved_soon_after_something_has_happened_and_then_no_more(past, tmp_path, monkeypatch, what):
    monkeypatch.setattr(keeper, "EVERY", 0.05)
    Keeper(past.history, tmp_path)
    path = tmp_path / kept.FILE
    for _ in range(3):
        if what == "a request has ended":
            past.history.count([answered(past, "a")])
        else:
            swap(past).leave(2, 3, 4)
    assert not path.exists(), "nobody is held up"
    await until(path.exists)
    told = msgspec.json.decode(path.read_bytes())
    assert told["requests"] or told["spans"]
    path.unlink()
    past.hears(fact.Ticked())
    await asyncio.sleep(0.2)
    assert not path.exists(), "nothing has happened since"
