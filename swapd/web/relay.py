"""Bytes from the engine to the client: as they come, unchanged, and never ended as if complete when cut.

Knows nothing of models and queues: it gets a lease and a request to send.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from swapd.core.refusal import Exit, Reason, Refusal
from swapd.web import errors
from swapd.web.gate import Lease
from swapd.web.headers import client_headers
from swapd.web.upstream import EngineBroke, FirstByteLate, Upstream

REVOKED = "its drain was overdue, so it was stopped"
SLOT_POLL = 2.5
"""Seconds between looks at /slots: asked more than once a second, llama-server never notices that a client
of a non-stream request has left."""
SLOT_BOUND = 60.0
"""Seconds after which a slot is taken to be free all the same."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """What is sent to the engine: ``target`` is the raw path and query."""

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | None
    streams: bool
    """Whether the client asked for a stream; only those are surely cancelled when their client leaves."""


async def relay(request: web.Request, lease: Lease, out: Outbound, upstream: Upstream) -> web.StreamResponse:
    """Send ``out`` to the lease's engine and its answer to the client.

    Raises EngineBroke and FirstByteLate before the first byte; after it, nothing: a cut answer is cut for
    the client too, or ended by an SSE error event.
    """
    url = URL(f"{lease.endpoint}{out.target}", encoded=True)
    timeouts = lease.spec.terms.service.timeouts
    try:
        async with upstream.exchange(lease.run, out.method, url, out.headers, out.body, timeouts) as answer:
            return await _pass_on(request, lease, answer)
    except (asyncio.CancelledError, FirstByteLate):
        if not out.streams and out.body is not None:
            lease.keep_until(_until_idle(lease, upstream))
        raise


async def _pass_on(request: web.Request, lease: Lease, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    if answer.status == 101:
        raise EngineBroke("it switched protocols, which nobody asked it to do")
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.update(client_headers(answer.headers, notes_on(lease)))
    if (length := answer.headers.get("Content-Length")) is not None:
        response.content_length = int(length)
    await response.prepare(request)
    watch = _Silence(request, answer, lease.spec.terms.service.timeouts.idle)
    try:
        async for chunk in answer.content.iter_any():
            watch.turn(to_client=True)
            await response.write(chunk)
            watch.turn(to_client=False)
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        if request.transport is None or request.transport.is_closing():
            raise asyncio.CancelledError from error  # it was the client who left
        await _cut(request, response, lease, answer, watch.why or str(error))
        return response
    finally:
        watch.stop()
    await response.write_eof()
    return response


async def _cut(
    request: web.Request, response: web.StreamResponse, lease: Lease, answer: aiohttp.ClientResponse, why: str
) -> None:
    """The engine's answer broke off. An SSE client is told by an event, any other by a broken connection."""
    counted = response.content_length is not None or "Content-Encoding" in answer.headers
    if answer.content_type == "text/event-stream" and not counted:
        reason = REVOKED if lease.revoked else why or "connection lost"
        refusal = Refusal(Reason.ENGINE_DIED, lease.spec.name, Exit(reason=reason))
        # The blank lines first: whatever half an event is out, ours begins on a line of its own.
        await response.write(b"\n\n" + errors.sse_event(errors.of_refusal(refusal)))
        await response.write_eof()
    else:
        _break(request)


def _break(request: web.Request) -> None:
    """Reset the client's connection: a mere close would look like the end to an HTTP/1.0 client."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def notes_on(lease: Lease) -> Mapping[str, str]:
    """The ``X-Swapd-*`` headers: who answered, and what the client waited for."""
    return {
        "X-Swapd-Model": lease.spec.name,
        "X-Swapd-Run": str(lease.run.n),
        "X-Swapd-Queued-Ms": str(round(lease.queued * 1000)),
        "X-Swapd-Load-Ms": str(round(lease.loaded * 1000)),
    }


async def _until_idle(lease: Lease, upstream: Upstream) -> None:
    """Wait until the engine shows no more busy slots than it has clients: then the deserted one is free."""
    deadline = asyncio.get_running_loop().time() + SLOT_BOUND
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(SLOT_POLL)
        busy = await upstream.busy_slots(lease.endpoint, lease.run)
        if busy is None or busy <= upstream.relaying(lease.run):
            return


class _Silence:
    """Ends an exchange in which one side has done nothing for too long. One timer, not one a chunk.

    It is the engine's turn until a chunk is there, then the client's until it has taken it.
    """

    def __init__(self, request: web.Request, answer: aiohttp.ClientResponse, bound: float | None) -> None:
        self._request = request
        self._answer = answer
        self._bound = bound
        self._to_client = False
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(bound, self._look) if bound is not None else None
        self.why = ""

    def turn(self, to_client: bool) -> None:
        """A chunk came, or was taken."""
        self._last = self._loop.time()
        self._to_client = to_client

    def stop(self) -> None:
        """The answer is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        assert self._bound is not None
        quiet = self._loop.time() - self._last
        if quiet < self._bound:
            self._timer = self._loop.call_later(self._bound - quiet, self._look)
        elif self._to_client:
            _break(self._request)  # a client that reads no more must not keep its place for ever
        else:
            self.why = f"no byte from the engine for {self._bound:g} s (timeouts.idle)"
            self._answer.close()
