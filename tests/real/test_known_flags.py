"""True servers say what they know, and their own flags are found in it."""

from __future__ import annotations

import os

from swapd.engines.helped import complaints, known
from tests.real.conftest import engine_file


def test_true_servers_say_which_flags_they_know(engine_binaries, tmp_path):
    binary = str(engine_file(tmp_path, engine_binaries))
    flags = known(binary, os.environ)
    assert {"-m", "--model", "-ngl", "--ctx-size", "--reranking", "--metrics"} <= set(flags)
    assert flags["--model"] == flags["-ngl"] == 1
    assert flags["--reranking"] == 0
    line = f"{binary} --model x.gguf -ngl 99 --jinja -np 2 --temp -1 --metrics --cache_type_k q8_0"
    assert complaints(line.split(), flags) == []
    assert complaints([binary, "--no-such-flag", "7"], flags) == ["it does not know '--no-such-flag'"]
