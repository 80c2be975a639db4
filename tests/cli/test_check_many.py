"""``swapd check`` of many models: how often it reads a file and starts a program, which is what takes its time."""

from __future__ import annotations

import collections
import io
import json
from pathlib import Path

import pytest

from swapd.machine.gguf import FIRST_BYTES
from tests.cli.many import SIZE, make

MODELS = 60


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A config of many models, in a folder of theirs."""
    make(tmp_path, MODELS)
    return tmp_path


def read_so_far() -> int:
    """Bytes that this process asked of files, and got."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar:"))


async def test_each_file_is_opened_once_and_no_more_than_its_header_is_read(place, swapd, monkeypatch):
    opened: collections.Counter[str] = collections.Counter()
    really = io.open

    def counted(file, *args, **more):
        opened[str(file)] += 1
        return really(file, *args, **more)

    monkeypatch.setattr(io, "open", counted)
    before = read_so_far()
    shown = json.loads((await swapd("check", "--json")).stdout)
    taken = read_so_far() - before
    assert {model["source"] for model in shown["models"]} == {"header"}
    assert {opened[f"{place}/m{n}.gguf"] for n in range(MODELS)} == {1}
    assert taken < MODELS * 3 * FIRST_BYTES + SIZE


async def test_one_binary_is_asked_once_for_its_flags(place, swapd):
    shown = json.loads((await swapd("check", "--json")).stdout)
    assert {finding["about"] for finding in shown["findings"]} >= {f"m{n}" for n in range(MODELS)}
    assert (place / "starts").read_text() == "started\n"


async def test_where_not_each_model_was_tried_for_a_group_check_says_so(place, swapd):
    (place / "swapd.yaml").write_text(f"budget: {{ram: 2GiB}}\n{(place / 'swapd.yaml').read_text()}")
    told = (await swapd("check")).stdout
    assert "memory: looked for around the 40 largest models only, not around the 20 others\n" in told
