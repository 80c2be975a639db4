"""The access log: one row for each request, never what was said in it, nor a key.

Whoever has answered a request only leaves a row. A timer, which runs only while there are any, tells them to who
counts requests, and takes them to a thread that words and writes them all at once, as the log's format wants them
(``journal``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from swapd import tasks
from swapd.core.answered import Answered
from swapd.core.events import Usage
from swapd.core.settings import Settings
from swapd.core.text import one_line
from swapd.web.bridge import Relayed, behind
from swapd.web.client import Client
from swapd.web.errors import told_of
from swapd.web.gate import Lease
from swapd.web.manners import Manners
from swapd.web.visit import Visit

log = logging.getLogger("swapd.access")
PAUSE = 0.5
"""Seconds for which rows are gathered."""
LAST = 2.0
"""Seconds that writing the last ones may take."""
MANY = 50
"""Rows of which is heard at once: so that what is made of them never holds the others up."""
MOST = 1 << 15
"""Rows that wait to be written at most; what comes then is only counted."""
LEFT = (b"499", "client_left")
"""The client did not wait for the end; 499 is nginx's number for it."""
Ear = Callable[[Sequence[Answered]], None]
"""Hears of those that have ended, some at a time."""
POLLS = frozenset(f"GET {path}" for path in ("/health", "/ready", "/metrics", "/admin/status"))
"""Asked all day by machines: told only if they go wrong."""
_Raw = tuple[Visit, str, Lease | None, float]
_LONGEST = 100
"""Characters of a name that is a client's own choice."""


class Row(NamedTuple):
    """A request that has ended, at the monotonic moment ``ended``."""

    visit: Visit
    client: str
    lease: Lease | None
    ended: float

    @property
    def answered(self) -> Answered:
        """The same, for those who count."""
        visit, lease = self.visit, self.lease
        method, route = _parted(visit.what)
        model, run, queued, loaded = _safe(visit.model), None, 0.0, 0.0
        if lease is not None:
            (model, run), queued, loaded = lease.run, lease.queued, lease.loaded
        usage = (lease.usage if lease is not None else None) or Usage()
        total, status = self.ended - visit.began, int(visit.status[:3] or 0)
        who = (_safe(self.client), model, run)
        return Answered(
            self.ended, total, visit.id, method, route, status, visit.code, *who, queued, loaded, *usage
        )

    def fields(self) -> dict[str, Any]:
        """What is known of it, flat: names, counts, milliseconds."""
        visit, lease = self.visit, self.lease
        method, route = _parted(visit.what)
        found: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": int(visit.status[:3] or 0),
            "total_ms": int((self.ended - visit.began) * 1000),
            "request_id": visit.id,
            "client": _safe(self.client),
        }
        if lease is not None:
            found["model"], found["run"] = lease.run
            found["queued_ms"], found["load_ms"] = int(lease.queued * 1000), int(lease.loaded * 1000)
            found |= _taken(lease.usage)
        elif visit.model:
            found["model"] = _safe(visit.model)
        if visit.code:
            found["error"] = visit.code
        if visit.about:
            found["about"] = _safe(visit.about)
        return found

    def __str__(self) -> str:
        visit, lease = self.visit, self.lease
        usage = lease.usage if lease is not None else None
        if lease is None or usage is None or None in usage or visit.code:
            return _text(self.fields())
        # The same in one go, for thousands a second: the loop may wait meanwhile.
        (model, n), (first_byte, prompt, completion) = lease.run, usage
        return (
            f"{visit.what} {visit.status[:3].decode()} in {int((self.ended - visit.began) * 1000)} ms"
            f" request_id={visit.id} client={_safe(self.client)} model={model} run={n}"
            f" queued_ms={int(lease.queued * 1000)} load_ms={int(lease.loaded * 1000)}"
            f" first_byte_ms={int((first_byte or 0.0) * 1000)}"
            f" prompt_tokens={prompt} completion_tokens={completion}"
        )


