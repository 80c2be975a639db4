"""Asks one request, and makes an outcome of whatever the server does. Nothing hangs, nothing grows for ever."""

from __future__ import annotations

import asyncio
import errno
import time
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec

from swapd.loadtest.outcome import Outcome, Times, Trouble, notes_of
from swapd.loadtest.question import Form
from swapd.loadtest.side import Side, Way, connected
from swapd.loadtest.stream import Stream, Usage, code_of, message_of

LONGEST = 64 << 20
"""Bytes of an answer."""
LONGEST_ERROR = 64 << 10
"""Bytes of an error's body that are read."""
LISTING = 30.0
"""Seconds for the list of models."""
LINGER = 0.5
"""Seconds for the end of a stream that was done."""


class _Whole(msgspec.Struct):
    """An answer in one piece."""

    usage: Usage | None = None
    error: Any = None


class _Named(msgspec.Struct):
    id: str


class _Listed(msgspec.Struct):
    data: list[_Named]


async def ask(
    side: Side,
    session: aiohttp.ClientSession,
    form: Form,
    *,
    model: str,
    seed: str,
    bound: float,
    due: float | None,
) -> Outcome:
    """One request, done within ``bound`` seconds from now. What the server does wrong is in the outcome.

    ``due`` None is now, once the request is made.
    """
    body = msgspec.json.encode(form.body(model, seed))
    outcome = Outcome(model, Times(time.monotonic() if due is None else due))
    try:
        async with asyncio.timeout(bound):
            while not await _exchanged(side, session, form, body, outcome):
                pass
    except Trouble as trouble:
        outcome.trouble = trouble
    except (aiohttp.ClientError, OSError, ValueError) as error:  # aiohttp's InvalidURL is a ValueError
        outcome.trouble = worded(error, answered=outcome.times.first_byte is not None, bound=bound)
    outcome.times.ended = outcome.times.ended or time.monotonic()
    return outcome


async def models(side: Side) -> list[str]:
    """The names that ``/v1/models`` has. Raises Trouble."""
    try:
        async with (
            asyncio.timeout(LISTING),
            connected(side) as session,
            session.get(f"{side.base}/models", allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise await _refused(answer)
            listed = msgspec.json.decode(await _read(answer, LONGEST), type=_Listed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Trouble("bad_json", "what /v1/models answers is no list of models") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise worded(error, answered=False, bound=LISTING) from None
    return [each.id for each in listed.data]


async def _exchanged(
    side: Side, session: aiohttp.ClientSession, form: Form, body: bytes, outcome: Outcome
) -> bool:
    """Ask; False if the connection had been kept from an earlier request and was closed before this one came.

    As llama-server does after every stream, without a word before (b10434). Clients ask again then; so do we, and
    the time lost is not the server's. Each time one such connection is used up, so this comes to an end.
    """
    way, begun = Way(), time.monotonic()
    try:
        await _exchange(side, session, form, body, outcome, way)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        if not way.kept or outcome.times.first_byte is not None:
            raise
        outcome.times.due += time.monotonic() - begun
        return False
    return True


async def _exchange(
    side: Side, session: aiohttp.ClientSession, form: Form, body: bytes, outcome: Outcome, way: Way
) -> None:
    headers = {"Content-Type": "application/json"}
    asked = session.post(
        side.base + form.path, data=body, headers=headers, allow_redirects=False, trace_request_ctx=way
    )
    async with asked as answer:
        outcome.times.first_byte = time.monotonic()
        outcome.notes = notes_of(answer.headers)
        if answer.status != 200:
            raise await _refused(answer)
        kind = "text/event-stream" if form.streams else "application/json"
        if answer.content_type != kind:
            raise Trouble("wrong_type", f"{answer.content_type} instead of {kind}")
        await (_streamed if form.streams else _whole)(answer, outcome)


async def _streamed(answer: aiohttp.ClientResponse, outcome: Outcome) -> None:
    stream, size, content = Stream(outcome), 0, answer.content
    while not stream.done and (piece := await content.readany()):
        stream.feed(piece, time.monotonic())
        size += len(piece)
        if size > LONGEST:
            raise Trouble("too_long", f"an answer of more than {LONGEST} bytes")
    outcome.times.ended = time.monotonic()
    stream.end()
    with suppress(TimeoutError, aiohttp.ClientError):  # to the end, so that the connection can be used again
        async with asyncio.timeout(LINGER):
            while await content.readany():
                pass


async def _whole(answer: aiohttp.ClientResponse, outcome: Outcome) -> None:
    body = await _read(answer, LONGEST)
    if len(body) > LONGEST:
        raise Trouble("too_long", f"an answer of more than {LONGEST} bytes")
    try:
        whole = msgspec.json.decode(body, type=_Whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Trouble("bad_json", f"{error}: {body[:80].decode(errors='replace')}") from None
    if whole.error is not None:
        raise Trouble(f"error {code_of(whole.error)}".rstrip(), message_of(whole.error))
    if whole.usage is not None:
        outcome.tokens = whole.usage.tokens


async def _refused(answer: aiohttp.ClientResponse) -> Trouble:
    """Another status than 200: with the code that an error in OpenAI's shape has."""
    if 300 <= answer.status < 400:
        return Trouble("redirect", f"{answer.status} to {answer.headers.get('Location', 'nowhere')}; not followed")
    body = await _read(answer, LONGEST_ERROR)
    try:
        error = msgspec.json.decode(body[:LONGEST_ERROR], type=_Whole).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Trouble(f"http_{answer.status}", body[:200].decode(errors="replace"))
    return Trouble(f"http_{answer.status} {code_of(error)}".rstrip(), message_of(error))


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or a little more than ``most`` bytes of it."""
    body = bytearray()
    while len(body) <= most and (piece := await answer.content.readany()):
        body += piece
    return bytes(body)


def worded(error: Exception, *, answered: bool, bound: float) -> Trouble:
    """What kept the request from its answer, as one of few kinds."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Trouble("connect_timeout", "cannot connect in time")
        case TimeoutError():
            return Trouble("timeout" if answered else "no_answer", f"not done within {bound:g} s")
        case aiohttp.ClientConnectorDNSError():
            return Trouble("unknown_host", error.os_error.strerror or str(error))
        case aiohttp.ClientConnectorError(os_error=OSError(errno=errno.ECONNREFUSED)):
            return Trouble("refused", "nobody listens there")
        case aiohttp.ClientConnectorError():
            return Trouble("unreachable", error.os_error.strerror or str(error))
        case aiohttp.ClientPayloadError():
            return Trouble("cut", "the answer broke off")
        case aiohttp.ServerDisconnectedError() if not answered:
            return Trouble("closed", "the connection was closed unanswered")
        case aiohttp.ClientResponseError() | ValueError():
            return Trouble("bad_http", str(error))
    return Trouble("cut" if answered else "closed", str(error))
