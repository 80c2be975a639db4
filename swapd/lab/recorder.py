"""The recorder: an ear of the desk that writes down who asked for which model when. Never what was asked, nor from
where: a client is a number in order of appearance.

The one place of the lab that writes a file, and that in a thread of its own: the desk never waits for a disk.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from swapd.core.commands import Command, Grant, Refuse, Revoke, Spawn
from swapd.core.engine import RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Event, Left, Ticket, Usage
from swapd.core.spec import Catalog
from swapd.lab.trace import NOTHING, SERVED, Answer, Request, header, line, load_line

log = logging.getLogger("swapd")
EVERY = 5.0
"""Seconds between two writes."""
MOST = 100_000
"""Lines that may wait for the disk. One that takes longer has failed."""
MOST_CLIENTS = 10_000
"""So many clients are told apart; all others are one."""
GOODBYE = 5.0
"""Seconds that ``close`` waits for the disk."""
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_HEADER = re.compile(rb'\s*\{\s*"swapd_trace"\s*:')
_BEGINNING = 4096
"""Bytes within which a trace shows that it is one."""
_FAILED = "cannot record the trace in '%s': %s; requests are served unrecorded until a restart"
WITHDRAWN, CUT, DIED = "withdrawn", "cut", "engine_died"


class Recorder:
    """Appends to the trace at ``path``; a new file is its owner's alone.

    ``clock`` gives monotonic seconds, as the loop's does. ``every`` so many seconds the file is brought up to
    date.
    """

    def __init__(self, path: Path | str, clock: Callable[[], float], every: float = EVERY) -> None:
        self._notes = _Notes(clock, clock())
        self._paper = _Paper(Path(path), every)
        self._paper.add(header())

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Note what is over; nothing here waits."""
        for each in self._notes.hear(event, commands):
            self._paper.add(each)

    def close(self) -> None:
        """Write the rest, and end. Requests that are still open are not written."""
        self._paper.close()


@dataclass(slots=True)
class _Open:
    """A request that is not over. ``run`` and ``granted``: who serves it since when, None while it waits."""

    arrival: float
    model: str
    client: str
    waited: float = 0.0
    outcome: str = SERVED
    run: RunId | None = None
    granted: float = 0.0


@dataclass(slots=True)
class _Notes:
    """Events and orders in, lines of a trace out. Seconds count from ``start``."""

    clock: Callable[[], float]
    start: float
    catalog: Catalog = field(default_factory=Catalog)
    open: dict[Ticket, _Open] = field(default_factory=dict)
    loading: dict[RunId, float] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)

    def hear(self, event: Event, commands: Sequence[Command]) -> list[bytes]:
        now = self.clock() - self.start
        found = self._happened(event, now)
        for command in commands:
            found += self._decided(command, now)
        return found

    def _happened(self, event: Event, now: float) -> list[bytes]:
        match event:
            case Asked(ticket, model, client):
                known = self.catalog.resolve(model)
                name = known[0].name if known else "unknown"  # else it is a client's word, and may be anything
                self.open[ticket] = _Open(now, name, self._number(client))
            case Left(ticket, usage):
                return self._over(ticket, now, WITHDRAWN, usage)
            case CatalogChanged(catalog):
                self.catalog = catalog
            case EngineReady(run) if run in self.loading:
                return [load_line(run.model, now - self.loading.pop(run))]
            case EngineExited(run):
                self.loading.pop(run, None)
                self._spoil(DIED, [ticket for ticket, each in self.open.items() if each.run == run])
            case _:
                pass
        return []

    def _decided(self, command: Command, now: float) -> list[bytes]:
        match command:
            case Grant(ticket):
                if (each := self.open.get(ticket)) is not None:
                    each.waited, each.run, each.granted = command.queued, command.run, now
            case Spawn(run):
                self.loading[run] = now
            case Revoke(ticket):
                self._spoil(CUT, [ticket] if ticket in self.open else [])
            case Refuse(ticket, refusal):
                return self._over(ticket, now, refusal.reason.name.lower())
            case _:
                pass
        return []

    def _spoil(self, outcome: str, tickets: list[Ticket]) -> None:
        """These will leave without their answer; the first cause counts."""
        for ticket in tickets:
            each = self.open[ticket]
            if each.outcome == SERVED:
                each.outcome = outcome

    def _over(self, ticket: Ticket, now: float, outcome: str, usage: Usage | None = None) -> list[bytes]:
        """The line of a request that ends; ``outcome`` counts if it never had a lease."""
        each = self.open.pop(ticket, None)
        if each is None:
            return []
        if each.run is None:
            waited = now - each.arrival
            return [line(Request(each.arrival, each.model, 0.0, each.client, waited, outcome))]
        service, answer = now - each.granted, Answer(*usage) if usage is not None else NOTHING
        return [line(Request(each.arrival, each.model, service, each.client, each.waited, each.outcome, answer))]

    def _number(self, client: str) -> str:
        if (known := self.clients.get(client)) is not None:
            return known
        if len(self.clients) >= MOST_CLIENTS:
            return "others"
        return self.clients.setdefault(client, f"client-{len(self.clients) + 1}")


class _Paper:
    """Lines that a thread appends to a file now and then. Once that fails it is said, and no more is written."""

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._every = every
        self._lines: deque[bytes] = deque()
        self._closing = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._work, name="trace recorder", daemon=True)
        self._thread.start()

    def add(self, text: bytes) -> None:
        """One more line, from the loop's thread."""
        if self._lost:
            return
        if len(self._lines) < MOST:
            self._lines.append(text)
        else:
            self._lose(_FAILED, f"{MOST} lines wait for the disk already")

    def close(self) -> None:
        self._closing.set()
        self._thread.join(GOODBYE)

    def _work(self) -> None:
        try:
            file = _opened(self._path)
        except OSError as error:
            self._lose("cannot record to %s: %s; name another file", error.strerror or str(error))
            return
        try:
            with file:
                if file.tell():
                    file.write(b"\n")  # what was there may end amidst a line; an empty one means nothing
                going = True
                while going and not self._lost:
                    going = not self._closing.wait(self._every)
                    while self._lines:
                        file.write(self._lines.popleft())
                    file.flush()
        except OSError as error:
            self._lose(_FAILED, error.strerror or str(error))

    def _lose(self, told: str, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._lines.clear()
            log.warning(told, self._path, reason)


def _opened(path: Path) -> BinaryIO:
    """The trace, to append to. Raises OSError also if it is a link, no regular file, or holds anything else."""
    if path.is_symlink():
        raise OSError("it is a symbolic link")
    handle = os.open(path, _APPEND, 0o600)  # which refuses a link that was put there just now
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is not a regular file")
        begins = os.pread(handle, _BEGINNING, 0)
        if begins and _HEADER.match(begins) is None:
            raise OSError("it holds something that is not a trace")
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "ab")
