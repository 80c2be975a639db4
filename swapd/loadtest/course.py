"""The load test itself: how many are asked at once, or when, and each side in its turn."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from swapd.loadtest.asking import ask
from swapd.loadtest.outcome import Outcome
from swapd.loadtest.pulse import Pulse
from swapd.loadtest.question import Form
from swapd.loadtest.ratio import middle
from swapd.loadtest.side import Side, connected
from swapd.loadtest.tally import Tally

WAVES = 2
"""Requests of each place in a block, where sides take turns and several are asked at once."""
TURNS = 12
"""So many there should be, rather than so many waves: the fewer turns, the less can be said of a difference."""
COMPARED = ("first_byte", "first_token", "per_token", "total")
"""Figures of a request in which sides are compared."""
OPEN_BLOCK = 2.0
"""Seconds of a block where requests come at a rate."""
TIMER = 0.002
"""Seconds by which timers are late anyway: a request that left within these was not held back."""


@dataclass(frozen=True, slots=True)
class Load:
    """What each side is asked.

    ``requests`` of them, ``concurrency`` at once (closed loop), or, with ``rate``, so many a second at random
    moments whether or not the others are answered (open loop, Poisson; then at most ``concurrency`` at once). No
    more are sent after ``duration`` seconds; each has ``bound`` seconds. ``warmup`` requests go ahead uncounted.
    """

    form: Form
    requests: int = 100
    concurrency: int = 4
    rate: float | None = None
    duration: float = 600.0
    bound: float = 300.0
    warmup: int = 1

    @property
    def block(self) -> int:
        """How many requests in a row go to one of several sides."""
        if self.rate is not None:
            return max(1, round(self.rate * OPEN_BLOCK))
        if self.concurrency == 1:
            return 1
        return max(self.concurrency, min(WAVES * self.concurrency, self.requests // TURNS))


class Turns:
    """The median of each compared figure in each turn of a side; nan where none was answered.

    ``seconds``: how long it was its turn in all.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.medians = {name: array("d") for name in COMPARED}
        self._now: dict[str, list[float]] = {name: [] for name in COMPARED}

    def add(self, outcome: Outcome) -> None:
        """One more of the turn that is."""
        for name, values in self._now.items():
            if outcome.trouble is None and (value := getattr(outcome, name)) is not None:
                values.append(value)

    def over(self) -> None:
        """The next turn begins."""
        for name, values in self._now.items():
            self.medians[name].append(middle(values))
            values.clear()


@dataclass(slots=True)
class Party:
    """A side, what was asked of it, and what it did."""

    side: Side
    session: aiohttp.ClientSession | None = None
    tally: Tally = field(default_factory=Tally)
    parts: dict[str, Tally] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    warm: list[Outcome] = field(default_factory=list)
    sent: int = 0

    def take(self, outcome: Outcome) -> None:
        """Count it; by its model too, if there are several."""
        self.tally.add(outcome)
        self.turns.add(outcome)
        if len(self.side.models) > 1:
            self.parts.setdefault(outcome.model, Tally()).add(outcome)

    @property
    def dropped(self) -> int:
        """How many were sent and neither answered nor failed when the run was stopped."""
        return self.sent - self.tally.answered - self.tally.failed


class Course:
    """One run. Whatever it has counted so far can be read at any moment, also after it was cancelled."""

    def __init__(self, load: Load, sides: list[Side]) -> None:
        self.load = load
        self.parties = [Party(side) for side in sides]
        self.pulse = Pulse()
        self.stopped: str | None = None
        """``duration`` where that ended the run before its requests were sent."""
        self.began = time.monotonic()
        self._seed = secrets.token_hex(4)  # other prompts each run: servers keep what they have read
        self._random = random.Random(0)

    async def run(self) -> None:
        """All requests to all sides: in turn, and in an order that turns too, so that noise hits them alike."""
        async with joined(self.parties):
            for party in self.parties:
                await self._warm_up(party)
            self.began = time.monotonic()
            async with self.pulse.felt():
                await self._blocks()

    async def _warm_up(self, party: Party) -> None:
        for model in party.side.models:
            for n in range(self.load.warmup):
                party.warm.append(await self._ask(party, model, f"warm {n}", None))

    async def _blocks(self) -> None:
        requests = self.load.requests
        size = self.load.block if len(self.parties) > 1 else requests
        for turn, start in enumerate(range(0, requests, size)):
            for party in self.parties[:: -1 if turn % 2 else 1]:
                await self._block(party, min(size, requests - start))
                party.turns.over()
            if self.stopped:
                return

    async def _block(self, party: Party, count: int) -> None:
        began = time.monotonic()
        try:
            await (self._closed if self.load.rate is None else self._open)(party, count)
        finally:
            party.turns.seconds += time.monotonic() - began

    async def _closed(self, party: Party, count: int) -> None:
        """Each of so many places asks anew as soon as it was answered."""
        left = iter(range(count))

        async def place() -> None:
            for _ in left:
                if self._is_over(time.monotonic()):
                    return
                await self._one(party, None)

        async with asyncio.TaskGroup() as places:
            for n in range(min(self.load.concurrency, count)):
                places.create_task(place(), name=f"loadtest {party.side.name} {n}")

    async def _open(self, party: Party, count: int) -> None:
        """Each is sent when it is due, and its time counts from then, also where it had to wait for a place."""
        assert self.load.rate is not None
        places = asyncio.Semaphore(self.load.concurrency)
        due, over = time.monotonic(), self.began + self.load.duration

        async def sent(due: float | None) -> None:
            try:
                await self._one(party, due)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for n in range(count):
                due += self._random.expovariate(self.load.rate)
                await asyncio.sleep(max(0.0, min(due, over) - time.monotonic()))
                await places.acquire()
                now = time.monotonic()
                if self._is_over(now):
                    return
                start = due if now - due > TIMER else None
                group.create_task(sent(start), name=f"loadtest {party.side.name} {n}")

    def _is_over(self, now: float) -> bool:
        if now - self.began >= self.load.duration:
            self.stopped = "duration"
        return self.stopped is not None

    async def _one(self, party: Party, due: float | None) -> None:
        number = party.sent
        party.sent += 1
        model = party.side.models[number % len(party.side.models)]
        party.take(await self._ask(party, model, str(number), due))

    async def _ask(self, party: Party, model: str, number: str, due: float | None) -> Outcome:
        assert party.session is not None
        seed = f"{self._seed} {party.side.name} {number}"
        form, bound = self.load.form, self.load.bound
        return await ask(party.side, party.session, form, model=model, seed=seed, bound=bound, due=due)


@asynccontextmanager
async def joined(parties: list[Party]) -> AsyncIterator[None]:
    """Each with a session of its own while the block runs."""
    async with AsyncExitStack() as stack:
        for party in parties:
            party.session = await stack.enter_async_context(connected(party.side))
        yield
