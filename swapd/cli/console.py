"""Data in, text out. On a terminal: colours, tables, things that move; in a pipe: plain lines, never cut.

What is shown may come from elsewhere (a client, a file, an engine): only our own styles reach a terminal bare.

Besides `top`, the only home of rich, which is imported when a terminal is there to show it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from swapd.core.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import Group
    from rich.text import Text

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_A_SECOND = 12
GAP = "  "


class Bit(NamedTuple):
    """A piece of text in one style (rich's words: ``bold red``)."""

    text: str
    style: str = ""


class Line(NamedTuple):
    """Bits side by side, all of it ``indent`` columns from the left when it wraps."""

    bits: tuple[Bit, ...]
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one bit a column. ``numbers`` names the columns that are read from the right."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Bit]]
    numbers: frozenset[str] = frozenset()


class Console:
    """Writes to one stream. ``terminal``: whether somebody looks at it; None asks the stream."""

    def __init__(self, out: IO[str], terminal: bool | None = None, width: int | None = None) -> None:
        self._out = out
        self._width = width
        self._rich: RichConsole | None = None
        self.terminal = out.isatty() and os.environ.get("TERM") != "dumb" if terminal is None else terminal

    def line(self, text: str = "", style: str = "") -> None:
        """A line of text."""
        self.bits(Bit(text, style))

    def bits(self, *bits: Bit, indent: int = 0) -> None:
        """A line of differently styled pieces."""
        if self.terminal:
            self.rich.print(self._render([Line(bits, indent)]))
        else:
            self._plain(" " * indent + "".join(bit.text for bit in bits))

    def copyable(self, *bits: Bit) -> None:
        """A line to copy and paste: the terminal may wrap it, we may not."""
        if self.terminal:
            self.rich.print(self._text(bits), soft_wrap=True)
        else:
            self._plain("".join(bit.text for bit in bits))

    def text(self, text: str) -> None:
        """Somebody else's lines, as they are but for controls."""
        self._out.write(printable(text))
        self._out.flush()

    def json(self, value: Any) -> None:
        """Data for programs."""
        self._plain(json.dumps(value, indent=2, ensure_ascii=False))

    def table(self, table: Table) -> None:
        """Columns under their names; empty cells are ``-`` so that every row has as many words."""
        if self.terminal:
            self.rich.print(self._rich_table(table))
            return
        rows = [table.columns, *([printable(bit.text) or "-" for bit in row] for row in table.rows)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(table.columns))]
        for row in rows:
            cells = [
                text.rjust(width) if name in table.numbers else text.ljust(width)
                for name, text, width in zip(table.columns, row, widths, strict=True)
            ]
            self._plain(GAP.join(cells).rstrip())

    @contextmanager
    def live(
        self, picture: Callable[[], Sequence[Line]], *, keep: bool = False, frames: float = FRAMES_A_SECOND
    ) -> Iterator[None]:
        """Show what ``picture`` returns, ``frames`` times a second, while the block runs. Nothing in a pipe."""
        if not self.terminal:
            yield
            return
        from rich.live import Live  # noqa: PLC0415  (a pipe need not pay for it)

        shown = Live(
            get_renderable=lambda: self._render(picture()),
            console=self.rich,
            refresh_per_second=frames,
            transient=not keep,
            vertical_overflow="visible",
        )
        with shown:
            yield

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A spinner and the seconds that have passed, while the block runs."""
        began = time.monotonic()
        spinner = lambda: [Line((spin(), Bit(f" {text} … {time.monotonic() - began:.1f} s")))]  # noqa: E731
        with self.live(spinner):
            yield

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """A progress bar over ``total`` bytes; the block calls what it gets with each step."""
        if not self.terminal:
            self._plain(text)
            yield lambda step: None
            return
        from rich.progress import BarColumn, DownloadColumn, Progress  # noqa: PLC0415

        with Progress("{task.description}", BarColumn(), DownloadColumn(), console=self.rich) as progress:
            task = progress.add_task(printable(text), total=total)
            yield lambda step: progress.advance(task, step)

    @property
    def rich(self) -> RichConsole:
        """Rich's console over the same stream."""
        if self._rich is None:
            from rich.console import Console as RichConsole  # noqa: PLC0415

            self._rich = RichConsole(
                file=self._out, force_terminal=True, width=self._width, highlight=False, markup=False, emoji=False
            )
        return self._rich

    def _plain(self, text: str) -> None:
        print(printable(text), file=self._out, flush=True)

    def _render(self, lines: Sequence[Line]) -> Group:
        from rich.console import Group  # noqa: PLC0415
        from rich.padding import Padding  # noqa: PLC0415

        texts = [(self._text(line.bits), line.indent) for line in lines]
        return Group(
            *(Padding(text, (0, 0, 0, indent), expand=False) if indent else text for text, indent in texts)
        )

    def _text(self, bits: Sequence[Bit]) -> Text:
        from rich.text import Text  # noqa: PLC0415

        return Text.assemble(*(Bit(printable(bit.text), bit.style) for bit in bits))

    def _rich_table(self, table: Table) -> Any:
        from rich.table import Table as RichTable  # noqa: PLC0415

        shown = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for n, name in enumerate(table.columns):
            last = n == len(table.columns) - 1
            shown.add_column(name, justify="right" if name in table.numbers else "left", no_wrap=not last)
        for row in table.rows:
            shown.add_row(*(self._text((bit if bit.text else Bit("–", "dim"),)) for bit in row))
        return shown


def spin() -> Bit:
    """The spinner as it looks just now."""
    return Bit(FRAMES[int(time.monotonic() * FRAMES_A_SECOND) % len(FRAMES)], "cyan")


def stdout() -> Console:
    """Where a verb's answer goes."""
    return Console(sys.stdout)


def stderr() -> Console:
    """Where complaints go."""
    return Console(sys.stderr)
