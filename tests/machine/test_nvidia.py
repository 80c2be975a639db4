"""The NVIDIA meter on a library at the boundary: what CUDA would see, who holds what, and what breaks."""

from __future__ import annotations

import pytest

from swapd.core.engine import RunId
from swapd.core.need import Gauge
from swapd.machine.nvidia import RETRY, Nvidia, open_nvidia, visible
from tests.machine.recorded.nvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIBRARY_NOT_FOUND,
    UNKNOWN,
    VERSION_MISMATCH,
    Gpu,
    Nvml,
)

GIB = 1 << 30
A, B = RunId("a", 1), RunId("b", 2)


def test_gpus_are_named_and_read_in_the_order_of_the_bus():
    meter = Nvidia(Nvml(Gpu("GPU-1", 24 * GIB, 20 * GIB), Gpu("GPU-2", 8 * GIB, 7 * GIB)))
    assert [(d.name, d.label, d.total) for d in meter.devices] == [
        ("CUDA0", "NVIDIA Test 24", 24 * GIB),
        ("CUDA1", "NVIDIA Test 8", 8 * GIB),
    ]
    reading = meter.read(5.0, {})
    assert reading.at == 5.0
    assert reading.gauges == {"CUDA0": Gauge(24 * GIB, 20 * GIB), "CUDA1": Gauge(8 * GIB, 7 * GIB)}
    assert not meter.problems


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2,0", [2, 0]),
        (" 1 , 2", [1, 2]),
        ("0,7,1", [0]),
        ("-1", []),
        ("1,1", [1]),
        ("GPU-bb,0", [1, 0]),
        ("GPU-b", []),
        ("GPU-", []),
        ("NoDevFiles", []),
    ],
)
def test_the_visible_ones_are_those_that_cuda_would_see(asked, seen):
    assert visible(asked, {0: "GPU-aa1", 1: "GPU-bb1", 2: "GPU-bc1"}) == seen


def test_the_first_visible_one_is_cuda0():
    meter = Nvidia(Nvml(Gpu("GPU-1", 24 * GIB), Gpu("GPU-2", 8 * GIB, 3 * GIB)), visible="1")
    assert [(d.name, d.total) for d in meter.devices] == [("CUDA0", 8 * GIB)]
    assert meter.read(0, {}).gauges == {"CUDA0": Gauge(8 * GIB, 3 * GIB)}


def test_a_run_takes_what_its_processes_hold_of_each_gpu():
    first = Gpu("GPU-1", compute=[(10, 5 * GIB), (11, 1 * GIB), (99, 2 * GIB)])
    meter = Nvidia(Nvml(first, Gpu("GPU-2", compute=[(20, 3 * GIB)])))
    taken = meter.read(0, {A: [10, 11], B: [20]}).taken
    assert taken == {A: {"CUDA0": 6 * GIB, "CUDA1": 0}, B: {"CUDA0": 0, "CUDA1": 3 * GIB}}


def test_a_process_that_computes_and_draws_is_counted_once():
    meter = Nvidia(Nvml(Gpu("GPU-1", compute=[(10, 5 * GIB)], graphics=[(10, 5 * GIB), (11, 1 * GIB)])))
    assert meter.read(0, {A: [10], B: [11]}).taken == {A: {"CUDA0": 5 * GIB}, B: {"CUDA0": 1 * GIB}}


@pytest.mark.parametrize("told", [None, 0])
def test_a_run_whose_memory_the_driver_does_not_tell_is_left_out(told):
    meter = Nvidia(Nvml(Gpu("GPU-1", compute=[(10, told), (20, GIB)])))
    assert meter.read(0, {A: [10], B: [20]}).taken == {B: {"CUDA0": GIB}}


def test_lists_that_never_named_a_process_of_ours_do_not_say_that_we_hold_nothing():
    gpu = Gpu("GPU-1", compute=[(4242, GIB)])
    meter = Nvidia(Nvml(gpu))
    assert meter.read(0, {A: [10]}).taken == {}
    gpu.compute = [(10, GIB)]
    assert meter.read(1, {A: [10]}).taken == {A: {"CUDA0": GIB}}
    gpu.compute = []
    assert meter.read(2, {A: [10]}).taken == {A: {"CUDA0": 0}}


def test_a_gpu_that_does_not_tell_its_processes_is_still_a_gauge():
    meter = Nvidia(Nvml(Gpu("GPU-1", compute=[(10, GIB)]), Gpu("GPU-2", mute=True)))
    reading = meter.read(0, {A: [10], B: []})
    assert set(reading.gauges) == {"CUDA0", "CUDA1"}
    assert reading.taken == {A: {"CUDA0": GIB}}


