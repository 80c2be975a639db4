"""All meters as one: the engine's names, what only the engine knows, and that nothing ever raises."""

from __future__ import annotations

import os
import time

import pytest

from swapd.core.engine import RunId
from swapd.core.need import RAM, Gauge
from swapd.machine.drm import Drm
from swapd.machine.listing import Device, Listed
from swapd.machine.meter import Meter, matched, open_meter
from swapd.machine.nvidia import Nvidia
from swapd.machine.ram import Ram
from tests.machine.recorded.kernel import AMDGPU, amd, process, status, write
from tests.machine.recorded.nvml import GPU_IS_LOST, Gpu, Nvml

MIB, GIB = 1 << 20, 1 << 30
ONE, TWO = "0000:03:00.0", "0000:0b:00.0"
A, B = RunId("a", 1), RunId("b", 2)


def meter_of(root, *gpus, listing=()):
    return Meter(Ram(root), (Nvidia(Nvml(*gpus)), Drm(root)), listing)


def test_a_machine_without_gpu_has_memory_and_no_problem(tmp_path):
    meter = meter_of(tmp_path)
    assert (meter.devices, set(meter.total), meter.problems) == ((), {RAM}, ())
    assert set(meter.read(0, {}).gauges) == {RAM}


def test_all_resources_come_in_one_reading(tmp_path):
    amd(tmp_path, 0, ONE, 16 * GIB, GIB)
    process(tmp_path, 10, AMDGPU.format(slot=ONE, client=1, held="7 MiB"))
    status(tmp_path, 10, anon=100, file=50)
    meter = meter_of(tmp_path, Gpu("GPU-1", 24 * GIB, 4 * GIB, compute=[(10, 20 * GIB)]))
    reading = meter.read(3.5, {A: [10]})
    assert reading.at == 3.5
    assert reading.gauges["CUDA0"] == Gauge(24 * GIB, 4 * GIB)
    assert reading.gauges["ROCm0"] == Gauge(16 * GIB, 15 * GIB)
    assert reading.taken == {A: {RAM: 150 << 10, "CUDA0": 20 * GIB, "ROCm0": 7 * MIB}}
    assert meter.total == {RAM: reading.gauges[RAM].total, "CUDA0": 24 * GIB, "ROCm0": 16 * GIB}


def test_a_vulkan_engine_names_the_cards_in_its_own_way(tmp_path):
    amd(tmp_path, 0, ONE, 16 * GIB, GIB)
    process(tmp_path, 10, AMDGPU.format(slot=ONE, client=1, held="7 MiB"))
    listing = [Listed("Vulkan0", "NVIDIA Test 24", 24000 * MIB, 9), Listed("Vulkan1", "RADV", 16300 * MIB, 9)]
    meter = meter_of(tmp_path, Gpu("GPU-1", 24 * GIB, 4 * GIB), listing=listing)
    assert meter.devices == (Device("Vulkan0", "NVIDIA Test 24", 24 * GIB), Device("Vulkan1", "RADV", 16 * GIB))
    reading = meter.read(0, {A: [10]})
    assert reading.gauges["Vulkan0"] == Gauge(24 * GIB, 4 * GIB)
    assert reading.gauges["Vulkan1"] == Gauge(16 * GIB, 15 * GIB)
    assert reading.taken == {A: {"Vulkan1": 7 * MIB}}


def test_cards_are_matched_by_name_and_size_then_by_size_then_by_name():
    cards = [Device("ROCm0", "", 16 * GIB), Device("ROCm1", "", 24 * GIB)]
    other_order = [Listed("ROCm0", "x", 24 * GIB, 0), Listed("ROCm1", "y", 16 * GIB, 0)]
    assert {own: entry.name for own, entry in matched(cards, other_order).items()} == {
        "ROCm0": "ROCm1",
        "ROCm1": "ROCm0",
    }
    twins = [Device("CUDA0", "", 24 * GIB), Device("CUDA1", "", 24 * GIB)]
    listed = [Listed("CUDA1", "x", 23 * GIB, 0), Listed("CUDA0", "x", 23 * GIB, 0)]
    assert {own: entry.name for own, entry in matched(twins, listed).items()} == {
        "CUDA0": "CUDA0",
        "CUDA1": "CUDA1",
    }
    slice_of_it = [Listed("CUDA0", "x", 5 * GIB, 0)]
    assert matched(twins[:1], slice_of_it) == {"CUDA0": slice_of_it[0]}


