"""What a swap costs: two models are asked in turn, and each at once again, when it is warm."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from swapd.loadtest.asking import ask
from swapd.loadtest.course import Load, Party, joined
from swapd.loadtest.outcome import Outcome
from swapd.loadtest.samples import median
from swapd.loadtest.side import Side
from swapd.loadtest.tally import Tally


@dataclass(slots=True)
class Change:
    """Of one side: ``model`` after another one, and at once again. ``swapped`` None: the server does not say."""

    model: str
    after: list[Outcome] = field(default_factory=list)
    warm: list[Outcome] = field(default_factory=list)
    swapped: int | None = None
    run: str | None = None

    def add(self, after: Outcome, warm: Outcome) -> None:
        """A round. Whether there was a swap is told by the engine's run: a new one was started."""
        self.after.append(after)
        self.warm.append(warm)
        if after.notes.run is not None:
            self.swapped = (self.swapped or 0) + (after.notes.run != self.run or bool(after.notes.loaded))
        self.run = warm.notes.run or after.notes.run

    def told(self) -> dict[str, Any]:
        """See ``result``. Seconds; of the rounds in which both requests were answered."""
        pairs = [(a, w) for a, w in zip(self.after, self.warm, strict=True) if not (a.trouble or w.trouble)]
        failures = Tally()
        for outcome in (*self.after, *self.warm):
            if outcome.trouble:
                failures.add(outcome)
        after, warm = [a for a, _ in pairs], [w for _, w in pairs]
        return {
            "model": self.model,
            "rounds": len(self.after),
            "swapped": self.swapped,
            "after": {name: _brief(_values(after, name)) for name in ("first_byte", "first_token", "total")},
            "warm": {name: _brief(_values(warm, name)) for name in ("first_byte", "first_token", "total")},
            "cost": {name: _cost(pairs, name) for name in ("first_byte", "first_token")},
            "queued": _brief([o.notes.queued for o in after if o.notes.queued is not None]),
            "loaded": _brief([o.notes.loaded for o in after if o.notes.loaded is not None]),
            "errors": failures.told()["errors"],
        }


class Swaps:
    """``rounds`` of them on each side, the sides in turn. Whatever was found so far can be read at any moment."""

    def __init__(self, load: Load, sides: list[Side], rounds: int) -> None:
        self.load = load
        self.parties = [Party(side) for side in sides]
        self.changes = [[Change(model) for model in side.models] for side in sides]
        self.rounds = rounds
        self.stopped: str | None = None
        self.began = time.monotonic()
        self._seed = secrets.token_hex(4)

    @property
    def done(self) -> int:
        """Rounds of the last model of the last side."""
        return len(self.changes[-1][-1].after)

    async def run(self) -> None:
        """Each model once first, uncounted, so that every round begins with the other one up."""
        async with joined(self.parties):
            for party, changes in zip(self.parties, self.changes, strict=True):
                for change in changes:
                    change.run = (await self._ask(party, change.model)).notes.run
            self.began = time.monotonic()
            while self.done < self.rounds and self.stopped is None:
                await self._round()
                if time.monotonic() - self.began >= self.load.duration and self.done < self.rounds:
                    self.stopped = "duration"

    async def _round(self) -> None:
        for party, changes in zip(self.parties, self.changes, strict=True):
            for change in changes:
                after = await self._ask(party, change.model)
                change.add(after, await self._ask(party, change.model))

    async def _ask(self, party: Party, model: str) -> Outcome:
        assert party.session is not None
        party.sent += 1
        seed = f"{self._seed} {party.side.name} {party.sent}"
        form, bound = self.load.form, self.load.bound
        return await ask(party.side, party.session, form, model=model, seed=seed, bound=bound, due=None)


def _values(outcomes: Sequence[Outcome], name: str) -> list[float]:
    return [value for outcome in outcomes if (value := getattr(outcome, name)) is not None]


def _cost(pairs: Sequence[tuple[Outcome, Outcome]], name: str) -> dict[str, Any] | None:
    """How much longer it took after a swap than right after that, round by round."""
    values = ((getattr(after, name), getattr(warm, name)) for after, warm in pairs)
    return _brief([a - w for a, w in values if a is not None and w is not None])


def _brief(values: list[float]) -> dict[str, Any] | None:
    """``{"n", "median", "worst"}``."""
    if not values:
        return None
    ordered = sorted(values)
    return {"n": len(ordered), "median": median(ordered), "worst": ordered[-1]}
