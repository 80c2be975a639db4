"""Comments for a client that waits for a stream, so that nobody on the way takes its connection for dead.

Every reader of Server-Sent Events skips them. The first one makes the status a 200, which cannot be taken back; so
they begin late, and what then goes wrong is told as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swapd.core.engine import State
from swapd.core.view import View
from swapd.web.client import Client
from swapd.web.entries import progress


class Keepalive:
    """One comment after each ``every`` seconds, until the client has its answer or ``stop`` is called."""

    def __init__(self, client: Client, every: float, words: Callable[[], bytes]) -> None:
        self._client = client
        self._every = every
        self._words = words
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(every, self._tick)

    def stop(self) -> None:
        """No more of them."""
        self._timer.cancel()

    def _tick(self) -> None:
        if self._client.status:
            return
        if not self._client.channel.unsent():  # one that does not read needs no more to read
            self._client.comment(self._words())
        self._timer = self._loop.call_later(self._every, self._tick)


def words(view: View, model: str, *, held: bool) -> bytes:
    """What a client of the model waits for. ``held``: it has an engine, which computes."""
    if held:
        return b"processing"
    shown = view.models.get(model)
    if shown is None or shown.engine is None or shown.engine.state is not State.STARTING:
        return b"waiting"
    share = progress(view, model)
    return b"loading" if share is None else b"loading %d%%" % (100 * share)