def test_a_card_that_the_engine_does_not_see_gives_its_name_to_the_one_it_sees(tmp_path):
    amd(tmp_path, 0, ONE, 16 * GIB, 0)
    amd(tmp_path, 1, TWO, 24 * GIB, GIB)
    meter = meter_of(tmp_path, listing=[Listed("ROCm0", "big", 24 * GIB, 0)])
    assert meter.devices == (Device("ROCm0", "big", 24 * GIB),)
    assert meter.read(0, {}).gauges["ROCm0"] == Gauge(24 * GIB, 23 * GIB)


def test_what_only_the_engine_knows_is_a_gauge_once_and_a_total_for_ever(tmp_path):
    meter = meter_of(tmp_path, listing=[Listed("Vulkan0", "Some GPU", 8 * GIB, 7 * GIB)])
    assert meter.devices == (Device("Vulkan0", "Some GPU", 8 * GIB),)
    assert meter.read(0, {}).gauges["Vulkan0"] == Gauge(8 * GIB, 7 * GIB)
    assert "Vulkan0" not in meter.read(1, {}).gauges
    assert meter.total["Vulkan0"] == 8 * GIB


def test_a_card_that_the_engine_lists_under_two_backends_is_one_card(tmp_path):
    listing = [
        Listed("CUDA0", "NVIDIA Test 24", 24 * GIB, GIB),
        Listed("Vulkan0", "NVIDIA Test 24 (driver 1)", 24 * GIB, GIB),
    ]
    meter = meter_of(tmp_path, Gpu("GPU-1", 24 * GIB, 4 * GIB), listing=listing)
    assert [device.name for device in meter.devices] == ["CUDA0"]
    assert set(meter.read(0, {}).gauges) == {RAM, "CUDA0"}


def test_a_second_card_of_the_same_kind_that_no_meter_knows_is_one_more(tmp_path):
    listing = [Listed(f"Vulkan{n}", "NVIDIA Test 24", 24 * GIB, GIB) for n in (0, 1)]
    meter = meter_of(tmp_path, Gpu("GPU-1", 24 * GIB, 4 * GIB), listing=listing)
    assert [device.name for device in meter.devices] == ["Vulkan0", "Vulkan1"]
    assert meter.read(0, {}).gauges["Vulkan0"].free == 4 * GIB


def test_problems_grow_at_their_end_only(tmp_path):
    folder = amd(tmp_path, 0, ONE, 16 * GIB, GIB)
    library = Nvml(Gpu("GPU-1"), Gpu("GPU-2", broken=GPU_IS_LOST))
    meter = Meter(Ram(tmp_path), (Nvidia(library), Drm(tmp_path)))
    at_first = meter.problems
    assert at_first[0].startswith("cannot read NVIDIA GPU 1: ")
    write(folder / "mem_info_vram_used", "")
    meter.read(1, {})
    then = meter.problems
    library.gpus[0].broken = GPU_IS_LOST
    meter.read(2, {})
    assert then[:1] == at_first and meter.problems[:2] == then
    assert [problem.split()[2] for problem in meter.problems] == ["NVIDIA", "ROCm0", "CUDA0"]


def test_a_lost_gpu_goes_by_the_engines_name_and_is_no_gauge(tmp_path):
    listing = [Listed("Vulkan0", "NVIDIA Test 24", 24 * GIB, GIB)]
    library = Nvml(Gpu("GPU-1", 24 * GIB))
    meter = Meter(Ram(tmp_path), (Nvidia(library),), listing)
    library.gpus[0].broken = GPU_IS_LOST
    reading = meter.read(0, {})
    assert (reading.lost, set(reading.gauges)) == ({"Vulkan0"}, {RAM})
    assert len(meter.problems) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("odd"), "ZeroDivisionError('odd'); please report this"),
        (OSError(24, "Too many open files"), "Too many open files; it is tried again"),
    ],
)
def test_a_meter_that_fails_in_an_unheard_of_way_does_not_take_the_others_down(tmp_path, error, said):
    class Odd(Nvidia):
        def read(self, at, trees):
            raise error

    amd(tmp_path, 0, ONE, 16 * GIB, GIB)
    meter = Meter(Ram(tmp_path), (Odd(Nvml(Gpu("GPU-1"))), Drm(tmp_path)))
    for at in (1, 2):
        assert set(meter.read(at, {}).gauges) == {RAM, "ROCm0"}
    assert meter.problems == (f"cannot read the meter Odd: {said}",)


def test_this_machine_can_be_read_for_ten_runs_within_milliseconds():
    meter = open_meter(os.environ)
    trees = {RunId("m", n): [os.getpid()] for n in range(10)}
    spent = []
    for at in range(5):
        began = time.perf_counter()
        reading = meter.read(at, trees)
        spent.append(time.perf_counter() - began)
    assert set(reading.taken) == set(trees)
    assert min(spent) < 0.05  # 2 ms here; a bound against walks over pages, not a race
    meter.close()
