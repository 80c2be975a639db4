"""The wires to engines, pooled for each run, so that all of a run's sockets can be closed at once.

llama-server ignores SIGTERM while a client's socket is open; so the sockets go first, then the signal. It closes
a connection that idles for 5.0 s, and each after its 100th request, which it says; so ours rest for half of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from swapd.core.commands import Command, Kill, Revoke, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.spec import Timeouts
from swapd.web import framing, waits
from swapd.web.carrier import Carrier
from swapd.web.dial import dial
from swapd.web.flow import Sink, Source, Upload
from swapd.web.framing import Framing
from swapd.web.headers import is_compressed
from swapd.web.heads import ALIKE, Malformed, Status
from swapd.web.page import Page
from swapd.web.wire import Lost, Silent, Wire

T = TypeVar("T")
W = TypeVar("W", bound=Wire)
REST = 2.5
"""Seconds a connection rests in the pool at most."""
_NOBODY = ConnectionRefusedError, FileNotFoundError


class EngineBroke(Exception):
    """The engine closed, refused or reset the connection, or answered nonsense, before a head was there.

    ``unheard``: before the first byte. ``deaf``: nobody listens there.
    """

    def __init__(self, why: str, *, unheard: bool = True, deaf: bool = False) -> None:
        super().__init__(why)
        self.unheard = unheard
        self.deaf = deaf


class FirstByteLate(Exception):
    """The engine took the request and gave no first byte in time."""


class Request(NamedTuple):
    """What an engine is sent. ``target``: raw path and query; ``lines``: headers but Host and Content-Length.

    ``repaired``: places of the body that are not as the client sent them. ``upgrade``: the engine is asked to
    switch protocols. ``ability``: what the engine must be able to do (core.kinds); empty where nobody knows.
    ``upload``: a body in pieces, instead of ``body``.
    """

    method: str
    target: str
    lines: bytes
    body: bytes | None
    repaired: int = 0
    upgrade: bool = False
    ability: str = ""
    upload: Upload | None = None


def get(target: str) -> Request:
    """A question of our own."""
    return Request("GET", target, b"", None)


class Line:
    """Everything open to one run, and how many requests are on their way."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.wires: set[Wire] = set()
        self._resting: list[Wire] = []
        self._closed = False
        self._head = endpoint.head.encode()
        self.relaying = 0

    async def send(self, request: Request, bounds: Timeouts) -> tuple[Wire, Status]:
        """Returns when the head of the answer has come. Raises EngineBroke and FirstByteLate.

        A wire that had rested and was found dead before the first byte is tried once more on a fresh one: the
        engine had closed it, and never saw the request.
        """
        bound, name = waits.first_byte(bounds)
        try:
            return await self._ask(request, bounds, bound)
        except Silent as silent:
            why = str(silent) or f"no byte from the engine within {bound:g} s (timeouts.{name})"
            raise FirstByteLate(why) from None
        except Lost as lost:
            raise EngineBroke(str(lost), unheard=lost.unheard) from lost
        except Malformed as error:
            raise _nonsense(error) from None

    def give_back(self, wire: Wire) -> None:
        """Its answer has ended, and it may be used again."""
        if self._closed or wire.spent:
            wire.abort()
        else:
            self._resting.append(wire)
            wire.rest(REST)

    def close(self) -> None:
        """Close all sockets at once; whoever waits for an answer hears of it."""
        self._closed = True
        for wire in list(self.wires):
            wire.abort()

    async def _ask(self, request: Request, bounds: Timeouts, bound: float | None) -> tuple[Wire, Status]:
        text, upload = self._written(request), request.upload
        if upload is not None:  # on a fresh wire: one that had rested may be dead
            fresh = await self._connect(bounds.connect, Carrier)
            return fresh, await fresh.upload(text, upload, bounds, bound)
        wire = self._rested()
        if wire is not None:
            try:
                return wire, await wire.ask(text, bound)
            except Lost as lost:
                if not lost.stale or self._closed:
                    raise
        wire = await self._connect(bounds.connect, Wire)
        return wire, await wire.ask(text, bound)

    def _rested(self) -> Wire | None:
        """One that can be used once more, the youngest first."""
        while self._resting:
            wire = self._resting.pop()
            if not wire.spent:
                return wire
        return None

    async def _connect(self, bound: float | None, kind: type[W]) -> W:
        """A fresh wire. Raises EngineBroke."""
        made = partial(kind, asyncio.get_running_loop(), self._forget)
        try:
            async with asyncio.timeout(bound):
                wire = await dial(self._endpoint, made)
        except OSError as error:
            late = isinstance(error, TimeoutError) and bound is not None
            why = f"no connection to the engine within {bound:g} s" if late else error.strerror or str(error)
            raise EngineBroke(why, deaf=isinstance(error, _NOBODY)) from error
        self.wires.add(wire)
        if self._closed:
            wire.abort()
            raise EngineBroke("it was told to stop")
        return wire

    def _forget(self, wire: Wire) -> None:
        self.wires.discard(wire)
        if wire.resting and wire in self._resting:
            self._resting.remove(wire)

    def _written(self, request: Request) -> bytes:
        method, target, lines, body = request[:4]
        start = f"{method} {self._endpoint.prefix}{target} HTTP/1.1\r\n".encode() + self._head
        if body is not None:
            return b"%s%sContent-Length: %d\r\n\r\n%s" % (start, lines, len(body), body)
        if request.upload is not None:
            return b"%s%sContent-Length: %d\r\n\r\n" % (start, lines, request.upload.length)
        return b"%s%s\r\n" % (start, lines)


