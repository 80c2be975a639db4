"""A moment in which the front hall begins nothing new; then its place can be handed to a successor.

What clients send in that moment stays unread in the kernel. So a connection on which nothing is under way can go
to another process just as it is, and its client, even one that asks in that very moment, notices nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from swapd.web.connection import Connection
from swapd.web.doorstep import SETTLED
from swapd.web.errors import Problem

ENDLESS: Final = object()
"""What never ends by itself, as whoever follows a log: it is under way, and nobody waits for it."""
TICK = 0.005
"""Seconds between two looks while something is to end; the moment is short."""
LOOK = 0.05
"""The same where it may take long."""
LAST_WORDS = 0.1
"""Seconds that the last words to those who are cut may take."""


class Reader(Protocol):
    """Whoever reads a connection."""

    def busy(self) -> object | None:
        """What is under way: a thing of its own for each request that has begun, or ENDLESS.

        The reader itself while a request is half read, or an answer half taken; None where nothing is.
        """

    def hold(self) -> None:
        """Read only what is still to come of a request that is half read."""

    def release(self) -> None:
        """Read on."""

    def cut(self, problem: Problem) -> None:
        """End what is under way: its client is told of the problem, where that can be. Harmless twice."""

    def is_clean(self) -> bool:
        """Whether really nothing was read that is not answered, now that nothing is under way."""


class Mark:
    """What was under way at a moment."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._then = guests.busy()

    def left(self) -> int:
        """How much of it still is. A request that was half read counts until it is begun."""
        now = self._guests.busy()
        return sum(now.get(connection) is what for connection, what in self._then.items())

    async def over(self) -> None:
        """Return when nothing of it is. The caller sets the bound."""
        while self.left():  # noqa: ASYNC110  (news of each end would cost every request, and this is rare)
            await asyncio.sleep(LOOK)


class Guests:
    """All connections, each with its reader."""

    def __init__(self, readers: dict[Connection, Reader]) -> None:
        """``readers`` is filled by whoever lets them in."""
        self._readers = readers

    def busy(self) -> dict[Connection, object]:
        """What is under way, and has an end."""
        return {connection: what for connection, what in self._all().items() if what is not ENDLESS}

    def hold(self) -> None:
        """Begin nothing new."""
        for reader in self._readers.values():
            reader.hold()

    def release(self) -> None:
        """On with it."""
        for reader in self._readers.values():
            reader.release()

    async def quiet(self, bound: float) -> bool:
        """Whether, within ``bound`` seconds of holding, nothing is under way any more."""
        until = asyncio.get_running_loop().time() + bound
        for _ in range(SETTLED):
            await asyncio.sleep(0)
        while True:
            self.hold()  # those too that came to rest, or in, since
            if not self.busy():
                return True
            if asyncio.get_running_loop().time() >= until:
                return False
            await asyncio.sleep(TICK)

    async def cut(self, problem: Problem) -> None:
        """End what is under way, endless or not.

        Returns when it has ended, and been taken by its clients as far as they do.
        """
        until = asyncio.get_running_loop().time() + LAST_WORDS
        while (left := self._all()) and asyncio.get_running_loop().time() < until:
            for connection in left:
                if (reader := self._readers.get(connection)) is not None:
                    reader.cut(problem)
            await asyncio.sleep(TICK)

    def leave(self) -> list[int]:
        """The file descriptors of connections on which nothing is under way.

        The others are broken off wherever a mere end might be taken for that of an answer.
        """
        idle: list[int] = []
        for connection, reader in list(self._readers.items()):
            what = reader.busy()
            if what is None and not connection.transport.is_closing() and reader.is_clean():
                idle.append(connection.transport.get_extra_info("socket").fileno())
            elif connection.unsent() or what not in (None, reader):
                connection.reset()
        return idle

    def _all(self) -> dict[Connection, object]:
        """What is under way."""
        found = ((connection, reader.busy()) for connection, reader in self._readers.items())
        return {connection: what for connection, what in found if what is not None}
