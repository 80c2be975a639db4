"""Edits are seen, however an editor saves; noise is not; nothing is left behind."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from swapd.config.watch import watch
from swapd.tasks import spawn

BOUND = 8.0


module = importlib.import_module("swapd.config.watch")
STEP_IN_LIFE = module.STEP


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Shorter than in life, so that a hundred saves do not take a minute."""
    monkeypatch.setattr(module, "STEP", 50)
    monkeypatch.setattr(module, "LOOK_EVERY", 200)


class Seen:
    """Counts the calls, and waits for the next."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[int] = asyncio.Queue()

    async def changed(self) -> None:
        self.calls.put_nowait(1)

    async def once(self) -> None:
        await asyncio.wait_for(self.calls.get(), BOUND)


@asynccontextmanager
async def watching(paths: Callable[[], list[Path]]) -> AsyncIterator[Seen]:
    """A watcher that is known to hear: it reported its beginning, and an edit of the first path."""
    seen = Seen()
    task = spawn(watch(paths, seen.changed), "watch")
    try:
        await seen.once()
        append(paths()[0])
        await seen.once()
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def append(path: Path) -> None:
    target = path / "x.yaml" if path.is_dir() else path
    with target.open("a") as file:
        file.write("# x\n")


def rename(path: Path) -> None:
    new = path.with_suffix(".tmp")
    new.write_text(f"# {time.monotonic()}\n")
    new.replace(path)


def backup(path: Path) -> None:
    """As vim does: the old file moves away, a new one takes its name."""
    path.replace(path.with_suffix(".yaml~"))
    path.write_text(f"# {time.monotonic()}\n")


def vanish(path: Path) -> None:
    path.unlink()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "conf" / "swapd.yaml"
    path.parent.mkdir()
    path.write_text("# 1\n")
    return path


async def test_every_way_of_saving_is_seen_again_and_again(file):
    async with watching(lambda: [file]) as seen:
        for save in (rename, backup, append, rename, vanish, append):
            save(file)
            await seen.once()


async def test_a_burst_is_one_change(file, monkeypatch):
    monkeypatch.setattr(module, "STEP", 300)  # longer than anybody keeps us from the next edit of it
    async with watching(lambda: [file]) as seen:
        for _ in range(20):
            append(file)
        await seen.once()
        rename(file)  # a later edit is told apart, and proves that nothing else was reported before it
        await seen.once()
        assert seen.calls.empty()


async def test_noise_in_the_same_folder_is_no_change(file):
    looks = []
    async with watching(lambda: looks.append(1) or [file]) as seen:
        append(file.with_name("swapd.log"))
        looks.clear()
        await asyncio.wait_for(grown(looks), BOUND)  # it was woken, it looked
        assert seen.calls.empty()
        append(file)
        await seen.once()
        assert seen.calls.empty()


async def grown(looks: list[int]) -> None:
    while len(looks) < 3:
        await asyncio.sleep(0.01)


async def test_a_symlink_that_is_swapped_far_away_is_seen(tmp_path):
    """As a mounted config map does: ``swapd.yaml -> ..data/swapd.yaml``, and ``..data`` moves."""
    for name in ("v1", "v2", "v3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "swapd.yaml").write_text(f"# {name}\n")
    (tmp_path / "..data").symlink_to("v1")
    config = tmp_path / "swapd.yaml"
    config.symlink_to("..data/swapd.yaml")
    async with watching(lambda: [config]) as seen:
        for name in ("v2", "v3"):
            (tmp_path / "new").symlink_to(name)
            (tmp_path / "new").replace(tmp_path / "..data")
            await seen.once()
            append(tmp_path / name / "swapd.yaml")
            await seen.once()


async def test_a_new_file_in_a_listed_folder_is_seen(file):
    folder = file.parent / "models.d"
    folder.mkdir()
    async with watching(lambda: [file, folder]) as seen:
        (folder / "a.yaml").write_text("models: {}\n")
        await seen.once()
        (folder / "a.yaml").unlink()
        await seen.once()


async def test_the_paths_are_asked_again_after_a_change(file, tmp_path):
    more = tmp_path / "elsewhere" / "more.yaml"
    more.parent.mkdir()
    more.write_text("# 1\n")
    paths = [file]
    async with watching(lambda: paths) as seen:
        paths.append(more)
        append(file)
        await seen.once()
        append(more)
        await seen.once()


async def test_a_folder_that_vanishes_and_comes_back_is_watched_again(file):
    async with watching(lambda: [file]) as seen:
        shutil.rmtree(file.parent)
        await seen.once()
        file.parent.mkdir()
        file.write_text("# back\n")
        await seen.once()
        append(file)
        await seen.once()


async def test_links_in_a_circle_end_nothing(file):
    circle = file.with_name("circle.yaml")
    circle.symlink_to("circle.yaml")
    async with watching(lambda: [file, circle]) as seen:
        append(file)
        await seen.once()


async def test_an_edit_before_the_kernel_is_asked_to_watch_is_seen_at_once(file, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 60_000)
    seen = Seen()

    async def changed() -> None:
        if seen.calls.empty():
            append(file)
        await seen.changed()

    task = spawn(watch(lambda: [file], changed), "watch")
    for _ in range(2):
        await seen.once()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_edit_that_cannot_be_taken_over_is_logged_and_the_next_one_is_seen(file, caplog):
    seen = Seen()

    async def changed() -> None:
        await seen.changed()
        raise KeyError("socket")

    task = spawn(watch(lambda: [file], changed), "watch")
    await seen.once()
    for _ in range(2):
        append(file)
        await seen.once()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [record.message for record in caplog.records if record.exc_info] == [
        "cannot take over the edited config; the next edit is looked at"
    ] * 3


async def test_files_are_looked_at_in_a_thread_and_without_one_all_the_same(file, monkeypatch):
    lookers = set()

    def stamp(path: Path) -> None:
        lookers.add(threading.current_thread())

    monkeypatch.setattr(module, "_stamp", stamp)
    await module._look([file])
    assert lookers
    assert lookers.isdisjoint({threading.main_thread()})

    async def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "to_thread", none)
    await module._look([file])
    assert threading.main_thread() in lookers


def test_in_life_an_edit_is_noticed_within_a_second():
    assert STEP_IN_LIFE * 2 <= 1_000  # one to see it, one to see that nothing follows


@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_without_reports_from_the_kernel_it_looks_by_itself(file, monkeypatch, error):
    async def broken(*_, **__):
        raise error("no more watches")
        yield

    monkeypatch.setattr("watchfiles.awatch", broken)
    async with watching(lambda: [file]) as seen:
        rename(file)
        await seen.once()


async def test_a_folder_whose_name_is_no_text_is_looked_at_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("swapd.config.watch.LOOK_EVERY", 100)
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    file = folder / "swapd.yaml"
    file.write_text("models: {}\n")
    async with watching(lambda: [file]) as seen:
        rename(file)
        await seen.once()


def test_it_ends_promptly_and_leaves_no_thread(file):
    before = set(threading.enumerate())

    async def main() -> float:
        async with watching(lambda: [file]):
            began = time.monotonic()
        return time.monotonic() - began

    assert asyncio.run(main()) < 4
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(BOUND)
    assert not any(thread.is_alive() for thread in left)
    assert inotify_handles() == 0


def inotify_handles() -> int:
    found = 0
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(handle.readlink()) == "anon_inode:inotify"
    return found
