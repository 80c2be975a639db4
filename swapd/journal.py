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
from typing import IO

import msgspec

from swapd.core.commands import Command
from swapd.core.events import Event
from swapd.core.settings import LogSettings
from swapd.core.text import printable
from swapd.core.told import Story

log = logging.getLogger("swapd")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_SYSLOG = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class Journal:
    """An ear of the desk."""

    def __init__(self) -> None:
        self._story = Story()

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
    if style == "auto" and _is_journal(environ, stream):
        return _Journald()
    return _Plain("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")


def _is_journal(environ: Mapping[str, str], stream: IO[str]) -> bool:
    """Whether our stream is the very socket that systemd announced (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        info = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": printable(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = printable(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


class _Journald(_Plain):
    """``<6>text``: journald reads the priority off and stamps the time itself; each line needs the mark."""

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{_SYSLOG.get(record.levelname, 6)}>"
        return "\n".join(mark + line for line in super().format(record).splitlines())
