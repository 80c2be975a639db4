"""Bytes from the engine to the client: as they come, unchanged, and never ended as if complete when cut.

Knows nothing of models and queues: it gets a lease and a request to send.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from swapd.core.commands import Cause
from swapd.core.engine import RunId
from swapd.core.events import Usage
from swapd.core.kinds import KINDS
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Timeouts
from swapd.web import errors, framing, usage
from swapd.web.client import Client
from swapd.web.gate import Lease
from swapd.web.headers import is_compressed
from swapd.web.heads import ALIKE, Malformed
from swapd.web.page import LONGEST, Page
from swapd.web.translated import Unsayable
from swapd.web.upstream import Answer, EngineBroke, FirstByteLate, Request, Upstream, get
from swapd.web.wire import Lost, Silent

SLOT_POLL = 2.5
"""Seconds between looks at /slots: asked more than once a second, llama-server never notices that a client
of a non-stream request has left."""
SLOT_BOUND = 60.0
"""Seconds after which a slot is taken to be free all the same."""
_SLOT_BOUNDS = Timeouts(connect=1.0, first_byte=2.0, idle=2.0)
BACK_SOON = 5.0
"""Seconds after which to ask again, told to those who are cut because swapd ends."""
WAITS_NO_LONGER = ", and waits no longer for what still runs"

LOADING = 503
"""What engines of all kinds answer while they cannot: nothing of the request was done."""
Pour = Callable[["Passing"], Awaitable[None]]
"""Gives an answer to its client, in some form. Raises Lost, Silent, TimeoutError and Malformed."""


class Passing(NamedTuple):
    """An answer on its way: ``until`` is the moment of the loop at which it must be over."""

    client: Client
    lease: Lease
    answer: Answer
    bounds: Timeouts
    until: float | None
    notes: bytes


async def relay(
    client: Client, upstream: Upstream, streams: bool, pour: Pour, lease: Lease, request: Request
) -> None:
    """Send the request to the lease's engine, and let ``pour`` give its answer to the client.

    ``streams``: whether a stream is asked for; only those are surely cancelled when their client leaves.
    Raises EngineBroke and FirstByteLate before the first byte; after it, nothing: a cut answer is cut for
    the client too, or ended by an SSE error event.
    """
    begun = asyncio.get_running_loop().time()
    try:
        service = lease.spec.terms.service
        bounds = service.routes.get(request.ability, service.timeouts)
        answer = await upstream.ask(lease.run, request, bounds)
        try:
            lease.usage = Usage(asyncio.get_running_loop().time() - begun)
            until = begun + bounds.total if bounds.total is not None else None
            passing = Passing(client, lease, answer, bounds, until, notes_on(lease, request.repaired))
            if answer.head.code == LOADING and client.turn.again:
                raise EngineBroke("it says that it is loading")
            if lease.spec.remote and request.ability and 300 <= answer.head.code < 400:
                raise EngineBroke(f"it answers with {answer.head.code}: mend the model's 'url'", unheard=False)
            try:
                await pour(passing)
            except (Silent, Lost, Malformed, TimeoutError) as error:
                _cut(passing, error)
        except EngineBroke:
            raise  # nothing has reached the client
        except BaseException:
            _leave_off(client, answer)
            raise
        finally:
            answer.release()
    except (asyncio.CancelledError, FirstByteLate):
        given = request.upload.sent if request.upload is not None else request.body is not None
        if given and not streams and "native" in KINDS[service.kind].can:  # others do not tell of slots
            lease.keep_until(_until_idle(lease, upstream))
        raise


async def as_it_comes(passing: Passing) -> None:
    """To the byte. After comments only a stream of events can follow; anything else becomes one event."""
    client, lease, answer, bounds, until, notes = passing
    if client.begun and not (answer.is_events and answer.head.code == 200):
        page = await whole(passing)
        client.whole(answer.head.code, page)
        return
    head = client.head_of(answer, notes)
    ends = await answer.pour(head, client.channel, bounds.idle, until)
    lease.usage = usage.read(*ends, lease.usage.first_byte if lease.usage else None)


async def whole(passing: Passing, most: int = LONGEST) -> bytes:
    """The body of an answer, up to ``most`` bytes. Raises EngineBroke if it is cut, longer or compressed."""
    answer, page = passing.answer, Page(most)
    if is_compressed(answer.head):
        raise EngineBroke("it compressed its answer, which nobody asked for", unheard=False)
    answer.body = framing.plain(answer.body)
    try:
        await answer.pour(b"", page, passing.bounds.idle, passing.until)
    except (Lost, Silent, Malformed, TimeoutError) as error:
        raise EngineBroke(str(error) or "it fell silent", unheard=False) from error
    if page.cut:
        raise EngineBroke(f"its answer has more than {most} bytes", unheard=False)
    return bytes(page.text)


def _leave_off(client: Client, answer: Answer) -> None:
    """Whatever it is, the client must not make a proper end of it. One that is ended for a reason is told it."""
    ended = client.turn.ended
    if ended is None:
        client.channel.reset()
    elif client.status and not answer.body.over:  # else it has all of it; or nothing, and is to be refused
        client.cut(answer, ended)


def _cut(passing: Passing, error: Exception) -> None:
    """An answer broke off: so it does for the client, or is ended by an event that says why."""
    client, lease, answer, bounds, _, _ = passing
    match error:
        case Silent():
            why = f"no byte from the engine for {bounds.idle:g} s (timeouts.idle)"
        case TimeoutError():
            why = f"it took longer than {bounds.total:g} s (timeouts.total)"
        case Unsayable():
            client.more(error.told)
            why = str(error)
        case Malformed():
            client.channel.reset()  # where in its chunks the client is, nobody knows
            return
        case _:
            why = str(error)
    client.cut(answer, errors.of_refusal(broken_off(lease, why)))


def broken_off(lease: Lease, why: str) -> Refusal:
    """What its holder is told of an engine that ended too soon: we go, it was taken away, or else ``why``."""
    if lease.revoked and lease.revoked.cause is Cause.CLOSING:
        return Refusal(Reason.CLOSING, lease.spec.name, None, BACK_SOON, WAITS_NO_LONGER)
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


async def busy_slots(upstream: Upstream, run: RunId) -> int | None:
    """How many slots llama-server says are processing; None if it does not say."""
    try:
        code, text = await upstream.page(run, get("/slots"), _SLOT_BOUNDS)
        slots = msgspec.json.decode(text) if code == 200 else None
    except (EngineBroke, FirstByteLate, msgspec.DecodeError):
        return None
    if not isinstance(slots, list):
        return None
    return sum(1 for slot in slots if isinstance(slot, dict) and slot.get("is_processing"))


async def _until_idle(lease: Lease, upstream: Upstream) -> None:
    """Wait until the engine shows no more busy slots than it has clients: then the deserted one is free."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SLOT_BOUND):
            while True:
                await asyncio.sleep(SLOT_POLL)
                busy = await busy_slots(upstream, lease.run)
                if busy is None or busy <= upstream.relaying(lease.run):
                    return