@dataclass(slots=True)
class Answer:
    """An engine's answer, whose body is still to be poured. To be released in any case."""

    head: Status
    body: Framing
    _wire: Wire
    _line: Line

    @property
    def is_events(self) -> bool:
        """Whether it is a stream of events in which one more can be read; in a compressed one it cannot."""
        kinds = self.head.tokens(b"content-type")
        events = bool(kinds) and kinds[0].partition(b";")[0].strip() == b"text/event-stream"
        return events and not is_compressed(self.head)

    def pour(
        self, head: bytes, sink: Sink, idle: float | None, until: float | None = None
    ) -> Awaitable[tuple[bytes, bytes]]:
        """Let the body run to ``sink``, after ``head``; how it began and ended. Raises Lost, Silent, Malformed.

        ``idle``: seconds; ``until``: the moment of the loop at which it must be over, else TimeoutError.
        """
        pouring = self._wire.pour(head, self.body, sink, idle)
        return pouring if until is None else _until(until, pouring)

    def feed(self, data: bytes, feeder: Source) -> None:
        """To an engine that has switched protocols. ``feeder`` is told when to pause."""
        self._wire.feed(data, feeder)

    def release(self) -> None:
        """Keep the wire for the next request if the body was read to its end, else close it."""
        self._line.relaying -= 1
        if self.body.over and not self.body.extra and _stays(self.head):
            self._line.give_back(self._wire)
        else:
            self._wire.abort()


async def _until(moment: float, pouring: Awaitable[T]) -> T:
    async with asyncio.timeout_at(moment):
        return await pouring


class Upstream:
    """The lines to all living runs. An ear of the desk: it hears when a run's sockets must go."""

    def __init__(self) -> None:
        self._lines: dict[RunId, Line] = {}

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Open a line when a run is ready; close its sockets before it is told to stop."""
        if isinstance(event, EngineReady):
            self._lines.setdefault(event.run, Line(event.endpoint))
        for command in commands:
            if isinstance(command, Revoke | Terminate | Kill):
                self._drop(command.run)
        if isinstance(event, EngineExited):
            self._drop(event.run)

    def close(self) -> None:
        """Close everything."""
        for run in list(self._lines):
            self._drop(run)

    async def ask(self, run: RunId, request: Request, bounds: Timeouts) -> Answer:
        """One request; its answer when the head has come. Raises EngineBroke and FirstByteLate."""
        line = self._lines.get(run)
        if line is None:
            raise EngineBroke("it has ended, or was told to stop")
        line.relaying += 1
        try:
            wire, head = await line.send(request, bounds)
        except BaseException:
            line.relaying -= 1
            raise
        try:
            return Answer(head, framing.of_answer(head, request.method, upgrade=request.upgrade), wire, line)
        except Malformed as error:
            line.relaying -= 1
            wire.abort()
            raise _nonsense(error) from None

    async def page(self, run: RunId, question: Request, bounds: Timeouts) -> tuple[int, bytes]:
        """What is answered to a question of our own: status and body.

        It needs no lease: what says how an engine does must not wait for a slot, nor keep it from being idle.
        Raises EngineBroke and FirstByteLate.
        """
        answer = await self.ask(run, question, bounds)
        page = Page()
        try:
            answer.body = framing.plain(answer.body)
            await answer.pour(b"", page, bounds.idle)
        except (Lost, Silent, Malformed) as error:
            raise EngineBroke(str(error) or "it fell silent", unheard=False) from error
        finally:
            answer.release()
        return answer.head.code, bytes(page.text)

    def relaying(self, run: RunId) -> int:
        """How many answers of the run are being relayed right now."""
        line = self._lines.get(run)
        return line.relaying if line is not None else 0

    def waited(self, run: RunId) -> float:
        """For how many seconds somebody has had no byte of the run; 0 if nobody waits for one."""
        line = self._lines.get(run)
        return waits.longest(line.wires, asyncio.get_running_loop().time()) if line is not None else 0.0

    def forget(self, run: RunId) -> None:
        """Its process has ended: nobody is sent there any more. What it said before is still listened to."""
        self._lines.pop(run, None)

    def _drop(self, run: RunId) -> None:
        line = self._lines.pop(run, None)
        if line is not None:
            line.close()


def _nonsense(error: Malformed) -> EngineBroke:
    return EngineBroke(f"the engine does not speak HTTP: {error}", unheard=False)


@lru_cache(maxsize=ALIKE)
def _stays(head: Status) -> bool:
    """Whether the engine means to keep the connection open."""
    words = head.tokens(b"connection")
    return b"close" not in words and (head.minor == 1 or b"keep-alive" in words)
