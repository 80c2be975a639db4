"""The small parts of the engine room, one at a time."""

from __future__ import annotations

import asyncio
import os

import pytest

from swapd.engines import hints, resolve
from swapd.engines.logs import KEEP, WAITING, LogBook
from swapd.engines.ports import NoPort, Ports


def test_placeholders_are_filled_and_the_rest_is_left_alone():
    words = resolve.fill(("${port}", "x${port}y${host}", "$port", "${other}"), {"port": "1", "host": "h"})
    assert words == ("1", "x1yh", "$port", "${other}")


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("150000 100000", 1.5), ("junk", None)])
def test_a_cgroup_quota_counts_in_cores(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text)
    assert resolve._cgroup_quota(tmp_path / "cpu.max") == cores


def test_threads_are_at_least_one_and_no_more_than_we_may_use():
    assert 1 <= resolve.threads() <= len(os.sched_getaffinity(0))


def test_a_port_is_handed_out_once_until_it_is_given_back():
    ports = Ports([9390, 9391])
    first, second = ports.take(), ports.take()
    assert {first, second} == {9390, 9391}
    with pytest.raises(NoPort, match="cannot find a free port between 9390 and 9391"):
        ports.take()
    ports.give_back(first)
    assert ports.take() == first


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ggml_cuda: cudaMalloc failed: out of memory", "GPU"),
        ("error: invalid argument: --no-mmap", "--help"),
        ("couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1", "port"),
        ("llama_model_load: error loading model: missing tensor", "GGUF"),
        ("std::bad_alloc", "memory"),
    ],
)
def test_a_known_last_line_gives_a_hint(line, word):
    assert word in hints.ended(1, ["something", line]).hint


def test_an_unknown_end_gives_none():
    assert hints.ended(1, ["who knows"]).hint is None


def test_the_ring_keeps_the_newest_lines_within_its_bytes():
    book = LogBook()
    for number in range(100_000):
        book.write(f"line {number}")
    lines = book.tail(10**6)
    assert lines[-1] == "line 99999"
    assert sum(len(line) + 1 for line in lines) <= KEEP
    assert book.tail(0) == []


async def test_a_slow_reader_loses_the_oldest_lines_and_is_told_how_many():
    book = LogBook()
    async with book.subscribe() as lines:
        for number in range(WAITING + 5):
            book.write(str(number))
        assert await anext(lines) == "(5 lines dropped: this reader is too slow)"
        assert await anext(lines) == "5"
    async with asyncio.timeout(1):
        async with book.subscribe() as lines:
            book.write("fresh")
            assert await anext(lines) == "fresh"
