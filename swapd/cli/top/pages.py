"""What takes the whole screen: a model's log, its details, the events, the keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from swapd.cli.console import Bit
from swapd.cli.events import COLOURS
from swapd.cli.top.glyphs import Glyphs
from swapd.cli.top.text import Row, clean, cut_row, fit, wrap

KEPT = 2000
"""Lines of a log; older ones are dropped."""
LONGEST = 4096
"""Characters of a line that are kept."""
FOLDS = 12
"""Rows that one line may take."""
CLOCK = 8
KIND = len("weighed")
HELP = (
    ("up, down, j, k", "choose a model; also PgUp, PgDn, Home, End, g, G"),
    ("Enter, i", "why the model is, or is not, up; who waits for it"),
    ("l", "load it, whatever failed before"),
    ("u", "unload it; asks first if it has leases"),
    ("p", "pin it: it is loaded, and stays; or unpin it"),
    ("f", "follow its log; the space bar pauses, q goes back"),
    ("/", "show only models whose name, alias or state holds what you type; Esc shows all"),
    ("e", "only the events"),
    ("Ctrl-L", "draw the screen anew"),
    ("q, Ctrl-C", "quit; from a page, q goes back"),
)
COLUMNS = (
    ("SLOTS", "requests that it serves, of so many at once"),
    ("QUEUE", "requests that wait, and for how long the first has"),
    ("TOK/S", "tokens a second, as those saw it who asked in the last minute"),
    ("MEMORY", "held of what is reckoned"),
    ("SINCE, IDLE", "the age of its state; the time without a request"),
)
BARS = (
    (0, "green", "reckoned for engines of swapd"),
    (1, "magenta", "held by others"),
    (2, "dim", "free"),
)


@dataclass(slots=True)
class Log:
    """The last lines of a log that is followed."""

    model: str
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0
    """Of all lines that came."""
    ended: str = ""
    """Why no more come."""
    _open: str = ""
    """The beginning of a line whose end has not come."""
    _dropped: int = 0
    """Characters of it that were not kept."""

    def add(self, text: str) -> None:
        """A piece, which may begin and end within a line."""
        *whole, rest = text.split("\n")
        for piece in whole:
            self._grow(piece)
            self._close()
        self._grow(rest)

    def around(self, number: int, count: int) -> tuple[list[str], list[str]]:
        """``count`` lines up to the one of that number, and as many after it, as far as they are kept."""
        end = max(0, number - (self.count - len(self.lines)))
        before, after = islice(self.lines, max(0, end - count), end), islice(self.lines, end, end + count)
        return list(before), list(after)

    def _grow(self, piece: str) -> None:
        room = LONGEST - len(self._open)
        self._open += piece[:room]
        self._dropped += max(0, len(piece) - room)

    def _close(self) -> None:
        more = f" … and {self._dropped} characters more" if self._dropped else ""
        self.lines.append(self._open.removesuffix("\r") + more)
        self.count += 1
        self._open, self._dropped = "", 0


def log_rows(log: Log, at: int | None, cells: int, rows: int, glyphs: Glyphs) -> list[Row]:
    """The lines up to number ``at``, the newest at the bottom, or more where there is room; folded."""
    before, after = log.around(log.count if at is None else at, rows)
    found: list[Row] = []
    for line in reversed(before):
        found = [*_folded(line, cells, glyphs), *found]
        if len(found) >= rows:
            return found[-rows:] if rows > 0 else []
    for line in after:
        found += _folded(line, cells, glyphs)
    return found[:rows]


def _folded(line: str, cells: int, glyphs: Glyphs) -> list[Row]:
    style = "cyan" if line.startswith("--- ") else ""
    folded = wrap(line, max(1, cells), FOLDS)
    if len(folded) == FOLDS:
        folded[-1] = fit(folded[-1], cells - 1, glyphs.cut) + glyphs.cut
    return [plain(text, style) for text in folded]


def plain(text: str, style: str = "") -> Row:
    """A row of one bit."""
    return (Bit(text, style),)


def event_rows(events: Sequence[dict[str, Any]], cells: int, glyphs: Glyphs) -> list[Row]:
    """A line each, the newest at the bottom; their time as it is here."""
    return [_event(event, cells, glyphs) for event in events]


def _event(event: dict[str, Any], cells: int, glyphs: Glyphs) -> Row:
    at = f"{datetime.fromisoformat(event['at']).astimezone():%H:%M:%S}" if event.get("at") else " " * CLOCK
    kind = str(event["type"])
    style = COLOURS.get(kind, "")
    quiet = "dim" if event.get("level") == "debug" or kind == "grant" else ""
    head: Row = (Bit(f" {at} ", "dim"), Bit(f"{clean(kind, KIND)[:KIND]:<{KIND}} ", style))
    if cells < 50:  # the sentence says what it is about
        head = head[:1]
        quiet = quiet or style
    text = str(event["text"]).partition("\n")[0]
    told = text.removeprefix(f"{kind} ") if len(head) > 1 else text
    return cut_row((*head, Bit(told, quiet)), cells, glyphs.cut)


def help_rows(cells: int, glyphs: Glyphs) -> list[Row]:
    """The keys, then what the columns, the signs and the bars mean."""
    found: list[Row] = [(), *_terms(HELP, cells), (), *_terms(COLUMNS, cells), ()]
    for dot, text in zip(glyphs.dots, ("ready", "on its way up or down", "not up"), strict=True):
        found.append((Bit(f"   {dot} "), Bit(f"  {text}")))
    for n, style, text in BARS:
        found.append((Bit("  "), Bit(glyphs.bar[n] * 3, style), Bit(f"  {text}")))
    found.append((Bit(f"   {glyphs.limit} ", "yellow"), Bit("  the end of the budget")))
    found.append((Bit(f"   {glyphs.pin} "), Bit("  pinned: is never evicted")))
    return [cut_row(row, cells, glyphs.cut) for row in found]


def _terms(terms: Sequence[tuple[str, str]], cells: int) -> Iterator[Row]:
    """Each with what it means beside it."""
    wide = max(len(keys) for keys, _ in HELP) + 3
    for term, text in terms:
        first, *more = wrap(text, max(10, cells - wide - 2), 4, words=True)
        yield Bit(f"  {term:<{wide}}", "bold"), Bit(first.strip())
        yield from ((Bit(" " * (wide + 2)), Bit(line.strip())) for line in more)


def text_rows(lines: Sequence[str], cells: int) -> list[Row]:
    """Lines of plain text, folded; what is indented stays so."""
    found: list[Row] = []
    for line in lines:
        indent = " " * min(len(line) - len(line.lstrip()), cells // 4)
        for text in wrap(line.strip(), max(1, cells - len(indent)), FOLDS * 4, words=True):
            found.append(plain(indent + text))
    return found
