"""A walk through folders ends, whatever they hold, and holds little itself."""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from swapd.scan import Search, walk
from swapd.scan.found import Scan
from swapd.scan.walk import Walk
from tests.scan.playing import chat, scan, told


def test_folders_that_hold_no_models_are_passed_by(tmp_path):
    for folder in (".git", "node_modules", ".locks"):
        chat(tmp_path / folder / "hidden.gguf")
    chat(tmp_path / ".cache/seen.GGUF")
    assert [model.name for model in scan(tmp_path).models] == ["seen"]


def test_links_are_followed_once_and_never_in_circles(tmp_path):
    chat(tmp_path / "elsewhere/far.gguf")
    home = tmp_path / "home"
    chat(home / "a/near.gguf")
    for name, target in (("loop", home), ("up", tmp_path), ("root", Path("/")), ("in", home / "a")):
        (home / "a" / name).symlink_to(target)
    (home / "far").symlink_to(tmp_path / "elsewhere")
    (home / "again").symlink_to(tmp_path / "elsewhere")
    found = scan(home)
    assert [model.name for model in found.models] in (["near", "far"], ["far", "near"])
    assert found.entries < 20


def test_what_is_too_deep_or_cannot_be_entered_is_told(tmp_path, monkeypatch):
    chat(tmp_path / "1/2/3/deep.gguf")
    chat(tmp_path / "closed/x.gguf")
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(walk.os, "scandir", refusing)  # root enters everywhere
    found = scan(tmp_path, depth=3)
    assert found.models == []
    assert told(found) == {"3": "deeper than 3 levels: see --depth", "closed": "Permission denied"}


def test_only_so_many_files_are_opened_and_of_so_many_left_out_each_is_told(tmp_path):
    for n in range(250):
        (tmp_path / f"{n:03}.gguf").write_text("no")
    found = scan(tmp_path)
    assert (len(found.left), found.more_left) == (200, 50)
    found = scan(tmp_path, most=20)
    assert (len(found.left), found.cut) == (20, "it ended at 20 files: see --limit")


@pytest.fixture
def memory(tmp_path) -> Iterator[Path]:
    """A folder that no slow disk is behind, where there is one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        yield Path(folder)


def test_twenty_thousand_files_are_looked_at_in_no_time(memory):
    for n in range(20):
        folder = memory / str(n)
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        for name in range(1000):
            os.close(os.open(f"{name}.txt", os.O_CREAT, dir_fd=descriptor))
        os.close(descriptor)
    chat(memory / "19/one.gguf")
    began = time.monotonic()
    found = scan(memory)
    assert (len(found.models), found.entries) == (1, 20 * 1001 + 1)
    assert time.monotonic() - began < 5


class Entry:
    """A file of a folder that is not there."""

    def __init__(self, n: int) -> None:
        self.name = f"{n}.txt" if n % 1000 else f"{n}.gguf"
        self.path = f"/million/{self.name}"

    def is_dir(self, follow_symlinks: bool = True) -> bool:
        return False

    def is_symlink(self) -> bool:
        return False


class Million:
    """What ``os.scandir`` returns, with a million entries."""

    def __init__(self, count: int) -> None:
        self._entries = map(Entry, range(count))

    def __enter__(self):
        return self._entries

    def __exit__(self, *_):
        return None


def walked(monkeypatch, folder: Path, count: int) -> Scan:
    monkeypatch.setattr(walk.os, "scandir", lambda path: Million(count))
    found = Scan()
    assert list(Walk(found, 3, lambda store: iter(())).files(folder)) == []  # what is called a model is not there
    return found


def test_a_million_files_are_gone_through_one_by_one(monkeypatch, tmp_path):
    found = walked(monkeypatch, tmp_path, 1_000_000)
    assert found.entries == 1_000_000
    assert (len(found.left), found.more_left) == (200, 800)


def test_nothing_is_kept_of_the_files_that_are_passed_by(monkeypatch, tmp_path):
    tracemalloc.start()
    walked(monkeypatch, tmp_path, 50_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 18


@pytest.mark.parametrize("when", ["walking", "reading"])
def test_an_interrupt_leaves_what_was_found_until_then(tmp_path, monkeypatch, when):
    for name in ("a", "b"):
        chat(tmp_path / f"{name}.gguf")
    from swapd.cli.scan.config import facts_of

    def interrupting(path):
        if path.name == "b.gguf" or when == "walking":
            raise KeyboardInterrupt
        return facts_of(path)

    found = Search(interrupting).run([tmp_path])
    assert [model.name for model in found.models] == ([] if when == "walking" else ["a"])
    assert found.interrupted
