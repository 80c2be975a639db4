"""The laws of turns: who is served when, and who must not be served before whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swapd.core import commands as order
from tests.core.naive import TIE, NaiveBook, add, lacks_of
from tests.core.naive_life import Life, Place


@dataclass
class TurnLaws(NaiveBook):
    """Of all who wait, by client and model."""

    answered: set[int] = field(default_factory=set)
    batch: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    """Model -> whose turn came before whose, when the first lease of this moment was given."""
    used_before: dict[str, float] = field(default_factory=dict)
    """Engine-seconds by client, before the orders of this moment."""

    def _grant(self, grant: order.Grant, late: dict[str, float]) -> None:
        life, place = self.living(grant.run), self.waiting.get(grant.ticket)
        assert not self.closings, "granted while closing"
        assert place is not None, f"granted {grant.ticket}, who does not wait"
        assert life.serving, f"granted a lease on {grant.run}, which does not serve"
        leases = list(self.holding.values()).count(grant.run)
        assert leases < life.spec.terms.concurrency, f"{grant.run} has {leases} leases already"
        assert (grant.endpoint, grant.spec) == (life.endpoint, life.spec)
        assert grant.queued == self.now - place.since
        assert grant.loaded == (life.ready - life.spawned if place.since < life.ready else 0.0)
        sooner = self._sooner(place)
        if place.ticket not in life.perhaps:
            catches_up = self._catches_up(life, place)
            assert not sooner or catches_up, f"{place.ticket} is served before {sooner}, whose turn it is"
            if not catches_up:
                late[place.model] = max(late.get(place.model, 0.0), self.deadline(place))
        del self.waiting[place.ticket]
        self.holding[place.ticket] = grant.run
        self.shares.granted(place.ticket, place.client, grant.run, self.now)
        life.served[place.ticket] = self.now
        lane = (place.client, place.model)
        self.granted[lane] = max(self.clock(place), self.now - self.leads[lane])
        self.gave_up.pop((place.client, place.model), None)
        self._answer(place.ticket)

    def _sooner(self, place: Place) -> set[int]:
        """Whose turn surely comes before this one's, now and when the first lease of this moment was given.

        (Several leases given at once are given in the turns of before the first.)
        """
        mine = [p.ticket for p in self.waits_for(place.model)]
        now = self.sooner(place.model, place.ticket, TIE)
        if place.model not in self.batch:
            self.batch[place.model] = {t: self.sooner(place.model, t, TIE) for t in mine}
        return now & self.batch[place.model][place.ticket]

    def _catches_up(self, life: Life, place: Place) -> bool:
        """Whether its client has used less than all who wait out of patience for a cold model, and asked before.

        For as long as patience lasts after the load such a one is served though the engine is held for the others.
        """
        if self.now >= life.ready + self.catalog.rules.patience:
            return False
        for model in self.out_of_patience():
            rivals = self.waits_for(model)
            if rivals and place.since <= rivals[0].since:
                level = min(self._used(p.client, max) for p in rivals)
                if self._used(place.client, min) < level + TIE:
                    return True
        return False

    def _used(self, client: str, which: Callable[[float, float], float]) -> float:
        """Before the orders of this moment, or now."""
        return which(self.used_before.get(client, 0.0), self.shares.used[client])

    def _nobody_is_blocked_by(self, late: dict[str, float]) -> None:
        """No lease for a latecomer on an engine that stands in the way of the first who is out of patience.

        It stands in the way for sure if all the others together, gone, would not make room enough.
        """
        due = self.out_of_patience()
        model, first = min(due.items(), key=lambda item: item[1], default=("", 0.0))
        cost = self.needs_just(model) if due else None
        in_the_way = {name for name, deadline in late.items() if deadline > first and not self.pinned(name)}
        if cost is None or not in_the_way:
            return
        room, without = self.soon(), self.soon()
        for name, life in self.lives.items():
            if not life.leaving and not self.pinned(name):
                add(room, life.way.cost)
                if name not in in_the_way:
                    add(without, life.way.cost)
        lacks = lacks_of(cost, without) if not lacks_of(cost, room) else {}
        assert not lacks, f"leases on {in_the_way} keep {lacks} from {model}, which is out of patience"

    def _answer(self, ticket: int) -> None:
        assert ticket not in self.answered, f"{ticket} is answered twice"
        self.answered.add(ticket)
