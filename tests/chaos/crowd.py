"""The load: clients that ask for all models in all ways, on kept and fresh connections, and judge each answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from swapd import tasks
from tests.chaos.calls import Ask, Seen, call, finished
from tests.chaos.verdict import LOST, WRONG, Excuses, Tally, judge
from tests.chaos.wire import Connection, Cut

BOUND = 30.0
"""Seconds after which a request without an outcome counts as lost."""
CLIENTS = 6
KINDS = {"stream": 40, "whole": 30, "embed": 15, "cancelled": 10, "vanished": 5}
SELDOM = {"stubborn": 0.15}
"""Each stop of it takes its whole grace."""
LOYAL = 0.95
"""The share of a client's requests that are for the same model as its last: each other one is a swap."""
AGAIN = 0.2
"""Seconds that a client waits after a refusal or a cut."""


class Place(Protocol):
    """Where the daemon is, and what it may be asked for."""

    port: int

    @property
    def chats(self) -> Sequence[str]: ...


class Crowd:
    """Clients of the daemon. ``hear(line)``: of each wrong or lost request."""

    def __init__(self, place: Place, excuses: Excuses, seed: int, hear: Callable[[str], None] = print) -> None:
        self._place = place
        self._excuses = excuses
        self._hear = hear
        self._rng = random.Random(seed)
        self._open = asyncio.Event()
        self._in_flight = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._count = 0
        self.tally = Tally()
        self.kept = 0
        """Idle connections that clients hold."""

    def begin(self, clients: int = CLIENTS) -> None:
        """The clients come; half of them keep their connection."""
        self._open.set()
        for number in range(clients):
            client = self._client(random.Random(self._rng.random()), keeps=number % 2 == 0)
            self._tasks.append(tasks.spawn(client, name=f"client {number}"))

    async def pause(self) -> None:
        """Let no client ask again, and wait for those who wait."""
        self._open.clear()
        while self._in_flight:
            await asyncio.sleep(0.005)
        self.tally.last_ok = None  # a gap that we made is none

    def resume(self) -> None:
        """Go on."""
        self._excuses.forget(time.monotonic() - 2 * BOUND)
        self._open.set()

    async def end(self) -> None:
        """The clients leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, ask: Ask, began: Callable[[], None] | None = None) -> Seen:
        """One request on a connection of its own, judged like all others."""
        seen, connection = await self._bounded(ask, None, began)
        if connection is not None:
            connection.close()
        return seen

    def tag(self) -> str:
        """Told to no other request."""
        self._count += 1
        return f"t{self._count}"

    async def _client(self, rng: random.Random, keeps: bool) -> None:
        kept: Connection | None = None
        model = ""
        try:
            while True:
                await self._open.wait()
                self.kept -= kept is not None
                if model not in self._place.chats or rng.random() > LOYAL:
                    chats = self._place.chats
                    model = rng.choices(chats, [SELDOM.get(name, 1.0) for name in chats])[0]
                seen, kept = await self._bounded(self._drawn(rng, model), kept, None)
                if kept is not None and not (keeps and kept.reusable):
                    kept.close()
                    kept = None
                self.kept += kept is not None
                await asyncio.sleep(rng.uniform(0.005, 0.06) if seen.how in ("ok", "cancelled") else AGAIN)
        finally:
            if kept is not None:
                kept.close()

    def _drawn(self, rng: random.Random, model: str) -> Ask:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "embed":
            return Ask(kind, "embed", self.tag())
        leave = rng.randint(1, 4) if kind == "cancelled" else None
        return Ask(kind, model, self.tag(), rng.randint(5, 25), rng.choice((0.0, 0.005, 0.02)), leave)

    async def _bounded(
        self, ask: Ask, connection: Connection | None, began: Callable[[], None] | None
    ) -> tuple[Seen, Connection | None]:
        """What came of it, within the bound, and the connection if it is good for more."""
        start = time.monotonic()
        self._in_flight += 1
        try:
            async with asyncio.timeout(BOUND):
                seen, connection = await self._tried(ask, connection, start, began)
        except TimeoutError:
            seen, connection = finished(ask, start, ("lost", f"no outcome within {BOUND:g} s", "")), None
        finally:
            self._in_flight -= 1
        verdict = judge(seen, self._excuses)
        self.tally.add(seen, verdict)
        if verdict in (WRONG, LOST):
            self._hear(f"{verdict}: {ask.kind} of {ask.model}: {seen.how} {seen.code}: {seen.why:.300}")
        return seen, connection

    async def _tried(
        self, ask: Ask, connection: Connection | None, start: float, began: Callable[[], None] | None
    ) -> tuple[Seen, Connection | None]:
        """Once more on a fresh connection where a kept one was found dead, as every client library does."""
        reused = connection is not None
        try:
            try:
                connection = connection or await Connection.open(self._place.port)
                connection.status = 0
                return await self._said(ask, connection, start, began)
            except Cut:
                if not reused or connection is None or connection.status:
                    raise
                connection.close()
                connection = await Connection.open(self._place.port)
                return await self._said(ask, connection, start, began, retried=True)
        except Cut as cut:
            if connection is not None:
                connection.close()
            return finished(ask, start, ("cut", str(cut), "")), None
        except BaseException:
            if connection is not None:
                connection.close()
            raise

    async def _said(
        self,
        ask: Ask,
        connection: Connection,
        start: float,
        began: Callable[[], None] | None,
        retried: bool = False,
    ) -> tuple[Seen, Connection | None]:
        if ask.kind == "vanished":
            await connection.send(ask.wire)
            connection.close(reset=True)
            return finished(ask, start, ("cancelled", "", ""), retried), None
        return finished(ask, start, await call(connection, ask, began), retried), self._good(connection, ask)

    @staticmethod
    def _good(connection: Connection, ask: Ask) -> Connection | None:
        """Unless something of the answer may be left in it."""
        if ask.leave_after is None:
            return connection
        connection.close()
        return None
