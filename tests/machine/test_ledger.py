"""What is remembered of engines: the sums, and that they outlive the daemon."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swapd.machine.ledger import LATEST, MOST_ENTRIES, Ledger, Load, Taken, need_of
from tests.ledgers import Warnings, again, ran

RESOURCES = st.sampled_from(["ram", "CUDA0", "Vulkan1"])
AMOUNTS = st.dictionaries(RESOURCES, st.integers(0, 1 << 50), max_size=3)


@pytest.fixture
def ledger(tmp_path):
    return again(tmp_path)


# --- what is reckoned -----------------------------------------------------------------------------------------


def test_nothing_is_known_of_what_never_ran(ledger):
    assert ledger.recall("k") is None


def test_the_next_load_is_reckoned_with_the_larger_of_peak_and_steady(ledger):
    entry = ledger.record("k", "gemma", Taken({"ram": 5, "CUDA0": 9}, {"ram": 7, "CUDA0": 8, "CUDA1": 1}))
    assert need_of(entry) == {"ram": 7, "CUDA0": 9, "CUDA1": 1}


def test_the_highest_peak_of_all_runs_is_kept(ledger):
    for peak in (3, 9, *[4] * 2 * LATEST):
        ran(ledger, peak=peak, steady=0)
    assert ledger.recall("k").peak == {"ram": 9}


def test_one_short_run_does_not_make_us_forget_a_long_one_but_many_do(ledger):
    ran(ledger, steady=9)
    for _ in range(LATEST - 1):
        assert ran(ledger, steady=4).steady == {"ram": 9}
    assert ran(ledger, steady=4).steady == {"ram": 4}


def test_more_news_of_a_run_is_no_new_run(ledger):
    ran(ledger, peak=5, steady=0)
    for steady in (4, 8, 6):
        ran(ledger, peak=0, steady=steady, load=None)
    entry = ledger.recall("k")
    assert (entry.loads.count, len(entry.recent)) == (1, 1)
    assert need_of(entry) == {"ram": 8}


def test_cold_and_warm_loads_are_told_apart_and_an_odd_one_counts_by_half(ledger):
    assert ran(ledger, load=Load(8.0, warm=False)).loads.warm is None
    ran(ledger, load=Load(2.0, warm=True))
    loads = ran(ledger, load=Load(4.0, warm=True)).loads
    assert (loads.count, loads.cold, loads.warm) == (3, 8.0, 3.0)


def test_each_set_of_devices_and_each_launch_is_remembered_by_itself(ledger):
    ran(ledger, peak=5, devices=("CUDA0",))
    ran(ledger, peak=6, devices=("CUDA1", "CUDA0"))
    assert ledger.recall("k", ("CUDA0",)).peak == {"ram": 5}
    assert ledger.recall("k", ("CUDA0", "CUDA1")).peak == {"ram": 6}
    assert ledger.recall("k", ("CUDA1",)) is None
    assert ledger.recall("other", ("CUDA0",)) is None
    assert ledger.recall("k") is None


def test_a_prediction_is_measured_by_the_run_it_was_made_for(ledger):
    ran(ledger, peak=800, steady=700)
    entry = ran(ledger, peak=100, steady=0, predicted={"ram": 110})
    assert entry.error == {"ram": pytest.approx(0.1)}
    entry = ran(ledger, peak=0, steady=125, load=None)  # it turned out to take more
    assert entry.predicted == {"ram": 110}
    assert entry.error == {"ram": pytest.approx(-0.12)}


def test_a_load_without_a_prediction_has_no_error(ledger):
    ran(ledger, predicted={"ram": 1})
    assert ran(ledger).error == {}


@pytest.mark.parametrize(
    ("predicted", "took", "error"),
    [
        ({"ram": 5}, {"ram": 0}, {"ram": 1.0}),
        ({"ram": 0}, {"ram": 0}, {"ram": 0.0}),
        ({"ram": 5}, {"ram": 5, "CUDA0": 3}, {"ram": 0.0, "CUDA0": -1.0}),
        ({"ram": 5, "CUDA0": 3}, {"ram": 5}, {"ram": 0.0}),  # CUDA0 was not read
    ],
)
def test_the_error_is_defined_where_one_side_is_nothing(ledger, predicted, took, error):
    assert ledger.record("k", "x", Taken(took), load=Load(1, warm=True), predicted=predicted).error == error


def test_after_one_load_the_next_prediction_is_right_within_five_percent(ledger):
    """As it goes: estimated from the file, loaded, measured; then a little more context in use the next time."""
    first = ran(ledger, peak=1000, steady=1040, predicted={"ram": 1700})
    assert first.error["ram"] > 0.5
    second = ran(ledger, peak=1005, steady=1060, predicted=need_of(first))
    assert abs(second.error["ram"]) <= 0.05


@given(peak=AMOUNTS, steady=AMOUNTS, predicted=AMOUNTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_recorded_is_recalled_in_the_next_life(tmp_path, peak, steady, predicted):
    (tmp_path / "ledger.json").unlink(missing_ok=True)
    ledger = again(tmp_path)
    entry = ledger.record(
        "k", "gemma", Taken(peak, steady), devices=("CUDA0",), load=Load(0.5, warm=True), predicted=predicted
    )
    ledger.save()
    known = again(tmp_path).recall("k", ("CUDA0",))
    assert known == entry
    took = {name: max(peak.get(name, 0), steady.get(name, 0)) for name in {*peak, *steady}}
    assert need_of(known) == took
    for name, error in known.error.items():
        assert error * took[name] == pytest.approx(predicted.get(name, 0) - took[name]) or took[name] == 0
    assert set(known.error) == (set(took) if predicted else set())


def test_an_absurd_prediction_can_be_kept_too(ledger, tmp_path):
    ran(ledger, predicted={"ram": 1 << 200})
    ledger.save()
    assert again(tmp_path).recall("k").error["ram"] > 1e6


# --- the file -------------------------------------------------------------------------------------------------


def test_the_file_is_versioned_json_for_its_owner_only(ledger, tmp_path):
    ran(ledger, devices=("CUDA1", "CUDA0"))
    ledger.save()
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert told["version"] == 1
    (entry,) = told["entries"].values()
    assert entry["model"] == "gemma"
    assert datetime.now(UTC) - datetime.fromisoformat(entry["seen"]) < timedelta(minutes=1)


def test_the_state_folder_is_made(tmp_path):
    folder = tmp_path / "state" / "swapd"
    ledger = again(folder)
    ran(ledger)
    ledger.save()
    assert again(folder).recall("k") == ledger.recall("k")


def test_without_news_nothing_is_written(ledger, tmp_path):
    ledger.save()
    assert list(tmp_path.iterdir()) == []
    ran(ledger)
    ledger.save()
    (tmp_path / "ledger.json").unlink()
    ledger.save()
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_lives_in_memory(tmp_path, monkeypatch):
    warnings = Warnings()
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.open(None, warnings)
    ran(ledger)
    ledger.save()
    assert ledger.recall("k") is not None
    assert list(tmp_path.iterdir()) == []
    assert warnings == []


def test_the_last_seen_are_kept_when_there_are_too_many(ledger, tmp_path):
    for n in range(MOST_ENTRIES):
        ran(ledger, key=f"k{n}")
    ran(ledger, key="k0")
    ran(ledger, key="new")
    ledger.save()
    for known in (ledger, again(tmp_path)):
        assert known.recall("k1") is None
        assert known.recall("k0") is not None
        assert known.recall("k2") is not None
        assert known.recall("new") is not None


def test_the_bytes_are_on_the_disk_before_they_get_the_name(ledger, monkeypatch):
    """Or a power cut leaves the name on an empty file. Cannot be seen without one, so the calls are."""
    told = []
    fsync, replace = os.fsync, os.replace

    def seen(what, real):
        return lambda *args: (told.append(what(*args)), real(*args))[1]

    monkeypatch.setattr(
        os, "fsync", seen(lambda fd: "dir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file", fsync)
    )
    monkeypatch.setattr(os, "replace", seen(lambda *_: "replace", replace))
    ran(ledger)
    ledger.save()
    assert told == ["file", "replace", "dir"]


def test_drafts_of_killed_writers_are_swept_but_not_one_that_is_being_written(tmp_path):
    old, new, other = (tmp_path / name for name in ("ledger.json.a.tmp", "ledger.json.b.tmp", "other.tmp"))
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    again(tmp_path)
    assert {*tmp_path.iterdir()} == {new, other}
