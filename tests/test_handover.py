"""What a daemon hands on to itself, or to whoever stands in for it: descriptors, and the list of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from swapd import handover
from swapd.handover import Handover


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def left(*connections: int, **more) -> Handover:
    return Handover(os.getpid(), (), connections, **more)


@pytest.mark.parametrize("count", [0, 1, handover.AT_ONCE, 2 * handover.AT_ONCE + 1])
def test_descriptors_arrive_in_their_places_however_many(count):
    ours, theirs = pair()
    pipes = [os.pipe() for _ in range(3)]
    connections = [os.dup(pipes[0][0]) for _ in range(count)]
    with ours, theirs:
        told = Handover(1, (pipes[1][0],), tuple(connections), pipes[2][0], (7, pipes[2][1]), {"ram": 5}, 3)
        handover.send(ours, told)
        got = handover.receive(theirs)
    assert got is not None
    assert (got.total, got.execs, len(got.connections)) == ({"ram": 5}, 3, count)
    same = zip(got.descriptors, told.descriptors, strict=True)
    assert all(os.path.sameopenfile(here, there) for here, there in same)
    assert not any(os.get_inheritable(fd) for fd in got.descriptors)
    for fd in {*got.descriptors, *told.descriptors, *(fd for ends in pipes for fd in ends)}:
        os.close(fd)


def test_who_goes_instead_hands_over_nothing():
    ours, theirs = pair()
    ours.close()
    with theirs:
        assert handover.receive(theirs) is None


def test_who_goes_in_the_middle_hands_over_nothing():
    ours, theirs = pair()
    reading, writing = os.pipe()
    ours.send(b'{"pid": 1, "listening": [5], "connections": []}')
    ours.close()
    with theirs:
        assert handover.receive(theirs) is None
    os.close(reading)
    os.close(writing)


def test_a_program_that_is_executed_finds_the_list_and_the_descriptors():
    reading, writing = os.pipe()
    environ = dict(os.environ)
    script = (
        "import os\nfrom swapd import handover\n"
        "told = handover.take(os.environ)\n"
        "os.write(told.listening[0], b'here')\n"
        "assert handover.VARIABLE not in os.environ\n"
        "assert not os.get_inheritable(told.listening[0])\n"
    )
    starter = (
        "import os, sys\nfrom swapd import handover\nfrom swapd.handover import Handover\n"
        "environ = dict(os.environ)\n"
        "handover.give(Handover(os.getpid(), (int(sys.argv[1]),)), environ)\n"
        "os.execve(sys.executable, [sys.executable, '-c', sys.argv[2]], environ)\n"
    )
    command = [sys.executable, "-c", starter, str(writing), script]
    subprocess.run(command, env=environ, pass_fds=[writing], check=True)
    os.close(writing)
    assert os.read(reading, 16) == b"here"
    os.close(reading)


def test_what_came_to_nothing_is_taken_back():
    reading, writing = os.pipe()
    environ: dict[str, str] = {}
    told = left(reading)
    handover.give(told, environ)
    assert os.get_inheritable(reading)
    handover.take_back(told, environ)
    assert not os.get_inheritable(reading)
    assert environ == {}
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("text", ["", "nonsense", "999999"])
def test_a_list_that_is_none_is_told_and_passed_over(text, caplog):
    assert handover.take({handover.VARIABLE: text}) is None
    assert "beginning as if nothing had been" in caplog.text


def test_a_list_for_another_process_is_not_ours():
    environ: dict[str, str] = {}
    handover.give(Handover(os.getpid() + 1, ()), environ)
    assert handover.take(environ) is None
    assert handover.take(environ) is None


def test_what_was_kept_and_handed_back_as_well_is_closed_once():
    kept, back, line = os.dup(0), os.dup(0), os.dup(0)
    merged = handover.merged(Handover(1, (kept,)), Handover(2, (back,), (line,), total={"ram": 1}))
    assert (merged.listening, merged.connections, merged.total) == ((kept,), (line,), {"ram": 1})
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(back)
    os.close(kept)
    os.close(line)
