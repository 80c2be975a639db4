"""Connections to engines: one aiohttp session per run, so that all of a run's sockets can be closed at once.

llama-server ignores SIGTERM while a client's socket is open; so the sockets go first, then the signal.
It also closes idle connections after 5.0 s; so ours are dropped sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from swapd import tasks
from swapd.core.commands import Command, Kill, Revoke, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.spec import Timeouts

KEEP_ALIVE = 2.5
"""Seconds an idle connection is kept: half of llama-server's own 5 s."""
LONGEST_HEADER = 32768
_BROKEN = (aiohttp.ClientConnectionError, ConnectionError)


class EngineBroke(Exception):
    """The engine closed, refused or reset the connection before the first byte of its answer."""


class FirstByteLate(Exception):
    """The engine took the request and gave no first byte in time."""


@dataclass(slots=True)
class Line:
    """Everything open to one run: the session, how many requests are on their way, the answers unread."""

    session: aiohttp.ClientSession
    relaying: int = 0
    answers: set[aiohttp.ClientResponse] = field(default_factory=set)


class Upstream:
    """The lines to all living runs. An ear of the desk: it hears when a run's sockets must go."""

    def __init__(self) -> None:
        self._lines: dict[RunId, Line] = {}

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Open a line when a run is ready; close its sockets before it is told to stop."""
        if isinstance(event, EngineReady):
            self._lines.setdefault(event.run, _open_line())
        for command in commands:
            if isinstance(command, Revoke | Terminate | Kill):
                self._drop(command.run)
        if isinstance(event, EngineExited):
            self._drop(event.run)

    async def close(self) -> None:
        """Close everything."""
        for run in list(self._lines):
            await self._lines.pop(run).session.close()

    @asynccontextmanager
    async def exchange(
        self, run: RunId, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None, bounds: Timeouts
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request and its answer, whose body is unread when the block begins.

        A body that was not read to its end closes its connection: that is how the engine is told to stop.
        Raises EngineBroke and FirstByteLate before the block.
        """
        line = self._lines.get(run)
        if line is None:
            raise EngineBroke("it was told to stop")
        line.relaying += 1
        try:
            answer = await self._send(line, method, url, headers, body, bounds)
            line.answers.add(answer)
            try:
                yield answer
            finally:
                line.answers.discard(answer)
                if answer.content.at_eof():
                    answer.release()
                else:
                    answer.close()
        finally:
            line.relaying -= 1

    async def _send(
        self, line: Line, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None, bounds: Timeouts
    ) -> aiohttp.ClientResponse:
        """Returns when the engine's head has come.

        A connection that was reused and found dead before the first byte is tried once more on a fresh one:
        the engine had closed it, it never saw the request.
        """
        bound, name = _first_byte(bounds)
        for _ in range(2):
            trace = SimpleNamespace(reused=False)
            try:
                async with asyncio.timeout(bound):
                    return await line.session.request(
                        method,
                        url,
                        headers=headers,
                        data=body,
                        allow_redirects=False,
                        trace_request_ctx=trace,
                        timeout=aiohttp.ClientTimeout(total=bounds.total, sock_connect=bounds.connect),
                    )
            except aiohttp.ConnectionTimeoutError as error:
                raise EngineBroke(f"no connection to the engine within {bounds.connect:g} s") from error
            except _BROKEN as error:
                if not trace.reused or line.session.closed:
                    raise EngineBroke(str(error) or type(error).__name__) from error
            except TimeoutError as error:
                raise FirstByteLate(f"no byte from the engine within {bound:g} s (timeouts.{name})") from error
            except aiohttp.ClientError as error:
                raise EngineBroke(f"the engine does not speak HTTP: {error}") from error
        raise EngineBroke("two connections in a row were closed by the engine")

    async def busy_slots(self, endpoint: Endpoint, run: RunId) -> int | None:
        """How many slots llama-server says are processing; None if it does not say."""
        bounds = Timeouts(connect=1.0, first_byte=2.0, total=3.0)
        try:
            url = URL(f"{endpoint}/slots")
            async with self.exchange(run, "GET", url, CIMultiDict(), None, bounds) as answer:
                slots = await answer.json(content_type=None) if answer.status == 200 else None
        except (EngineBroke, FirstByteLate, aiohttp.ClientError, ValueError, TimeoutError):
            return None
        if not isinstance(slots, list):
            return None
        return sum(1 for slot in slots if isinstance(slot, dict) and slot.get("is_processing"))

    def relaying(self, run: RunId) -> int:
        """How many answers of the run are being relayed right now."""
        line = self._lines.get(run)
        return line.relaying if line is not None else 0

    def _drop(self, run: RunId) -> None:
        line = self._lines.pop(run, None)
        if line is None:
            return
        for answer in list(line.answers):
            answer.close()  # wakes its reader, which closing the session alone would not
        tasks.spawn(line.session.close(), name=f"close sockets to {run}")


def _first_byte(bounds: Timeouts) -> tuple[float | None, str]:
    """How long to wait for the first byte, and the key of the config that says so."""
    if bounds.total is not None and (bounds.first_byte is None or bounds.total < bounds.first_byte):
        return bounds.total, "total"
    return bounds.first_byte, "first_byte"


def _open_line() -> Line:
    return Line(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trace_configs=[_note_reuse()],
        )
    )


def _note_reuse() -> aiohttp.TraceConfig:
    """Tell each request's context whether its connection came out of the pool."""
    trace = aiohttp.TraceConfig()

    async def reused(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams
    ) -> None:
        context.trace_request_ctx.reused = True

    trace.on_connection_reuseconn.append(reused)
    return trace
