"""What clients are used to: which model each asks for next after an answer, and how soon.

An agent that reads an answer for a second and asks again is worth keeping its model for; one that always goes on
to another model is not. Learned per client from its own requests; forgotten when it stays away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

FORGET = 0.05
"""How much of what was learned one more request replaces."""
HORIZON = 60.0
"""Seconds after which a silent client is taken to be gone: its next request is no return."""
GONE = 86400.0
"""Seconds after which not even its absence is remembered."""
UNKNOWN_GAP, UNKNOWN_RETURN, UNKNOWN_GONE = 1.0, 0.5, 0.2
"""Before anything was learned of a client: seconds between an answer and the next request, and how likely it is
that this is for the same model, and that there is none."""
TRUST = 0.3
"""How much such guesses count, beside what was seen."""
REMEMBERED = 1000
"""Of so many clients, those that asked last."""
SOON = 1e-9
"""What is less likely than this is not reckoned with."""


@dataclass(slots=True)
class _Habit:
    """One client: how often it went on to which model (None: it was gone), decaying, and the mean gap (s)."""

    went_on: dict[str | None, float] = field(default_factory=dict)
    gap: float = UNKNOWN_GAP
    seen: int = 0

    def learn(self, model: str, gap: float) -> None:
        """One more gap, and what came after it."""
        came = model if gap < HORIZON else None
        for name in self.went_on:
            self.went_on[name] *= 1 - FORGET
        self.went_on[came] = self.went_on.get(came, 0.0) + FORGET
        self.seen += 1
        if came is not None:
            self.gap += max(FORGET, 1 / self.seen) * (gap - self.gap)

    def chance(self, model: str, last: str) -> tuple[float, float]:
        """How likely the next request is for this model, and how likely there is one at all."""
        weight = sum(self.went_on.values()) + TRUST
        guess = TRUST * UNKNOWN_RETURN if model == last else 0.0
        gone = (self.went_on.get(None, 0.0) + TRUST * UNKNOWN_GONE) / weight
        return (self.went_on.get(model, 0.0) + guess) / weight, 1 - gone


@dataclass(frozen=True, slots=True)
class Expected:
    """A client that was answered at ``since``: how likely it asks for one model next, or at all; its mean gap."""

    chance: float
    any_at_all: float
    gap: float
    since: float

    def still(self, now: float) -> float:
        """The chance of a longer pause. Pauses are taken to be exponential: most end soon, a few never."""
        return exp(-(now - self.since) / self.gap)

    def rate(self, now: float) -> float:
        """Requests for the model a second."""
        still = self.still(now)
        return self.chance * still / self.gap / (self.any_at_all * still + 1 - self.any_at_all)


@dataclass(slots=True)
class Habits:
    """Of all clients. A client with any request under way is not waited for: it can do without a moment."""

    _known: dict[str, _Habit] = field(default_factory=dict)
    _idle: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Client -> the model that answered it last, and when."""
    _asking: dict[str, int] = field(default_factory=dict)

    def asked(self, client: str, model: str, now: float) -> None:
        """A request begins."""
        idle = self._idle.pop(client, None)
        if idle is not None:
            habit = self._known.pop(client, None) or _Habit()
            habit.learn(model, now - idle[1])
            self._known[client] = habit  # at the end: those that asked last are kept
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        self._asking[client] = self._asking.get(client, 0) + 1

    def ended(self, client: str, model: str, now: float, answered: bool) -> None:
        """A request is over."""
        left = self._asking.pop(client, 1) - 1
        if left:
            self._asking[client] = left
        elif answered:
            self._idle[client] = (model, now)
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Clients that stay away: they stand first, in the order in which they were answered."""
        while len(self._idle) > REMEMBERED or now - next(iter(self._idle.values()))[1] >= GONE:
            del self._idle[next(iter(self._idle))]

    def rate(self, model: str, now: float) -> float:
        """How many requests for the model a second are to be expected now, of clients between two of them."""
        return sum(expected.rate(now) for expected in self.expected(model, now))

    def expected(self, model: str, now: float) -> list[Expected]:
        """The clients that may ask for the model next."""
        found = []
        for client, (last, since) in reversed(self._idle.items()):
            if now - since >= HORIZON:
                break  # the others have been away for longer
            habit = self._known.get(client) or _Habit()
            chance, any_at_all = habit.chance(model, last)
            expected = Expected(chance, any_at_all, max(habit.gap, 0.02), since)
            if chance * expected.still(now) > SOON:
                found.append(expected)
        return found
