"""The diary: hears every event with the orders it caused, and prints what ``core.told`` makes of them.

Also the one place that sets up logging and reads the wall clock.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Any, Protocol

import msgspec

from swapd.core.commands import Command
from swapd.core.events import Event
from swapd.core.settings import LogSettings
from swapd.core.text import printable
from swapd.core.told import Story

log = logging.getLogger("swapd")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_STAMP = "%Y-%m-%d %H:%M:%S"
_SYSLOG = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class Journal:
    """An ear of the desk."""

    def __init__(self, story: Story | None = None) -> None:
        """``story``: one that it shares with other ears."""
        self._story = story or Story()

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Print what happened, then what was decided."""
        for news in self._story.hear(event, commands, time.monotonic()):
            if log.isEnabledFor(level := _LEVELS[news.level]):
                more = "".join(f"\n  | {line}" for line in news.more)
                log.log(level, "%s%s", news.text, more)


def configure(settings: LogSettings, environ: Mapping[str, str], stream: IO[str] = sys.stderr) -> None:
    """(Re)configure the root logger. ``auto``: plain lines; under systemd's journal its priority marks."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(settings.format, environ, stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # aiohttp logs a traceback for each malformed request; a port scan must not fill the disk.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it counts every change in the folder


def wall_clock(monotonic: float, now: float) -> str:
    """A monotonic moment as RFC 3339 in UTC; ``now`` is the monotonic present."""
    stamp = datetime.now(UTC).timestamp() - (now - monotonic)
    return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _formatter(style: str, environ: Mapping[str, str], stream: IO[str]) -> logging.Formatter:
    if style == "json":
        return _Json()
    if style == "auto" and is_journal(environ, stream):
        return _Journald()
    return _Plain("%(asctime)s %(levelname)-7s %(message)s", datefmt=_STAMP)


def is_journal(environ: Mapping[str, str], stream: IO[str]) -> bool:
    """Whether the stream is the very socket that systemd announced (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        info = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"


def marked(text: str, level: str) -> str:
    """As journald reads it: it takes the priority off; each line needs the mark (sd-daemon(3))."""
    mark = f"<{_SYSLOG.get(level, 6)}>"
    return "\n".join(mark + line for line in text.splitlines())


class Row(Protocol):
    """A line of the access log. What it holds can be printed."""

    def fields(self) -> dict[str, Any]:
        """Names, numbers and texts, flat."""

    def __str__(self) -> str:
        """The same as a line for people."""


def _rows(record: logging.LogRecord) -> Sequence[tuple[float, Row]]:
    """Those that a record of the access log brings, each with the seconds since; nothing of any other record."""
    rows: Sequence[tuple[float, Row]] = getattr(record, "rows", ())
    return rows


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if rows := _rows(record):
            return "\n".join([self._row(record.created - age, str(row)) for age, row in rows])
        return printable(super().format(record))

    def _row(self, at: float, text: str) -> str:
        return f"{_local(int(at))} INFO    {text}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if rows := _rows(record):
            return b"\n".join([_json(record, record.created - age, row.fields()) for age, row in rows]).decode()
        line = {"message": printable(record.getMessage())}
        if record.exc_info:
            line["error"] = printable(self.formatException(record.exc_info))
        return _json(record, record.created, line).decode()


def _json(record: logging.LogRecord, at: float, line: dict[str, Any]) -> bytes:
    stamp = f"{_utc(int(at))}.{int(at % 1 * 1000):03}+00:00"
    return msgspec.json.encode({"time": stamp, "level": record.levelname.lower(), **line})


@lru_cache(maxsize=4)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=4)
def _local(second: int) -> str:
    return time.strftime(_STAMP, time.localtime(second))


class _Journald(_Plain):
    """``<6>text``: journald stamps the time itself."""

    def _row(self, at: float, text: str) -> str:
        return text

    def format(self, record: logging.LogRecord) -> str:
        return marked(super().format(record), record.levelname)
