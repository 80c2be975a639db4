"""What the engine prints of its devices."""

from __future__ import annotations

import pytest

from swapd.machine.listing import CannotList, Listed, ask, parse

MIB = 1 << 20


def test_devices_are_read_with_their_names_and_bytes():
    text = (
        "Available devices:\n"
        "  CUDA0: NVIDIA GeForce RTX 3090 (24268 MiB, 23861 MiB free)\n"
        "  Vulkan1: AMD Radeon RX 7900 XTX (RADV NAVI31) (24560 MiB, 24000 MiB free)\n"
    )
    assert parse(text) == [
        Listed("CUDA0", "NVIDIA GeForce RTX 3090", 24268 * MIB, 23861 * MIB),
        Listed("Vulkan1", "AMD Radeon RX 7900 XTX (RADV NAVI31)", 24560 * MIB, 24000 * MIB),
    ]


def test_what_has_no_memory_is_no_gpu():
    assert parse("Available devices:\n  BLAS: OpenBLAS (0 MiB, 0 MiB free)\n") == []


def test_log_lines_among_them_are_stepped_over():
    noise = "ggml_cuda_init: found 1 CUDA devices:\n  Device 0: NVIDIA X, compute capability 8.6, VMM: yes\n"
    assert [d.name for d in parse(noise + "Available devices:\n  CUDA0: X (1 MiB, 1 MiB free)\n")] == ["CUDA0"]


def test_an_engine_without_gpus_lists_none():
    asked = []
    assert ask("/x/llama-server", lambda argv: asked.append(list(argv)) or "Available devices:\n  (none)\n") == []
    assert asked == [["/x/llama-server", "--list-devices"]]


@pytest.mark.parametrize(
    ("error", "why"),
    [(FileNotFoundError(2, "No such file"), "No such file"), (TimeoutError(), "TimeoutError")],
)
def test_an_engine_that_cannot_be_asked_is_named_with_the_reason(error, why):
    def run(_):
        raise error

    with pytest.raises(CannotList, match=rf"cannot list the devices of /x/engine: .*{why}.*by hand"):
        ask("/x/engine", run)


def test_an_engine_that_prints_something_else_is_not_taken_for_one_without_gpus():
    with pytest.raises(CannotList, match="printed no list"):
        ask("/x/engine", lambda argv: "error: unknown argument\n")
