"""An engine's answer given to a client whose API is another one."""

from __future__ import annotations

from swapd.web import framing, usage
from swapd.web.flow import KEPT
from swapd.web.limits import off_loop
from swapd.web.relay import Passing, whole
from swapd.web.translated import Translated
from swapd.web.translation import Translation
from swapd.web.upstream import EngineBroke

MOST = 256 << 20
"""Bytes of a whole answer: a batch of embeddings may be large."""


async def tell(translation: Translation, passing: Passing) -> None:
    """The engine's answer in the translation's words; an error keeps its status. Raises as a Pour, EngineBroke."""
    code, events = passing.answer.head.code, passing.answer.is_events
    if code == 200 and translation.streams:
        if not events:
            raise EngineBroke("it was asked for a stream and sent none", unheard=False)
        await _stream(translation, passing)
    else:
        await _whole(translation, passing)


async def _stream(translation: Translation, passing: Passing) -> None:
    client, lease, answer, bounds, until, notes = passing
    told = Translated(framing.plain(answer.body), translation)
    answer.body, head = client.stream_of(told, translation.stream_type, notes)
    await answer.pour(head, client.channel, bounds.idle, until)
    lease.usage = usage.read(told.first, told.last, lease.usage.first_byte if lease.usage else None)


async def _whole(translation: Translation, passing: Passing) -> None:
    client, lease, answer, _, _, notes = passing
    body = await whole(passing, MOST)
    lease.usage = usage.read(body[:KEPT], body[-KEPT:], lease.usage.first_byte if lease.usage else None)
    if answer.head.code != 200:
        client.whole(answer.head.code, translation.failure(answer.head.code, body), notes)
        return
    try:
        words = await off_loop(translation.whole, body)
    except (ValueError, RecursionError) as error:
        raise EngineBroke(f"its answer makes no sense: {error}", unheard=False) from None
    client.whole(200, words, notes)
