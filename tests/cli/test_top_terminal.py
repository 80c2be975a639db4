"""A terminal is taken, painted and given back: the bytes that it sees, through a true pseudo terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from swapd.cli.console import Bit
from swapd.cli.top import terminal as module
from swapd.cli.top.screen import Size
from swapd.cli.top.terminal import Ink, Terminal

MARK = b"that is all"
INK = Ink(colour=True, encoding="utf-8")


class Screen:
    """Both ends of it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.size(24, 80)

    def terminal(self) -> Terminal:
        return Terminal(INK, self.slave, self.slave)

    def size(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def seen(self) -> bytes:
        """What was written since. The kernel takes its time: a mark of ours is written last, and waited for."""
        os.write(self.slave, MARK)
        found = b""
        while not found.endswith(MARK):
            found += os.read(self.master, 1 << 16)
        return found.removesuffix(MARK)


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A pseudo terminal."""
    made = Screen()
    yield made
    os.close(made.master)
    os.close(made.slave)


def test_modes_are_changed_and_put_back_even_when_something_goes_wrong(screen):
    found = termios.tcgetattr(screen.slave)
    with pytest.raises(ZeroDivisionError), screen.terminal():
        taken = termios.tcgetattr(screen.slave)
        assert not taken[3] & (termios.ICANON | termios.ECHO)
        assert taken[3] & termios.ISIG
        raise ZeroDivisionError
    assert termios.tcgetattr(screen.slave) == found
    seen = screen.seen()
    assert seen.index(b"\x1b[?1049h") < seen.index(b"\x1b[?1049l")
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert seen.rindex(b"\x1b[?7h") > seen.rindex(b"\x1b[?7l")


def test_only_what_has_changed_is_written(screen):
    with screen.terminal() as terminal:
        terminal.paint([(Bit("one"),), (Bit("two"),)], 80)
        screen.seen()
        terminal.paint([(Bit("one"),), (Bit("2", "red"),)], 80)
        assert screen.seen() == b"\x1b[2H\x1b[31m2\x1b[0m\x1b[K"
        terminal.paint([(Bit("one"),), (Bit("2", "red"),)], 80)
        assert screen.seen() == b""
        terminal.forget()
        terminal.paint([(Bit("one"),), (Bit("2", "red"),)], 80)
        assert b"one" in screen.seen()


def test_a_full_row_is_not_erased_at_its_end(screen):
    with screen.terminal() as terminal:
        terminal.paint([(Bit("x" * 80),)], 80)
        assert screen.seen().endswith(b"x" * 80)


def test_without_colours_styles_stay_and_what_cannot_be_encoded_is_replaced():
    row = (Bit("bad", "bold red"), Bit("日"))
    assert Ink(colour=False, encoding="ascii").bytes_of(row) == b"\x1b[1mbad\x1b[0m?"


@pytest.mark.parametrize(
    ("told", "taken"), [((24, 80), (80, 24)), ((0, 0), (80, 24)), ((1, 3), (20, 5)), ((9999, 9999), (500, 200))]
)
def test_the_size_is_what_the_terminal_says_within_reason(screen, told, taken):
    screen.size(*told)
    assert screen.terminal().size() == Size(*taken)


def test_a_terminal_that_is_gone_is_given_back_quietly(screen):
    terminal = screen.terminal()
    terminal.take()
    kept = os.dup(screen.slave)
    with Path(os.devnull).open() as nowhere:
        os.dup2(nowhere.fileno(), screen.slave)
    terminal.give_back()
    os.close(kept)


@pytest.fixture
def bounded() -> Iterator[None]:
    """Whoever waits for ever is interrupted."""

    def over(*_: object) -> None:
        raise TimeoutError("it waits for the terminal")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("bounded")
def test_a_terminal_that_takes_no_more_is_not_waited_for_and_is_given_back_all_the_same(screen, monkeypatch):
    monkeypatch.setattr(module, "STALLED", 0.02)
    with screen.terminal() as terminal:
        for n in range(10):
            terminal.paint([(Bit(f"{n}" * 500),)] * 24, 500)
        while select.select([screen.master], [], [], 0.1)[0]:
            os.read(screen.master, 1 << 16)
        terminal.paint([(Bit("whole"),)], 80)
        assert screen.seen() == b"\x1b[2J\x1b[1Hwhole\x1b[K"
        for n in range(10):
            terminal.paint([(Bit(f"{n}" * 500),)] * 24, 500)
    assert screen.seen().endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l")
