"""Why an engine ended, and what to change: every row of the table is found by its own sample."""

from __future__ import annotations

import re

import pytest

from swapd.core.refusal import Exit
from swapd.engines import hints
from swapd.engines.hints import BY_CODE, BY_SIGNAL, TABLE, WORDLESS

BEFORE = [
    "0.00.003.655 W srv  llama_server: CORS is set to allow all origins ('*') and no API key is set",
    "AMX is not ready to be used!",
    "0.00.006.916 E common_fit_params: encountered an error while trying to fit params to free device memory",
    "0.00.011.741 W warning: failed to mlock 1933312-byte buffer (after previously locking 0 bytes): Cannot "
    "allocate "
    "memory",
    "Try increasing RLIMIT_MEMLOCK ('ulimit -l' as root).",
    "0.00.890.124 W llama_context: n_ctx_seq (50000128) > n_ctx_train (32768) -- possible training context "
    "overflow",
]
"""What a sound llama-server writes, too."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: re.sub(r"\W+", " ", row.hint)[:50])
def test_a_row_is_found_by_its_sample_and_no_row_before_it_is(row):
    found = hints.ended(1, [*BEFORE, *row.sample.splitlines()]).hint
    assert found == row.found(row.sample)
    assert found
    assert not re.search("<what>|<line>", found), "every word is filled in"
    assert [other for other in TABLE[: TABLE.index(row)] if other.found(row.sample)] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.source)
def test_a_row_says_where_its_sample_is_from_and_what_to_do_in_one_line(row):
    assert row.source
    assert "\n" not in row.hint
    assert len(row.hint) < 230


def test_what_a_sound_engine_writes_is_no_symptom():
    assert hints.ended(1, BEFORE).hint is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "error: invalid argument: --no-such-flag",
            ["--no-such-flag", "'error: invalid argument: --no-such-flag'"],
        ),
        ("vllm serve: error: unrecognized arguments: --max-lenn 5", ["--max-lenn"]),
        ('error while handling argument "-ngl": stoi', ["-ngl", "stoi"]),
        ('error while handling argument "--port": expected value for argument', ["--port", "expected value"]),
        ("error: invalid device: CUDA9", ["CUDA9", "--list-devices"]),
        (
            "error: invalid value for -ngl: expected a whole number, not 'lots'",
            ["-ngl", "expected a whole number"],
        ),
        ("error: cannot use device CUDA9: this build of xllamacpp has no GPU; leave --device out", ["CUDA9"]),
        ("error: cannot load draft model /a b.gguf: no such file or directory", ["/a b.gguf cannot be opened"]),
        ("error: cannot load projector /x: not a GGUF file", ["check mmproj"]),
        ("error: cannot load adapter /x: not a GGUF file", ["check lora"]),
        ("error: cannot listen on 127.0.0.1:9: permission denied", ["${port}"]),
        ("bash: line 1: exec: llama-serverr: not found", ["llama-serverr: not found", "PATH"]),
        ("/bin/sh: 1: llama-serverr: not found", ["llama-serverr", "PATH"]),
        ("/usr/bin/env: ‘llama-serverr’: No such file or directory", ["llama-serverr", "PATH"]),
        ("gguf_init_from_file: failed to open GGUF file '/a b.gguf' (No such file or directory)", ["/a b.gguf"]),
        ("libkfd: failed to open /dev/dri/renderD128: Permission denied", ["/dev/dri/renderD128", "render"]),
        ("level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)", ["dmesg"]),
        ("level_zero backend failed with error: 39 [UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY]", ["gpu_layers"]),
        ("ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory", ["gpu_layers"]),
        ("CUDA error: an illegal memory access was encountered", ["dmesg"]),
        (
            "rocBLAS error: Cannot read /opt/rocm/lib/rocblas/library/TensileLibrary.dat: Illegal seek",
            ["GPU_TARGETS"],
        ),
        (
            "Memory access fault by GPU node-1 (Agent handle: 0x55ac) on address 0x7f95. Reason: Unknown",
            ["driver"],
        ),
    ],
)
def test_a_hint_names_what_the_engine_named(line, words):
    found = hints.ended(1, [*BEFORE, line]).hint
    assert [word for word in words if word not in found] == []


def test_the_cause_is_found_above_a_page_of_usage_or_a_backtrace():
    flag = ['error while handling argument "--spec-type": unknown speculative type: nope', "usage:"]
    end = hints.ended(1, flag + [f"    {number}" for number in range(60)])
    assert "--spec-type" in end.hint
    assert end.log == tuple(f"    {number}" for number in range(40, 60)), "but what is told of it stays short"


@pytest.mark.parametrize("name", BY_SIGNAL)
def test_a_signal_is_named_and_explained_be_it_the_engines_own_or_told_by_a_shell(name):
    number = hints.signal.Signals[name].value
    assert hints.ended(-number, []) == Exit(None, name, hint=BY_SIGNAL[name])
    shell = hints.ended(128 + number, [])
    assert (shell.code, shell.signal) == (128 + number, None)
    assert (
        shell.hint == f"{128 + number} is 128 + {number}, {name}, which the command ended with: {BY_SIGNAL[name]}"
    )


@pytest.mark.parametrize("code", BY_CODE)
def test_a_telling_code_is_explained(code):
    assert hints.ended(code, []).hint == BY_CODE[code]


@pytest.mark.parametrize("status", [1, 2, 255, 128, 128 + 40, -40])
def test_other_statuses_say_nothing(status):
    assert hints.ended(status, []).hint is None


@pytest.mark.parametrize("status", [0, -9, 137, -6])
def test_a_status_that_we_caused_says_nothing(status):
    assert hints.ended(status, [], asked=True).hint is None


@pytest.mark.parametrize(("status", "explained"), [(0, False), (-15, False), (143, False), (1, True), (-6, True)])
def test_who_goes_when_told_and_was_not_at_fault_is_explained_only_if_it_fails_at_that(status, explained):
    lines = ["error: address already in use"]
    assert (hints.ended(status, lines, asked=True, faultless=True).hint is not None) is explained
    assert hints.ended(status, lines, asked=True).hint is not None


@pytest.mark.parametrize("name", sorted(WORDLESS))
def test_a_process_that_could_not_speak_any_more_is_explained_by_its_signal(name):
    lines = ["error: failed to allocate a thing that was not needed"]
    assert hints.ended(-hints.signal.Signals[name].value, lines).hint == BY_SIGNAL[name]


def test_an_assertion_that_aborts_is_explained_by_its_words():
    end = hints.ended(-6, ["/src/ggml.c:5: GGML_ASSERT(a == b) failed", *["#1 in main ()"] * 30])
    assert (end.signal, end.code) == ("SIGABRT", None)
    assert "GGML_ASSERT(a == b) failed" in end.hint


def test_what_the_kernel_counted_says_more_than_the_signal_alone():
    assert hints.ended(-9, [], starved="the kernel killed it").hint == "the kernel killed it"
    assert hints.ended(137, [], starved="the kernel killed it").hint.endswith("ended with: the kernel killed it")
    assert hints.ended(-11, [], starved="the kernel killed it").hint == BY_SIGNAL["SIGSEGV"]
    assert hints.ended(-9, [], asked=True, starved="the kernel killed it").hint is None