def test_a_gpu_that_fell_off_the_bus_is_lost_and_the_others_are_read():
    library = Nvml(Gpu("GPU-1"), Gpu("GPU-2", free=GIB))
    meter = Nvidia(library)
    library.gpus[0].broken = GPU_IS_LOST
    for at in (1, 2):
        reading = meter.read(at, {})
        assert reading.lost == {"CUDA0"}
        assert reading.gauges == {"CUDA1": Gauge(24 * GIB, GIB)}
    assert len(meter.problems) == 1
    assert meter.problems[0].startswith("cannot read CUDA0 (NVIDIA Test 24): ")


def test_a_gpu_keeps_its_name_when_another_is_not_counted_any_more():
    library = Nvml(Gpu("GPU-1"), Gpu("GPU-2", free=GIB))
    meter = Nvidia(library)
    del library.gpus[0]
    reading = meter.read(1, {})
    assert reading.lost == {"CUDA0"}
    assert reading.gauges == {"CUDA1": Gauge(24 * GIB, GIB)}
    assert [d.name for d in meter.devices] == ["CUDA0", "CUDA1"]


def test_a_gpu_with_a_passing_fault_is_left_out_and_not_lost():
    library = Nvml(Gpu("GPU-1"), Gpu("GPU-2"))
    meter = Nvidia(library)
    library.gpus[0].broken = UNKNOWN
    assert (set(meter.read(1, {}).gauges), meter.read(1, {}).lost) == ({"CUDA1"}, frozenset())
    library.gpus[0].broken = None
    assert set(meter.read(2, {}).gauges) == {"CUDA0", "CUDA1"}


def test_a_lost_only_gpu_stays_lost_until_it_is_back():
    library = Nvml(Gpu("GPU-1"))
    meter = Nvidia(library)
    library.gpus[0].broken = GPU_IS_LOST
    assert meter.read(1, {}).lost == {"CUDA0"}
    assert meter.read(2, {}).lost == {"CUDA0"}
    library.gpus[0].broken = None
    reading = meter.read(1 + RETRY, {})
    assert (reading.lost, set(reading.gauges)) == (frozenset(), {"CUDA0"})


def test_after_a_reload_of_the_driver_nvml_is_started_again_but_not_at_every_reading():
    library = Nvml(Gpu("GPU-1"))
    meter = Nvidia(library)
    library.is_up, library.broken = False, DRIVER_NOT_LOADED
    for at in range(5):
        assert meter.read(at, {}).gauges == {}
    assert library.starts == 1
    assert meter.read(RETRY, {}).gauges == {}
    assert library.starts == 2
    library.broken = None
    assert set(meter.read(2 * RETRY, {}).gauges) == {"CUDA0"}


@pytest.mark.parametrize("code", [LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED])
def test_a_machine_without_driver_is_a_normal_machine(code):
    meter = Nvidia(Nvml(broken=code))
    assert meter.devices == ()
    reading = meter.read(0, {A: [10]})
    assert (reading.gauges, reading.taken, reading.lost) == ({}, {}, frozenset())
    assert not meter.problems
    meter.close()


def test_a_driver_that_starts_late_brings_its_gpus():
    library = Nvml(Gpu("GPU-1"), broken=DRIVER_NOT_LOADED)
    meter = Nvidia(library)
    library.broken = None
    assert set(meter.read(0, {}).gauges) == {"CUDA0"}
    assert [d.name for d in meter.devices] == ["CUDA0"]


def test_a_driver_that_cannot_be_used_is_a_problem_said_once():
    meter = Nvidia(Nvml(broken=VERSION_MISMATCH))
    meter.read(0, {})
    meter.read(2 * RETRY, {})
    assert len(meter.problems) == 1
    assert meter.problems[0].startswith("cannot read NVIDIA GPUs: NVML error 18; ")


def test_a_gpu_that_is_broken_from_the_start_is_named_and_the_others_serve():
    meter = Nvidia(Nvml(Gpu("GPU-1", broken=UNKNOWN), Gpu("GPU-2", 8 * GIB)))
    assert [(d.name, d.total) for d in meter.devices] == [("CUDA0", 8 * GIB)]
    assert meter.problems[0].startswith("cannot read NVIDIA GPU 0: ")


def test_a_closed_meter_lets_go_of_the_driver_and_reads_nothing():
    library = Nvml(Gpu("GPU-1"))
    meter = Nvidia(library)
    meter.close()
    meter.close()
    assert not library.is_up
    assert meter.read(1e9, {}).gauges == {}


def test_the_true_library_answers_here_whatever_this_machine_has():
    meter = open_nvidia({})
    reading = meter.read(0, {A: [1]})
    assert set(reading.gauges) | reading.lost <= {device.name for device in meter.devices}
    meter.close()
