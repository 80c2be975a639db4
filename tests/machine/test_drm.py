"""The AMD and Intel meter on built trees of /sys and /proc."""

from __future__ import annotations

import shutil

import pytest

from swapd.core.engine import RunId
from swapd.core.need import Gauge
from swapd.machine.drm import Drm
from tests.machine.recorded.kernel import AMDGPU, AMDGPU_OLD, AMDGPU_SILENT, I915, XE, amd, card, process, write

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ONE, TWO = "0000:03:00.0", "0000:0b:00.0"
A, B = RunId("a", 1), RunId("b", 2)


def test_amd_cards_are_named_by_the_bus_and_not_by_the_number_of_the_card(tmp_path):
    amd(tmp_path, 0, TWO, 16 * GIB, 2 * GIB)
    amd(tmp_path, 1, ONE, 24 * GIB, 1 * GIB, "AMD Radeon RX 7900 XTX")
    meter = Drm(tmp_path)
    assert [(d.name, d.label, d.total) for d in meter.devices] == [
        ("ROCm0", "AMD Radeon RX 7900 XTX", 24 * GIB),
        ("ROCm1", f"AMD GPU at {TWO}", 16 * GIB),
    ]
    assert meter.read(0, {}).gauges == {"ROCm0": Gauge(24 * GIB, 23 * GIB), "ROCm1": Gauge(16 * GIB, 14 * GIB)}


def test_what_draws_from_main_memory_or_is_of_another_maker_is_skipped(tmp_path):
    amd(tmp_path, 0, ONE, 512 * MIB, 0)
    card(tmp_path, 1, "0000:00:02.0", "0x8086", {})
    card(tmp_path, 2, TWO, "0x10de", {"mem_info_vram_total": 8 * GIB})
    card(tmp_path, 3, "0000:0c:00.0", "0x1002", {"mem_info_vram_total": "garbage"})
    assert Drm(tmp_path).devices == ()


def test_a_machine_without_cards_is_a_normal_machine(tmp_path):
    meter = Drm(tmp_path)
    reading = meter.read(0, {A: [10]})
    assert (meter.devices, reading.gauges, reading.taken, meter.problems) == ((), {}, {}, [])


def test_an_intel_card_tells_its_size_and_who_holds_what_but_not_what_is_free(tmp_path):
    tiles = {f"tile{n}/physical_vram_size_bytes": hex(8 * GIB) for n in (0, 1)}
    card(tmp_path, 0, ONE, "0x8086", tiles)
    process(tmp_path, 10, XE.format(slot=ONE, client=3, held="5 MiB"))
    meter = Drm(tmp_path)
    assert [(d.name, d.total) for d in meter.devices] == [("SYCL0", 16 * GIB)]
    reading = meter.read(0, {A: [10]})
    assert (reading.gauges, reading.taken, reading.lost) == ({}, {A: {"SYCL0": 5 * MIB}}, frozenset())


def test_an_intel_card_on_the_older_driver_counts_its_local_memory(tmp_path):
    folder = card(tmp_path, 0, ONE, "0x8086", {})
    write(folder.parent / "lmem_total_bytes", 16 * GIB)
    process(tmp_path, 10, I915.format(slot=ONE, client=3, held="512 MiB"))
    assert Drm(tmp_path).read(0, {A: [10]}).taken == {A: {"SYCL0": 512 * MIB}}


def test_a_client_that_shows_in_several_files_and_processes_is_counted_once(tmp_path):
    amd(tmp_path, 0, ONE, 24 * GIB, 0)
    same = AMDGPU.format(slot=ONE, client=7, held="9000 KiB")
    process(tmp_path, 10, same, same, AMDGPU.format(slot=ONE, client=8, held="1 MiB"))
    process(tmp_path, 11, same)
    assert Drm(tmp_path).read(0, {A: [10, 11]}).taken == {A: {"ROCm0": 9000 * KIB + MIB}}


def test_what_is_held_of_each_card_is_told_apart(tmp_path):
    amd(tmp_path, 0, ONE, 24 * GIB, 0)
    amd(tmp_path, 1, TWO, 24 * GIB, 0)
    one, two = AMDGPU.format(slot=ONE, client=7, held="3 MiB"), AMDGPU_OLD.format(slot=TWO, client=7, held="2048")
    process(tmp_path, 10, one, two)
    process(tmp_path, 20)
    taken = Drm(tmp_path).read(0, {A: [10], B: [20]}).taken
    assert taken == {A: {"ROCm0": 3 * MIB, "ROCm1": 2048}, B: {"ROCm0": 0, "ROCm1": 0}}


def test_a_driver_too_old_to_tell_leaves_the_run_out(tmp_path):
    amd(tmp_path, 0, ONE, 24 * GIB, GIB)
    process(tmp_path, 10, AMDGPU_SILENT.format(slot=ONE, client=7))
    reading = Drm(tmp_path).read(0, {A: [10]})
    assert (reading.taken, set(reading.gauges)) == ({}, {"ROCm0"})


@pytest.mark.parametrize("held", ["lots", "-1 KiB", "5 parsecs"])
def test_an_amount_that_is_none_is_not_told(tmp_path, held):
    amd(tmp_path, 0, ONE, 24 * GIB, GIB)
    process(tmp_path, 10, AMDGPU_OLD.format(slot=ONE, client=7, held=held))
    assert Drm(tmp_path).read(0, {A: [10]}).taken == {}


def test_a_process_that_has_ended_holds_nothing_and_a_run_without_any_is_left_out(tmp_path):
    amd(tmp_path, 0, ONE, 24 * GIB, 0)
    process(tmp_path, 10, AMDGPU.format(slot=ONE, client=7, held="1 MiB"))
    shutil.rmtree(tmp_path / "proc/10/fdinfo")
    process(tmp_path, 11, AMDGPU.format(slot=ONE, client=8, held="2 MiB"))
    taken = Drm(tmp_path).read(0, {A: [10, 11, 12], B: [13]}).taken
    assert taken == {A: {"ROCm0": 2 * MIB}}


def test_a_card_that_disappears_is_lost_and_the_others_are_read(tmp_path):
    folder = amd(tmp_path, 0, ONE, 24 * GIB, 0)
    amd(tmp_path, 1, TWO, 16 * GIB, 0)
    meter = Drm(tmp_path)
    shutil.rmtree(folder)
    for at in (1, 2):
        reading = meter.read(at, {})
        assert (reading.lost, set(reading.gauges)) == ({"ROCm0"}, {"ROCm1"})
    assert len(meter.problems) == 1


def test_a_card_whose_counter_is_garbage_for_a_moment_is_left_out_and_not_lost(tmp_path):
    folder = amd(tmp_path, 0, ONE, 24 * GIB, 0)
    meter = Drm(tmp_path)
    write(folder / "mem_info_vram_used", "")
    reading = meter.read(1, {})
    assert (reading.lost, reading.gauges) == (frozenset(), {})
    write(folder / "mem_info_vram_used", 25 * GIB)
    assert meter.read(2, {}).gauges == {"ROCm0": Gauge(24 * GIB, 0)}
