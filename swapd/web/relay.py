"""Bytes from the engine to the client: as they come, unchanged, and never ended as if complete when cut.

Knows nothing of models and queues: it gets a lease and a request to send.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache

from swapd.core.engine import RunId
from swapd.core.events import Usage
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.web import errors, usage
from swapd.web.client import Client
from swapd.web.gate import Lease
from swapd.web.heads import ALIKE, Malformed
from swapd.web.upstream import Answer, FirstByteLate, Request, Upstream
from swapd.web.wire import Lost, Silent

SLOT_POLL = 2.5
"""Seconds between looks at /slots: asked more than once a second, llama-server never notices that a client
of a non-stream request has left."""
SLOT_BOUND = 60.0
"""Seconds after which a slot is taken to be free all the same."""


async def relay(client: Client, lease: Lease, request: Request, upstream: Upstream, *, streams: bool) -> None:
    """Send the request to the lease's engine and its answer to the client.

    ``streams``: whether a stream is asked for; only those are surely cancelled when their client leaves.
    Raises EngineBroke and FirstByteLate before the first byte; after it, nothing: a cut answer is cut for
    the client too, or ended by an SSE error event.
    """
    begun = asyncio.get_running_loop().time()
    try:
        answer = await upstream.ask(lease.run, request, lease.spec.terms.service.timeouts)
        try:
            lease.usage = Usage(asyncio.get_running_loop().time() - begun)
            await _pour(client, lease, answer, begun, notes_on(lease, request.repaired))
        except BaseException:
            client.channel.reset()  # whatever it is, the client must not make a proper end of it
            raise
        finally:
            answer.release()
    except (asyncio.CancelledError, FirstByteLate):
        if not streams and request.body is not None:
            lease.keep_until(_until_idle(lease, upstream))
        raise


async def _pour(client: Client, lease: Lease, answer: Answer, begun: float, notes: bytes) -> None:
    bounds = lease.spec.terms.service.timeouts
    until = begun + bounds.total if bounds.total is not None else None
    try:
        ends = await answer.pour(client.head_of(answer, notes), client.channel, bounds.idle, until)
    except Silent:
        why = f"no byte from the engine for {bounds.idle:g} s (timeouts.idle)"
    except TimeoutError:
        why = f"it took longer than {bounds.total:g} s (timeouts.total)"
    except Lost as lost:
        why = str(lost)
    except Malformed:
        client.channel.reset()  # where in its chunks the client is, nobody knows
        return
    else:
        lease.usage = usage.read(*ends, lease.usage.first_byte if lease.usage else None)
        return
    client.cut(answer, errors.of_refusal(broken_off(lease, why)))


def broken_off(lease: Lease, why: str) -> Refusal:
    """What its holder is told of an engine that ended too soon: it was taken away, or else ``why``."""
    died, told = ("was stopped", str(lease.revoked)) if lease.revoked else ("died", why)
    return Refusal(Reason.ENGINE_DIED, lease.spec.name, Exit(reason=told), detail=died)


def notes_on(lease: Lease, repaired: int) -> bytes:
    """The ``X-Swapd-*`` headers: who answered, what the client waited for, how much of its body was mended."""
    notes = _notes(lease.run, round(lease.queued * 1000), round(lease.loaded * 1000))
    return b"%sX-Swapd-Repaired: %d\r\n" % (notes, repaired) if repaired else notes


@lru_cache(maxsize=ALIKE)
def _notes(run: RunId, queued: int, loaded: int) -> bytes:
    """Most requests wait for nothing, and are alike in this."""
    notes = b"X-Swapd-Model: %s\r\nX-Swapd-Run: %d\r\nX-Swapd-Queued-Ms: %d\r\nX-Swapd-Load-Ms: %d\r\n"
    return notes % (run.model.encode(), run.n, queued, loaded)


async def _until_idle(lease: Lease, upstream: Upstream) -> None:
    """Wait until the engine shows no more busy slots than it has clients: then the deserted one is free."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SLOT_BOUND):
            while True:
                await asyncio.sleep(SLOT_POLL)
                busy = await upstream.busy_slots(lease.run)
                if busy is None or busy <= upstream.relaying(lease.run):
                    return
