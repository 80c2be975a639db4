"""The config in force: whatever a reading comes to, the next one is looked at."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from swapd.config import load
from swapd.core.events import CatalogChanged
from swapd.core.told import Told
from swapd.reload import Current

ONE = "models:\n  one: {path: /1.gguf, request: {set: {n: 1}}}\n"
BOUND = 10


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "swapd.yaml"
    path.write_text(ONE)
    return path


@pytest.fixture
def told() -> list[object]:
    """The events that were posted."""
    return []


@pytest.fixture
def said() -> list[Told]:
    """What people were told."""
    return []


@pytest.fixture
def current(file: Path, told: list[object], said: list[Told]) -> Current:
    return Current(file, {"HOME": "/h"}, load(file, {"HOME": "/h"}), lambda: "/x", told.append, said.append)


async def test_an_edit_that_breaks_the_reader_is_a_problem_and_the_next_edit_counts(
    file, current, told, monkeypatch, caplog
):
    with monkeypatch.context() as broken:
        broken.setattr(sys.modules["swapd.config.load"], "build", lambda *_: {}["socket"])
        file.write_text(ONE + "  two: {path: /2.gguf}\n")
        await current.look()
        await current.look()  # the same text: not read again, not told again
    (problem,) = current.problems
    told_of = "cannot read the config: KeyError('socket'); this is a bug in swapd, please report it"
    assert (problem["file"], problem["message"]) == (str(file), told_of)
    assert [bool(record.exc_info) for record in caplog.records].count(True) == 1
    assert told == []
    assert list(current.catalog.models) == ["one"]
    assert file in current.paths()
    file.write_text(ONE + "  three: {path: /3.gguf}\n")
    await current.look()
    assert (current.problems, list(current.catalog.models)) == ([], ["one", "three"])


async def test_its_text_is_shown_without_secrets_nor_the_files_that_hold_keys(file, current, tmp_path):
    (tmp_path / "key").write_text("the-key-of-a-file")
    (tmp_path / "more.yaml").write_text(
        "models: {two: {command: x --api-key sesame, env: {HF_TOKEN: abc}, health: 5}}\n"
    )
    file.write_text(f"include: [more.yaml]\nadmin: {{key_file: {tmp_path}/key}}\n{ONE}")
    assert "problems" in await current.reload()
    shown = await current.texts()
    assert [entry["path"] for entry in shown] == [str(file), str(tmp_path / "more.yaml")]
    assert shown[0]["text"] == file.read_text()
    assert shown[1]["text"] == "models: {two: {command: x --api-key HIDDEN, env: {HF_TOKEN: HIDDEN}, health: 5}}\n"
    file.write_text(f"admin: {{key: secret-of-mine}}\n{ONE}# secret-of-mine")
    assert "problems" not in await current.reload()
    (entry,) = await current.texts()
    assert entry["text"] == f"admin: {{key: HIDDEN}}\n{ONE}# HIDDEN"
    file.write_text("no: [yaml")
    assert "problems" in await current.reload()
    assert (await current.texts())[0]["text"] == "no: [yaml"
    (warning,) = current.warnings
    assert set(warning) == {"file", "line", "column", "key", "message"}


async def test_a_mistake_that_is_taken_back_is_told_to_be_over(file, current, told, caplog):
    caplog.set_level("INFO", "swapd")
    for text in (ONE + "  two: {}\n", ONE):
        file.write_text(text)
        await current.reload()
    assert [record.getMessage() for record in caplog.records][-2:] == [
        "the config has errors; the one in force stays",
        "the config is good again, and as the one in force",
    ]
    assert (current.problems, told) == ([], [])


async def test_people_are_told_what_changed_and_of_errors_and_their_end(file, current, said):
    for text in (ONE + "  two: {path: /2.gguf}\n", ONE + "  two: {}\n", ONE + "  two: {path: /2.gguf}\n", ONE):
        file.write_text(text)
        await current.reload()
    assert [(news.type, news.level, news.text) for news in said] == [
        ("config", "info", "config reloaded: added: two"),
        ("config", "warning", "the config has errors; the one in force stays"),
        ("config", "info", "the config is good again, and as the one in force"),
        ("config", "info", "config reloaded: removed: two"),
    ]
    keys = ("generation", "problems", "added", "removed")
    told = [tuple(news.data[key] for key in keys) for news in said]
    assert told == [(2, 0, ["two"], []), (2, 1, [], []), (2, 0, [], []), (3, 0, [], ["two"])]


async def test_of_a_thousand_names_people_are_told_some(file, current, said):
    many = "".join(f"  model-{number}: {{path: /x.gguf}}\n" for number in range(1000))
    file.write_text(ONE + many)
    await current.reload()
    assert (len(said[0].text), len(said[0].data["added"])) == (504, 100)


class Slow:
    """Holds up each reading until it is let go, and counts those that go on at the same time."""

    def __init__(self, real: Callable[..., object]) -> None:
        self.real = real
        self.begun, self.go = threading.Event(), threading.Event()
        self.now = self.most = self.done = 0

    def __call__(self, *args: object) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.set()
        self.go.wait(BOUND)
        self.now -= 1
        self.done += 1
        return self.real(*args)


async def test_a_reload_whose_client_goes_away_still_counts_and_no_other_begins_beside_it(
    file, current, told, monkeypatch
):
    slow = Slow(current._load)
    monkeypatch.setattr(current, "_load", slow)
    file.write_text(ONE + "  two: {path: /2.gguf}\n")
    first = asyncio.ensure_future(current.reload())
    await asyncio.to_thread(slow.begun.wait, BOUND)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    impatient, second = asyncio.ensure_future(current.reload()), asyncio.ensure_future(current.reload())
    await asyncio.sleep(0)
    impatient.cancel()  # whose turn has not come: its reading never begins
    slow.go.set()
    outcome = await asyncio.wait_for(second, BOUND)
    assert (first.cancelled(), slow.most, slow.done) == (True, 1, 2)
    assert outcome["added"] == []  # the first one added it
    assert [list(event.catalog.models) for event in told] == [["one", "two"]]


async def test_a_one_that_becomes_true_reaches_the_desk(file, current, told):
    file.write_text(ONE.replace("n: 1", "n: true"))
    assert (await current.reload())["retuned"] == ["one"]
    (event,) = told
    assert isinstance(event, CatalogChanged)
    assert event.catalog.models["one"].terms.service.edits.set["n"] is True
    file.write_text(ONE.replace("n: 1", "n: true") + "log: {level: warning}\n")
    assert (await current.reload())["settings"] == ["log"]
    assert len(told) == 1


class Circle:
    """Only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


async def test_reloads_keep_nothing_of_what_they_replaced_nor_of_what_was_under_way_meanwhile(file, current, told):
    left: list[weakref.ref[Circle]] = []
    held: list[int] = []
    for n in range(10):
        under_way = Circle()
        left.append(weakref.ref(under_way))
        models = "".join(f"  m{k}: {{path: /dev/null, threads: {n + 1}}}\n" for k in range(200))
        file.write_text("models:\n" + models)
        assert len((await current.reload())["relaunched" if n else "added"]) == 200
        del under_way, told[:]
        if n in (1, 9):
            gc.collect()
            held.append(len(gc.get_objects()) + gc.get_freeze_count())
    assert [ref() for ref in left] == [None] * 10
    assert held[1] < held[0] + 500
