"""All that can happen to the ledger's file, and that what is learned survives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swapd.machine.ledger import Ledger
from tests.ledgers import Warnings, again, ran


@pytest.fixture
def warnings():
    return Warnings()


# --- what can happen to it ------------------------------------------------------------------------------------

BROKEN = [b"", b"\0" * 100, b"{", b"[]", b"{}", b'{"version": 1}', b'{"version": "1", "entries": {}}']
BROKEN += [b'{"version": 0, "entries": {}}', b'{"version": 1, "entries": []}', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_set_aside_and_swapd_learns_anew(tmp_path, warnings, content):
    path = tmp_path / "ledger.json"
    path.write_bytes(content)
    ledger = Ledger.open(tmp_path, warnings)
    (warning,) = warnings
    (aside,) = tmp_path.iterdir()
    days = {f"{datetime.now(UTC) - ago:%Y-%m-%d}" for ago in (timedelta(), timedelta(minutes=1))}  # midnight
    assert aside.name.removeprefix("ledger.json.broken-") in days
    assert aside.read_bytes() == content
    assert warning.startswith(f"cannot read the ledger {path}: ")
    assert warning.endswith(f"; it is now {aside.name}, and swapd learns anew what models take")
    ran(ledger)
    ledger.save()
    assert again(tmp_path).recall("k") is not None


@given(content=st.binary(max_size=40) | st.builds(lambda n: b'{"version": %d, "entries": {}}' % n, st.integers()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_whatever_is_in_the_file_it_opens_and_loses_nothing(tmp_path, content):
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "ledger.json").write_bytes(content)
    Ledger.open(tmp_path, Warnings())
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_file_that_was_set_aside_is_never_written_over(tmp_path, warnings):
    for n in range(3):
        (tmp_path / "ledger.json").write_bytes(b"broken %d" % n)
        Ledger.open(tmp_path, warnings)
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"broken 0", b"broken 1", b"broken 2"]
    assert len(set(warnings)) == 3


def test_a_ledger_from_the_future_is_set_aside_under_its_version(tmp_path, warnings):
    (tmp_path / "ledger.json").write_text('{"version": 7, "books": 3}')
    Ledger.open(tmp_path, warnings)
    (warning,) = warnings
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json.version-7"]
    assert "it is of version 7, this swapd knows 1; it is now ledger.json.version-7" in warning


def test_a_file_far_too_large_is_not_read_into_memory(tmp_path, warnings):
    with (tmp_path / "ledger.json").open("wb") as file:
        file.truncate(1 << 40)
    Ledger.open(tmp_path, warnings)
    assert "larger than 32 MiB" in warnings[0]


def test_garbage_in_one_entry_does_not_cost_the_others(tmp_path, warnings):
    ledger = again(tmp_path)
    for key in ("a", "b", "c", "d", "e"):
        ran(ledger, key=key)
    ledger.save()
    path = tmp_path / "ledger.json"
    told = json.loads(path.read_text())
    told["entries"]["a"] = None
    told["entries"]["b"]["peak"]["ram"] = -1
    del told["entries"]["c"]["model"]
    told["entries"]["d"]["recent"][0]["steady"] = {"ram": "1 GiB"}
    told["entries"]["e"]["of a later release"] = True
    path.write_text(json.dumps(told))
    ledger = Ledger.open(tmp_path, warnings)
    assert [key for key in "abcde" if ledger.recall(key)] == ["e"]
    (warning,) = warnings
    assert warning.startswith(f"cannot read 4 of 5 entries of the ledger {path} (first a: ")


def test_a_folder_that_cannot_be_is_told_once_and_the_ledger_lives_in_memory(tmp_path, warnings):
    (tmp_path / "file").touch()
    ledger = Ledger.open(tmp_path / "file" / "state", warnings)
    for _ in range(2):
        ran(ledger)
        ledger.save()
    assert ledger.recall("k").loads.count == 2
    (warning,) = warnings
    assert warning.startswith(f"cannot keep the ledger in {tmp_path / 'file' / 'state'}: Not a directory; ")


def test_a_read_only_folder_is_told_once_and_what_it_has_is_known(tmp_path, warnings, monkeypatch):
    ledger = again(tmp_path)
    ran(ledger)
    ledger.save()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    ledger = Ledger.open(tmp_path, warnings)
    ran(ledger)
    ledger.save()
    assert ledger.recall("k").loads.count == 2
    assert Ledger.open(tmp_path, lambda _: None).recall("k").loads.count == 1
    assert [text.partition(";")[0] for text in warnings] == [
        f"cannot keep the ledger in {tmp_path}: it is not writable"
    ]


def test_a_file_that_can_neither_be_read_nor_moved_is_left_alone(tmp_path, warnings):
    (tmp_path / "ledger.json" / "precious").mkdir(parents=True)
    ledger = Ledger.open(tmp_path, warnings)
    ran(ledger)
    ledger.save()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]
    (warning,) = warnings
    assert "Is a directory; swapd learns anew what models take; it cannot be set aside either" in warning


def test_a_save_that_fails_is_told_once_and_made_up_for_when_the_disk_has_room_again(
    tmp_path, warnings, monkeypatch
):
    ledger = Ledger.open(tmp_path, warnings)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        for _ in range(2):
            ran(ledger)
            ledger.save()
    assert [text.partition(";")[0] for text in warnings] == [
        f"cannot keep the ledger in {tmp_path}: No space left on device"
    ]
    assert list(tmp_path.iterdir()) == []
    ledger.save()
    assert again(tmp_path).recall("k").loads.count == 2


# --- killed, and in company -----------------------------------------------------------------------------------

COMMON = """
import os, random, signal, sys, time
from pathlib import Path
from swapd.machine.ledger import Ledger, Load, Taken

folder = Path(sys.argv[1])

def fail(text):
    raise SystemExit(text)

def write(name, times):
    ledger = Ledger.open(folder, fail)
    for n in range(times):
        for k in range(200):
            ledger.record(f"k{k}", f"{name} {n}", Taken({"ram": n}), load=Load(1.0, warm=True))
        ledger.save()

def whole():
    ledger = Ledger.open(folder, fail)
    models = {entry.model for k in range(200) if (entry := ledger.recall(f"k{k}"))}
    if len(models) != 1 or not ledger.recall("k199"):
        fail(f"torn: {models}")
"""

KILLS = (
    COMMON
    + """
write("first", 1)
kills = 0
while kills < 40 or len(list(folder.glob("*.tmp"))) < 5:  # a draft was left: it was killed in the middle of a save
    if (child := os.fork()) == 0:
        write(f"life {kills}", 1000)
        os._exit(0)
    time.sleep(random.uniform(0.001, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    whole()
    kills += 1
print("whole")
"""
)

COMPANY = (
    COMMON
    + """
write("first", 1)
children = []
for name in "ab":
    if (child := os.fork()) == 0:
        write(name, 10)
        os._exit(0)
    children.append(child)
running = set(children)
while running:
    whole()
    for child in list(running):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            running.remove(child)
            if status:
                fail(f"a writer failed: {status}")
whole()
print("whole")
"""
)


@pytest.mark.parametrize("play", [KILLS, COMPANY], ids=["kills", "company"])
def test_the_file_is_whole_whoever_is_killed_and_whoever_else_writes(tmp_path, play):
    end = subprocess.run(
        [sys.executable, "-c", play, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert (end.stdout, end.stderr, end.returncode) == ("whole\n", "", 0)
