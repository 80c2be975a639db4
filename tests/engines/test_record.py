"""The record of living engines: what the next daemon reads, whatever was done to it."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from swapd.core.need import Way
from swapd.core.spec import Launch, Standing
from swapd.engines import record
from swapd.engines.house import House
from swapd.engines.identity import Identity, boot_id
from swapd.engines.record import Entry, Unreadable, digest, read, write
from swapd.engines.register import Register
from tests.processes import until


def home(folder) -> House:
    return House(folder, None, "1.2")


def entry(model: str = "m", n: int = 1, **more) -> Entry:
    values = {"port": "9300", "host": "127.0.0.1"}
    fixed = (
        Identity(7, 8, boot_id(), "mark"),
        "digest",
        "x",
        values,
        ("CUDA0",),
        {"CUDA0": 5},
        ("stop", "m"),
        2.0,
    )
    return Entry(model, n, *fixed, **more)


def test_what_is_written_is_read_again(tmp_path):
    write(home(tmp_path), [entry("a"), entry("b/c: ü", 3, ready=True)])
    first, second = read(home(tmp_path))
    assert (first, second.model, second.ready) == (entry("a"), "b/c: ü", True)
    assert first.way == Way({"CUDA0": 5}, ("CUDA0",))
    assert (tmp_path / record.NAME).stat().st_mode & 0o777 == 0o600


def test_an_engine_whose_command_is_no_text_costs_the_others_nothing(tmp_path):
    odd = msgspec.structs.replace(entry("odd"), stop=("stop", os.fsdecode(b"\xff")))
    write(home(tmp_path), [odd, entry("a")])
    assert read(home(tmp_path)) == [entry("a")]


def test_nothing_was_recorded_where_there_is_no_file(tmp_path):
    assert read(home(tmp_path)) == []


def test_what_was_before_the_machine_was_started_does_not_count(tmp_path):
    write(home(tmp_path), [entry()])
    told = json.loads((tmp_path / record.NAME).read_text())
    (tmp_path / record.NAME).write_text(json.dumps(told | {"boot": "another"}))
    assert read(home(tmp_path)) == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"version": 1, "boot": "BOOT", "house": "1.2", "engines": [{}]}',
        b'{"version": 1, "boot": "BOOT", "house": "1.2", "engines": 5}',
        b'{"version": 2, "boot": "BOOT", "house": "1.2", "of the future": true}',
        b"[" * 100_000,
        b" " * (record.MOST_BYTES + 1),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_cannot_be_understood_is_said_to_be_so(tmp_path, text):
    (tmp_path / record.NAME).write_bytes(text.replace(b"BOOT", boot_id().encode()))
    with pytest.raises(Unreadable, match="cannot read"):
        read(home(tmp_path))


def test_a_field_of_a_later_build_of_the_same_version_is_passed_over(tmp_path):
    write(home(tmp_path), [entry()])
    told = json.loads((tmp_path / record.NAME).read_text())
    told["engines"][0]["later"] = told["more"] = 1
    (tmp_path / record.NAME).write_text(json.dumps(told))
    assert read(home(tmp_path)) == [entry()]


LAUNCHES = [
    Launch(("a", "b")),
    Launch(("a b",)),
    Launch(("a", "b"), env=(("X", "1"),)),
    Launch(("a", "b"), cwd="/"),
    Launch(("a", "b"), health="/h"),
    Launch(("a", "b"), loading=frozenset({1, 2})),
    Launch(("a", "b"), key="Authorization: Bearer secret"),
    Launch(("a", "b"), standing=Standing(nice=1)),
]


def test_each_launch_has_a_digest_of_its_own_which_tells_nothing():
    told = [digest(launch) for launch in LAUNCHES]
    assert len(set(told)) == len(LAUNCHES)
    assert digest(Launch(("a", "b"), loading=frozenset({2, 1}))) == told[5]
    assert not any("secret" in text for text in told)


async def test_the_register_writes_each_change_soon_and_the_last_one_wins(tmp_path):
    register = Register(home(tmp_path))
    for n in range(1, 50):
        register.put(entry("m", n))
        register.ready(entry("m", n).run)
        if n < 49:
            register.drop(entry("m", n).run)
    register.leaving(entry("m", 49).run)
    await register.aclose()
    assert read(home(tmp_path)) == [entry("m", 49, ready=True, leaving=True)]
    assert [path.name for path in tmp_path.iterdir()] == [record.NAME]


async def test_after_a_flush_nothing_older_is_written(tmp_path):
    register = Register(home(tmp_path))
    register.put(entry("a"))
    register.flush()
    write(home(tmp_path), [entry("theirs")])  # whoever came after us
    await register.aclose()
    assert [e.model for e in read(home(tmp_path))] == ["theirs"]


async def test_a_folder_that_takes_nothing_is_told_once(tmp_path, caplog):
    register = Register(home(tmp_path / "gone"))
    for n in range(3):
        register.put(entry("m", n))
        register.flush()
    await register.aclose()
    assert caplog.text.count("engines would not outlive this daemon") == 1


async def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("swapd.engines.register.AGAIN", 0.01)
    later = home(tmp_path / "later")
    register = Register(later)
    register.put(entry("m"))
    await until(lambda: "engines would not outlive this daemon" in caplog.text)
    (tmp_path / "later").mkdir()
    await until(lambda: read(later) == [entry("m")])
    await register.aclose()


def test_a_record_that_was_copied_with_its_folder_is_another_daemons(tmp_path):
    write(home(tmp_path), [entry("m")])
    assert read(House(tmp_path, None, "another")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_record_that_another_user_wrote_is_not_believed(tmp_path):
    write(home(tmp_path), [entry("m")])
    os.chown(tmp_path / record.NAME, 12345, -1)
    with pytest.raises(Unreadable, match="cannot trust"):
        read(home(tmp_path))


def test_a_link_in_the_place_of_a_draft_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"{record.NAME}.new").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        write(home(tmp_path), [entry("m")])
    assert victim.read_text() == "precious"
