"""The terminal: taken for a full screen, painted where something changed, and given back as it was found.

The sequences are those of xterm that all its heirs know (also the Linux console, tmux and screen): the alternate
screen, the cursor hidden, and no wrapping at the right edge, so that a character that is wider there than we think
spoils its own line at most.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from collections.abc import Sequence
from dataclasses import dataclass

from rich.color import ColorSystem
from rich.style import Style

from swapd.cli.top.screen import Size
from swapd.cli.top.text import Row, width

CLEAR = b"\x1b[2J"
ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l" + CLEAR
LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
REST = b"\x1b[K"
"""Erases from the cursor on: in a full row that would be its last character, for the cursor stays on it."""
GONE = (OSError, termios.error)
"""What is raised where the terminal is not there any more."""
STALLED = 2.0
"""Seconds that a terminal may take nothing before the picture is given up: who waits for it hears no signal."""
PIECE = 256
"""Bytes at a time: for so many there is room where there is any."""
LOCAL = 3
"""Where ``tcgetattr`` has the local modes."""
CHARACTERS = 6
"""And the special characters."""
LEAST, MOST = Size(20, 5), Size(500, 200)
"""What we draw for, whatever the terminal says it is."""


@dataclass(frozen=True, slots=True)
class Ink:
    """How text becomes bytes."""

    colour: bool
    encoding: str

    def bytes_of(self, row: Row) -> bytes:
        """The row with its styles."""
        return "".join(self._styled(text, style) for text, style in row).encode(self.encoding, "replace")

    def _styled(self, text: str, style: str) -> str:
        if not style or not text:
            return text
        found = Style.parse(style)
        return (found if self.colour else found.without_color).render(text, color_system=ColorSystem.STANDARD)


class Terminal:
    """``with Terminal(ink, stdin, stdout):`` it is ours. All of it raises what is in GONE."""

    def __init__(self, ink: Ink, read: int, write: int) -> None:
        self._ink = ink
        self._in, self._out = read, write
        self._found = termios.tcgetattr(self._in)
        self._shown: list[Row] = []
        self._ours = False

    def __enter__(self) -> Terminal:
        try:
            self.take()
        except BaseException:
            self.give_back()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    @property
    def input(self) -> int:
        """Where keys come from."""
        return self._in

    def size(self) -> Size:
        """As it is now."""
        try:
            columns, lines = os.get_terminal_size(self._out)
        except OSError:
            columns, lines = 80, 24
        if columns <= 0 or lines <= 0:  # a serial line tells nothing
            columns, lines = 80, 24
        return Size(max(LEAST.width, min(columns, MOST.width)), max(LEAST.height, min(lines, MOST.height)))

    def take(self) -> None:
        """Keys come at once and are not echoed; Ctrl-C and Ctrl-Z stay signals. Also when it was ours already."""
        modes = termios.tcgetattr(self._in)
        modes[LOCAL] &= ~(termios.ICANON | termios.ECHO)
        special = list(modes[CHARACTERS])
        special[termios.VMIN], special[termios.VTIME] = 1, 0
        modes[CHARACTERS] = special
        termios.tcsetattr(self._in, termios.TCSADRAIN, modes)
        self._write(CLEAR if self._ours else ENTER)
        self._ours, self._shown = True, []

    def give_back(self) -> None:
        """As it was found. A terminal that is gone needs nothing."""
        with contextlib.suppress(*GONE):
            if self._ours and not self._write(LEAVE):
                termios.tcflush(self._out, termios.TCOFLUSH)  # of pictures that nobody has read
                self._write(LEAVE)
        self._ours = False
        with contextlib.suppress(*GONE):
            termios.tcsetattr(self._in, termios.TCSANOW, self._found)

    def pause(self) -> None:
        """Stop, as Ctrl-Z means it, and go on when the shell says so."""
        self.give_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        self.take()

    def forget(self) -> None:
        """Whatever is on the screen now, the next picture is painted whole."""
        self._shown = []

    def paint(self, rows: Sequence[Row], columns: int) -> None:
        """Write the rows that are not there already."""
        out = bytearray()
        if len(self._shown) != len(rows):
            out += CLEAR
            self._shown = [()] * len(rows)
        for n, row in enumerate(rows):
            if row != self._shown[n]:
                out += f"\x1b[{n + 1}H".encode() + self._ink.bytes_of(row)
                out += REST if width(row) < columns else b""
        self._shown = list(rows) if self._write(bytes(out)) else []

    def _write(self, data: bytes) -> bool:
        """Whether all of it was taken. A terminal that stands still (Ctrl-S, a line that hangs) is let be."""
        while data:
            if not select.select([], [self._out], [], STALLED)[1]:
                return False
            data = data[os.write(self._out, data[:PIECE]) :]
        return True