def _text(found: dict[str, Any]) -> str:
    """A row's fields as a line for people."""
    start = f"{found.pop('method')} {found.pop('route')} {found.pop('status')} in {found.pop('total_ms')} ms"
    return " ".join([start, *[f"{name}={value}" for name, value in found.items()]])


def _taken(usage: Usage | None) -> dict[str, int]:
    """What an answer took, as far as the engine told."""
    if usage is None:
        return {}
    first = None if usage.first_byte is None else int(usage.first_byte * 1000)
    told = {"first_byte_ms": first, "prompt_tokens": usage.prompt, "completion_tokens": usage.completion}
    return {name: amount for name, amount in told.items() if amount is not None}


@lru_cache(maxsize=256)
def _parted(what: str) -> tuple[str, str]:
    method, _, route = what.partition(" ")
    return method, route


class RequestsLog:
    """Gathers the rows. ``settings``: those in force; ``ears`` hear of all, whether or not they are logged."""

    def __init__(self, settings: Callable[[], Settings], manners: Manners, ears: Sequence[Ear] = ()) -> None:
        self._settings = settings
        self._manners = manners
        self._ears = tuple(ears)
        self._rows: list[_Raw] = []
        """Of which nobody has heard yet."""
        self._unwritten: list[_Raw] = []
        """Those of them that are to be logged."""
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def note(self, visit: Visit, client: str, lease: Lease | None) -> None:
        """A request has ended. Hot: costs next to nothing."""
        self._rows.append((visit, client, lease, time.monotonic()))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self.tell)
        if len(self._rows) == MANY:
            asyncio.get_running_loop().call_soon(self.tell)

    def tell(self) -> None:
        """Whoever listens hears of those that have ended, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows, self._rows = self._rows, []
        if rows and self._ears:
            answered = [Row(*row).answered for row in rows]
            for ear in self._ears:
                ear(answered)
        if self._settings().log.access:
            room = max(0, MOST - len(self._unwritten))
            self._unwritten += rows[:room]
            self._lost += len(rows[room:])
        self._write_soon()

    def answered(self, client: Client) -> None:
        """The same, of one that was answered past aiohttp."""
        self.note(client.visit, client.name, client.turn.lease)

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The same, of one of aiohttp's."""
        visit = self._manners.of(request)
        try:
            response = await handler(request)
            if not isinstance(response, Relayed):
                visit.status, (visit.code, visit.about) = b"%d" % response.status, told_of(response)
            return response
        except asyncio.CancelledError:
            visit.status, visit.code = LEFT
            raise
        except web.HTTPException as error:
            visit.status = b"%d" % error.status
            raise
        finally:
            client = behind(request)
            if client is not None:
                self.answered(client)
            elif visit.what not in POLLS or visit.code:
                self.note(visit, visit.sender, None)

    async def close(self) -> None:
        """Write what is left, within LAST: engines must not outlive us because nobody reads our log."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                while self._rows or self._unwritten or self._writing is not None:
                    self.tell()
                    if self._writing is not None:
                        await asyncio.wait([self._writing])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write_soon(self) -> None:
        if self._writing is None and self._unwritten:
            rows, self._unwritten, lost, self._lost = self._unwritten, [], self._lost, 0
            self._writing = tasks.spawn(self._write(rows, lost), name="write access log")

    async def _write(self, rows: list[_Raw], lost: int) -> None:
        try:
            await asyncio.to_thread(_write, rows, lost)
        finally:
            self._writing = None
            if self._unwritten and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(PAUSE, self.tell)


def _write(rows: list[_Raw], lost: int) -> None:
    """As one record: a handler locks, formats and flushes once for all of them. Blocks."""
    now = time.monotonic()
    batch = [(now - row[-1], Row(*row)) for row in rows]
    log.info("%d requests", len(batch), extra={"rows": batch})
    if lost:
        log.warning("%d more requests are not in the log: there were too many at once", lost)


@lru_cache(maxsize=1024)
def _safe(text: str) -> str:
    """Many requests come from few clients."""
    return text if len(text) <= _LONGEST and text.isprintable() else one_line(text[:_LONGEST])
