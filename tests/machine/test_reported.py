"""What the engine says of itself.

``recorded_logs`` holds what true engines wrote on a machine without a GPU (llama-server b10434; ``lv4-newer``
is xllamacpp 2026.10.11549), less the dump of metadata. Lines about GPUs and ``--log-jsonl`` could not be
recorded there: they are made up after the engine's sources and the breakdowns published in its tracker.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapd.machine.reported import LONGEST, MIB, Reported, device_of, fit_print, shortfall

LOGS = Path(__file__).parent / "recorded_logs"

SHORT_OF_MEMORY = """\
print: | memory breakdown [MiB] | total   free     self   model   context   compute    unaccounted |
print: |   - CUDA0 (RTX 3060)   | 12036 = 11210 + (19870 = 18200 +    1200 +     470) +      -19044 |
print: |   - Host               |                   404 =   380 +       0 +      24                |
0.00.011 I common_params_fit_impl: projected to use 19870 MiB of device memory vs. 11210 MiB of free device memory
0.00.100 I print_info: no_alloc              = 0
0.01.000 I load_tensors: offloaded 19/49 layers to GPU
0.01.000 I load_tensors:        CUDA0 model buffer size =  7200.50 MiB
0.01.000 I load_tensors:   CPU_Mapped model buffer size = 11000.00 MiB
0.01.100 I llama_context: constructing llama_context
0.01.100 I llama_context: n_ctx                 = 4096
0.01.100 I llama_context:  CUDA_Host  output buffer size =     0.50 MiB
0.01.110 I llama_kv_cache:      CUDA0 KV buffer size =   100.00 MiB
0.01.110 I llama_kv_cache:        CPU KV buffer size =   150.00 MiB
0.01.120 I sched_reserve:      CUDA0 compute buffer size =   400.00 MiB
0.01.120 I sched_reserve:  CUDA_Host compute buffer size =    24.00 MiB
0.01.130 I sched_reserve:      CUDA0 compute buffer size =   410.00 MiB
"""


def heard(text: str) -> Reported:
    reported = Reported()
    for line in text.splitlines():
        reported.hear(line)
    return reported


def recorded(name: str) -> Reported:
    return heard((LOGS / f"{name}.log").read_text())


def test_by_default_an_engine_tells_its_context_and_no_more():
    reported = recorded("default")
    assert (reported.memory, reported.layers, reported.context) == (None, None, 8192)


def test_the_buffers_are_added_up():
    reported = recorded("lv4-gemma")
    told = 235.16 + 12.66 + 1.00 + 6.00 + 15.00 + 20.77
    assert reported.memory == {"ram": pytest.approx(told * MIB, rel=1e-6)}
    assert reported.context == 2048
    assert reported.projected == (264 * MIB, 24105 * MIB)


def test_the_newer_engine_is_understood_as_well():
    reported = recorded("lv4-newer")
    assert reported.memory == {"ram": pytest.approx((1.84 + 3.00 + 6.27) * MIB, rel=1e-6)}
    assert reported.layers is None
    assert reported.context == 2048


def test_a_trial_load_of_the_fit_is_not_counted():
    reported = recorded("verbose")
    assert reported.memory == {"ram": pytest.approx((1.84 + 3.00 + 5.01) * MIB, rel=1e-6)}
    assert reported.context == 2048


def test_a_draft_model_is_counted_too_and_its_context_is_not_the_models():
    reported = recorded("lv4-draft")
    assert reported.memory == {"ram": pytest.approx(2 * (1.84 + 3.00 + 5.01) * MIB, rel=1e-6)}
    assert reported.context == 2048


def test_an_engine_without_a_gpu_claims_that_it_offloaded_and_is_not_believed():
    assert "offloaded 19/19 layers" in (LOGS / "lv4-gemma.log").read_text()
    reported = recorded("lv4-gemma")
    assert reported.layers == (0, 19)
    assert reported.no_gpu


def test_a_partly_offloaded_model_is_told_by_device():
    reported = heard(SHORT_OF_MEMORY)
    gpu, ram = 7200.5 + 100 + 410, 11000 + 0.5 + 150 + 24
    assert reported.memory == {"CUDA0": round(gpu * MIB), "ram": round(ram * MIB)}
    assert reported.layers == (19, 49)
    assert not reported.no_gpu


def test_until_there_are_buffers_the_last_breakdown_counts():
    table = "\n".join(SHORT_OF_MEMORY.splitlines()[:3])
    assert heard(table).memory == {"CUDA0": 19870 * MIB, "ram": 404 * MIB}
    again = table.replace("(19870 =", "( 9870 =")
    assert heard(table + "\n" + again).memory == {"CUDA0": 9870 * MIB, "ram": 404 * MIB}
    overflown = table.replace("-19044", "17592186036877")
    assert heard(overflown).memory == {"CUDA0": 19870 * MIB, "ram": 404 * MIB}


def test_a_build_that_prints_no_table_tells_what_it_placed():
    line = "fit_impl:   - CUDA1 (RTX 5060 Ti): 41 layers (14 overflowing),  15302 MiB used,   328 MiB free"
    assert heard(line).memory == {"CUDA1": 15302 * MIB}


def breakdown(*rows: tuple[str, str, object], unit: str = "MiB") -> str:
    said = [{"kind": kind, "name": name, "self": amount} for kind, name, amount in rows]
    return json.dumps({"type": "fit_memory_breakdown", "data": {"unit": unit, "rows": said}})


def test_the_breakdown_as_json_is_taken():
    rows = (
        ("device", "CUDA0", 1500),
        ("device", "Vulkan1", 20),
        ("host", "Host", 46),
        ("buffer_type", "CPU_REPACK", 12),
    )
    assert heard(breakdown(*rows)).memory == {"CUDA0": 1500 * MIB, "Vulkan1": 20 * MIB, "ram": 58 * MIB}
    assert heard(breakdown(*rows) + "\n" + breakdown(("host", "Host", 7))).memory == {"ram": 7 * MIB}


@pytest.mark.parametrize(
    "line",
    [
        breakdown(("host", "Host", -1)),
        breakdown(("host", "Host", "12")),
        breakdown(("host", "Host", 1), unit="GiB"),
        breakdown(("host", "Host", 1))[:-5],
        '{"type": "fit_memory_breakdown", "data": []}',
        '["fit_memory_breakdown"]',
        '"fit_memory_breakdown"',
        '{"fit_memory_breakdown":' + "[" * 5000,
        "x: CUDA0 model buffer size = 1.2.3.4 MiB".replace("1.2.3.4", "..."),
        "x: offloaded a/b layers to GPU",
        "llama_context: n_ctx = many",
        "x n_slots = 1, n_ctx_slot = , kv_unified = 'true'",
        "|   - CUDA0 (x) | 1 = 2 + (x = 1",
    ],
)
def test_half_a_line_says_nothing(line):
    reported = heard(line)
    assert not any((reported.memory or {}).values())
    assert (reported.layers, reported.context, reported.projected) == (None, None, None)


@given(
    st.lists(
        st.sampled_from([*SHORT_OF_MEMORY.splitlines(), breakdown(("host", "Host", 1))]).flatmap(
            lambda line: st.tuples(st.integers(0, len(line)), st.text(max_size=8)).map(
                lambda cut: line[: cut[0]] + cut[1] + line[cut[0] + len(cut[1]) :]
            )
        ),
        max_size=20,
    )
)
def test_no_line_however_garbled_makes_it_stumble(lines):
    reported = heard("\n".join(lines))
    assert all(amount >= 0 for amount in (reported.memory or {}).values())
    shortfall(99, 4096, reported)


def test_what_clients_make_a_serving_engine_write_is_not_believed():
    reported = recorded("default")
    for line in SHORT_OF_MEMORY.splitlines():
        reported.hear(line)
    assert (reported.memory, reported.layers, reported.context) == (None, None, 8192)


def test_a_line_beyond_measure_is_passed_over():
    assert heard("x" * LONGEST + " CUDA0 KV buffer size = 1 MiB").memory is None


@pytest.mark.parametrize(
    ("buffer", "device"),
    [
        ("CUDA0", "CUDA0"), ("ROCm12", "ROCm12"), ("Vulkan1", "Vulkan1"), ("HTP0-REPACK", "HTP0"),
        ("RPC0[10.0.0.2:50052]", "RPC0"), ("CUDA_Host", "ram"), ("CPU", "ram"), ("CPU_Mapped", "ram"),
        ("CPU0", "ram"), ("Host", "ram"), ("AMX", "ram"), ("", "ram"),
    ],
)  # fmt: skip
def test_a_buffer_lies_on_its_device_or_in_ram(buffer, device):
    assert device_of(buffer) == device


def test_the_table_of_llama_fit_params_is_taken():
    printed = (
        "ggml_cuda_init: found 1 CUDA devices:\n  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9\n"
    )
    assert fit_print(printed + "CUDA0 13169 38 985 \nHost 300 0 20 \n") == {"CUDA0": 14192 * MIB, "ram": 320 * MIB}
    assert fit_print(printed) is None
    assert fit_print("-c 4096 -ngl 12\nfailed to 1 2 3\n") is None


def test_less_than_was_asked_is_said_in_one_sentence():
    assert shortfall(99, 32768, heard(SHORT_OF_MEMORY)) == (
        "19 of 49 layers are on the GPU and 4096 of 32768 tokens of context: "
        "memory was short (19870 MiB were wanted, 11210 MiB free); lower context or free memory"
    )


@pytest.mark.parametrize(
    ("layers", "context", "word"),
    [
        (None, None, "19 of 49 layers"),
        (30, 4096, "19 of 30 layers"),
        (19, 4096, None),
        (0, None, None),
        (10, 8192, "4096 of 8192 tokens"),
    ],
)
def test_only_what_was_asked_for_is_missed(layers, context, word):
    found = shortfall(layers, context, heard(SHORT_OF_MEMORY))
    assert (found is None) if word is None else found.startswith(word)


def test_layers_asked_of_an_engine_without_a_gpu_are_missed_and_memory_is_not_blamed():
    reported = recorded("lv4-gemma")
    assert "found none" in shortfall(99, 2048, reported)
    assert shortfall(None, 2048, reported) is None
    assert shortfall(0, 2048, reported) is None


def test_a_context_beyond_the_trained_one_is_not_missed():
    assert "capping" in (LOGS / "capped.log").read_text()
    assert recorded("capped").context == 16384
    assert shortfall(None, 16384, recorded("capped")) is None


def test_slots_of_their_own_make_up_the_context_together():
    assert (
        heard("I srv load_model: initializing, n_slots = 3, n_ctx_slot = 512, kv_unified = 'false'").context
        == 1536
    )


def test_an_engine_that_told_nothing_is_not_accused():
    assert shortfall(99, 32768, Reported()) is None
