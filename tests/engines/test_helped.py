"""What an engine's own ``--help`` says it knows."""

from __future__ import annotations

import pytest

from swapd.engines.helped import complaints, is_llama_server, read

HELP = """----- common params -----

-h,    --help, --usage                  print usage and exit
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
                                        --not-a-flag of its own
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
--swa-full                              use full-size SWA cache
--control-vector-layer-range START END
                                        layer range to apply the control vector(s) to
-ot,   --override-tensor <tensor name pattern>=<buffer type>,...
                                        override tensor buffer type
-n,    --predict, --n-predict N         number of tokens to predict
"""


def test_flags_are_read_with_the_number_of_words_that_follow_them():
    flags = read(HELP)
    assert flags["-c"] == flags["--ctx-size"] == flags["-fa"] == 1
    assert flags["--swa-full"] == flags["--usage"] == 0
    assert flags["--control-vector-layer-range"] == 2
    assert "--not-a-flag" not in flags


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("-c 4096 --swa-full -n -1", []),
        ("--ctx_size 4096", []),
        ("-fa --swa-full", ["'-fa' takes '--swa-full' for its value: give it one"]),
        ("--swa-full -c", ["'-c' wants a value behind it"]),
        ("-ot exps=CPU --bogus", ["it does not know '--bogus'"]),
        ("--no-mmap", ["it does not know '--no-mmap'"]),
        ("--ctx-sise 4096 -n 5", ["it does not know '--ctx-sise' (did you mean '--ctx-size'?)"]),
        ("--ctx-size=4096", ["'--ctx-size' takes its value as the next word: '--ctx-size 4096'"]),
        ("4096", ["'4096' belongs to no flag"]),
        ("--control-vector-layer-range 1 5 -x", ["it does not know '-x'"]),
    ],
)
def test_words_that_it_would_refuse_are_told(line, wrong):
    assert [one.split(" (did")[0] for one in complaints(["llama-server", *line.split()], read(HELP))] == [
        one.split(" (did")[0] for one in wrong
    ]


def test_a_near_name_is_offered():
    assert "did you mean '--ctx-size'" in complaints(["llama-server", "--ctx-sise", "1"], read(HELP))[0]


def test_programs_are_known_by_their_names():
    assert is_llama_server("/opt/llama.cpp/llama-server")
    assert is_llama_server("swapd-llama-server")
    assert is_llama_server("llama-server-vulkan")
    assert not is_llama_server("/usr/bin/docker")


def test_an_old_build_begins_its_lines_with_spaces():
    flags = read("options:\n  -t N, --threads N         number of threads\n  --metrics             on\n")
    assert flags["--metrics"] == 0
    assert flags["-t"] == flags["--threads"] == 1
