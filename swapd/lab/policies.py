"""The policies that swapd is compared with, as brains of the lab: what a simple proxy, or a peer, does.

``fifo``: strictly by arrival; the victim is who was loaded first. ``lru``: the same, the victim is who was used
longest ago. ``bypass``: a ready model serves whoever asks for it past any waiter, without bound; when it has
nothing to do the oldest waiter's model takes its place, least recently used first.

They know of costs and the budget, and of nothing else in the catalog: no priority, no pin, no ttl. A model is
where its ``cost`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swapd.core.commands import Cause, Command, Grant, Refuse, Spawn, Terminate, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, EngineExited, EngineReady, Event, Left, Ticket
from swapd.core.placement import fits
from swapd.core.refusal import Reason, Refusal
from swapd.core.spec import Catalog

_NOWHERE = Endpoint("127.0.0.1", 1)


@dataclass(slots=True)
class _Up:
    """An engine: loaded at ``since``, last used at ``used``; ``going``: told to stop."""

    run: RunId
    since: float
    used: float
    ready: bool = False
    going: bool = False
    leases: set[Ticket] = field(default_factory=set)


class Plain:
    """Strict arrival order, or ``bypass``; ``recent``: the victim is the least recently used."""

    def __init__(self, *, bypass: bool, recent: bool) -> None:
        self._bypass = bypass
        self._recent = recent
        self._catalog = Catalog()
        self._up: dict[str, _Up] = {}
        self._waiting: dict[Ticket, tuple[str, float]] = {}
        self._runs = 0

    def deadline(self) -> None:
        """Never: these wait for nothing but facts."""
        return

    def handle(self, event: Event, now: float) -> list[Command]:
        """One fact in, orders out."""
        if isinstance(event, Asked) and not self._can_fit(event.model):
            return [Refuse(event.ticket, Refusal(Reason.NEVER_FITS, event.model))]
        self._note(event, now)
        return [*self._grant(now), *self._swap(now)]

    def _can_fit(self, model: str) -> bool:
        return fits(self._catalog.models[model].terms.cost, self._catalog.budget)

    def _note(self, event: Event, now: float) -> None:
        match event:
            case CatalogChanged(catalog):
                self._catalog = catalog
            case Asked(ticket, model):
                self._waiting[ticket] = (model, now)
            case EngineReady(run):
                self._up[run.model].ready = True
            case EngineExited(run):
                del self._up[run.model]
            case Left(ticket):
                for up in self._up.values():
                    if ticket in up.leases:
                        up.leases.discard(ticket)
                        up.used = now
            case _:
                pass

    def _grant(self, now: float) -> list[Command]:
        out: list[Command] = []
        for ticket, (model, since) in list(self._waiting.items()):
            up, spec = self._up.get(model), self._catalog.models[model]
            if up is not None and up.ready and not up.going and len(up.leases) < spec.terms.concurrency:
                del self._waiting[ticket]
                up.leases.add(ticket)
                up.used = now
                out.append(Grant(ticket, up.run, _NOWHERE, spec, now - since, 0.0))
            elif not self._bypass:
                break  # nobody overtakes the first
        return out

    def _swap(self, now: float) -> list[Command]:
        """Bring up the model that is next, or make room for it, one victim at a time."""
        wanted = self._next()
        if wanted is None:
            return []
        spec = self._catalog.models[wanted]
        if fits(spec.terms.cost, self._free()):
            self._runs += 1
            run = RunId(wanted, self._runs)
            self._up[wanted] = _Up(run, now, now)
            return [Spawn(run, spec.launch, Why(Cause.ASKED))]
        victim = None if any(up.going for up in self._up.values()) else self._victim()
        if victim is None:
            return []
        victim.going = True
        return [Terminate(victim.run, (), Why(Cause.EVICTED, wanted))]

    def _next(self) -> str | None:
        """The oldest waiter's model that is not up; without ``bypass`` only the first in line counts."""
        for model, _ in self._waiting.values():
            if model not in self._up:
                return model
            if not self._bypass:
                return None
        return None

    def _free(self) -> dict[str, int]:
        costs = [self._catalog.models[model].terms.cost for model in self._up]
        return {
            name: amount - sum(cost.get(name, 0) for cost in costs)
            for name, amount in self._catalog.budget.items()
        }

    def _victim(self) -> _Up | None:
        asked = {model for model, _ in self._waiting.values()} if self._bypass else set()
        able = [u for m, u in self._up.items() if u.ready and not u.leases and m not in asked]
        return min(able, key=lambda up: up.used if self._recent else up.since, default=None)


POLICIES: dict[str, Callable[[], Plain]] = {
    "fifo": lambda: Plain(bypass=False, recent=False),
    "lru": lambda: Plain(bypass=False, recent=True),
    "bypass": lambda: Plain(bypass=True, recent=True),
}
