"""The small parts of the engine room, one at a time."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from swapd.core.spec import Launch
from swapd.engines import hints, resolve
from swapd.engines.logs import KEEP, LONGEST, WAITING, Lines, LogBook
from swapd.engines.ports import NoPort, Ports


def test_placeholders_are_filled_and_the_rest_is_left_alone():
    words = resolve.fill(("${port}", "x${port}y${host}", "$port", "${other}"), {"port": "1", "host": "h"})
    assert words == ("1", "x1yh", "$port", "${other}")


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("150000 100000", 1.5), ("junk", None)])
def test_a_cgroup_quota_counts_in_cores(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text)
    assert resolve._cgroup_quota(tmp_path, tmp_path / "none") == cores


def test_the_tightest_quota_on_the_way_up_counts(tmp_path):
    inner = tmp_path / "root" / "system.slice" / "swapd.service"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("600000 100000")
    (inner.parent / "cpu.max").write_text("300000 100000")
    (tmp_path / "cpu.max").write_text("100000 100000")
    (tmp_path / "own").write_text("1:name=x:/y\n0::/system.slice/swapd.service\n")
    assert resolve._cgroup_quota(tmp_path / "root", tmp_path / "own") == 3


def test_a_launch_resolves_to_a_command_line_and_a_value_is_not_expanded_again():
    launch = Launch(("${binary}", "-t", "${threads}", "${mystery}"))
    assert resolve.resolve(launch, {"binary": "/x/${threads}", "threads": "4"}) == (
        "/x/${threads}",
        "-t",
        "4",
        "${mystery}",
    )


@pytest.mark.parametrize(
    ("words", "with_one", "without"),
    [
        ("x --device ${device} -c 1", "x --device CUDA0,CUDA1 -c 1", "x -c 1"),
        ("x --device=${device} -c 1", "x --device=CUDA0,CUDA1 -c 1", "x -c 1"),
        ("x -dev ${device}", "x -dev CUDA0,CUDA1", "x"),
        ("x run ${device} -c 1", "x run CUDA0,CUDA1 -c 1", "x run -c 1"),
        ("x -e GPU=${device} y", "x -e GPU=CUDA0,CUDA1 y", "x -e GPU= y"),
        ("-x ${device} ${device}", "-x CUDA0,CUDA1 CUDA0,CUDA1", "-x"),
    ],
)
def test_a_device_that_is_not_chosen_is_not_named_nor_is_its_flag(words, with_one, without):
    launch = Launch(tuple(words.split()))
    assert resolve.resolve(launch, {"device": "CUDA0,CUDA1"}) == tuple(with_one.split())
    for values in ({}, {"device": ""}):
        assert resolve.resolve(launch, values) == tuple(without.split())


def test_threads_are_at_least_one_and_no_more_than_we_may_use():
    assert 1 <= resolve.threads() <= len(os.sched_getaffinity(0))


def test_threads_are_as_many_as_the_cores_of_the_cpus_it_may_run_on(tmp_path, monkeypatch):
    for cpu, siblings in {0: "0,4", 4: "0,4", 1: "1,5"}.items():
        (tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
    assert resolve._cores((0, 4), tmp_path) == 1
    assert resolve._cores((0, 1, 77), tmp_path) == 2
    assert resolve._cores((77,), tmp_path) == resolve._cores((), tmp_path) == 0
    monkeypatch.setattr(resolve, "_physical_cores", lambda: 8)
    monkeypatch.setattr(resolve, "_cgroup_quota", lambda: None)
    assert resolve.threads((min(os.sched_getaffinity(0)),)) == 1
    assert resolve.threads((8190,)) == resolve.threads()


def test_a_port_is_handed_out_once_until_it_is_given_back():
    fresh = Ports()
    two = sorted([fresh.take(), fresh.take()])  # others of this machine may have any
    ports = Ports(two)
    first, second = ports.take(), ports.take()
    assert sorted([first, second]) == two
    with pytest.raises(NoPort, match=f"cannot find a free port between {two[0]} and {two[1]}"):
        ports.take()
    ports.give_back(first)
    assert ports.take() == first


def test_a_busy_port_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        number = busy.getsockname()[1]
        free = Ports().take()
        assert Ports([number, free], start=0).take() == free


def test_a_number_is_not_handed_out_again_at_once():
    ports = Ports(range(9380, 9400), start=0)
    first = ports.take()
    ports.give_back(first)
    assert ports.take() != first


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ggml_cuda: cudaMalloc failed: out of memory", "GPU"),
        ("error: invalid argument: --no-mmap", "--help"),
        ('error while handling argument "--device": invalid device: CUDA9', "--list-devices"),
        ("couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1", "port"),
        ("llama_model_load: error loading model: missing tensor", "GGUF"),
        ("std::bad_alloc", "memory"),
    ],
)
def test_a_known_last_line_gives_a_hint(line, word):
    assert word in hints.ended(1, ["something", line]).hint


def test_an_unknown_end_gives_none():
    assert hints.ended(1, ["who knows"]).hint is None


@pytest.mark.parametrize(
    ("status", "word"), [(0, "foreground"), (-9, "kernel"), (137, "kernel"), (-4, "another CPU"), (-6, "gave up")]
)
def test_a_telling_status_gives_a_hint_unless_we_asked_for_the_end(status, word):
    assert word in hints.ended(status, []).hint
    assert hints.ended(status, [], asked=True).hint is None


def test_a_signal_without_a_name_has_its_number():
    assert hints.ended(-40, []).signal == "signal 40"


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
    async with asyncio.timeout(10):
        async with book.subscribe() as lines:
            book.write("fresh")
            assert await anext(lines) == "fresh"


async def test_a_log_that_ends_gives_its_readers_what_there_is_and_lets_them_go():
    book = LogBook()
    async with asyncio.timeout(10), book.subscribe() as lines:
        book.write("last")
        book.end()
        assert [line async for line in lines] == ["last"]


def test_lines_are_cut_out_of_pieces_of_any_size():
    whole = b"one\r\n\ntwo \xff\n" + b"z" * (LONGEST + 5) + b"zzz\nlast"
    expected = ["one", "", "two \N{REPLACEMENT CHARACTER}", "z" * LONGEST + " (cut: the line is longer)", "last"]
    for size in (1, 7, LONGEST, len(whole)):
        lines = Lines()
        found = [line for at in range(0, len(whole), size) for line in lines.feed(whole[at : at + size])]
        assert [*found, *lines.end()] == expected


def test_a_line_that_never_ends_takes_no_memory():
    lines = Lines()
    found = [line for _ in range(100) for line in lines.feed(b"x" * LONGEST)]
    assert len(found) == 1
    assert lines.end() == []
    assert lines.feed(b"tail\nnext\n") == ["next"]


def test_a_flood_of_empty_lines_stays_within_the_ring():
    book = LogBook()
    for _ in range(100_000):
        book.write("")
    assert len(book.tail(10**6)) < 10_000
