"""Who has used how much of the engines: fair shares among clients that queue.

A client is charged the seconds that its leases kept engines busy, shared with whoever was served at the same time,
and its part of the loads it was served by. One that comes back after a pause starts where the least served of
those present stands: being away earns no credit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core.engine import RunId

REMEMBERED = 1000
"""Of so many clients that are away it is known what they had used."""


@dataclass(slots=True)
class _Serving:
    """What a run has served since its leases last changed: which clients, with how many leases each and in all."""

    since: float
    clients: dict[str, int] = field(default_factory=dict)
    leases: int = 0


@dataclass(slots=True)
class Shares:
    """Engine-seconds by client."""

    used: dict[str, float] = field(default_factory=dict)
    _floor: float = 0.0
    """Where a newcomer starts: those who were there alone have used nothing that anybody else wanted."""
    _present: dict[str, int] = field(default_factory=dict)
    """Clients that wait or are served, with how many tickets."""
    _serving: dict[RunId, _Serving] = field(default_factory=dict)

    def came(self, client: str, now: float) -> None:
        """One more ticket of the client."""
        if (tickets := self._present.get(client)) is None:
            tickets = 0
            least = min([self.of(other, now) for other in self._present], default=self._floor)
            self.used[client] = max(self.used.pop(client, 0.0), least)
            self._forget()
        self._present[client] = tickets + 1

    def went(self, client: str) -> None:
        """One ticket less."""
        tickets = self._present.pop(client, 1) - 1
        if tickets:
            self._present[client] = tickets
        elif not self._present:
            self._floor = max(self._floor, self.used.get(client, 0.0))

    def of(self, client: str, now: float) -> float:
        """Engine-seconds that the client has used, what its leases use just now included."""
        used = self.used.get(client, 0.0)
        for serving in self._serving.values():
            if client in serving.clients:
                used += (now - serving.since) * serving.clients[client] / serving.leases
        return used

    def leased(self, run: RunId, client: str, now: float) -> None:
        """The run serves one more."""
        if (serving := self._serving.get(run)) is None:
            serving = self._serving[run] = _Serving(now)
        else:
            self._charge(serving, now)
        serving.clients[client] = serving.clients.get(client, 0) + 1
        serving.leases += 1

    def released(self, run: RunId, client: str, now: float) -> None:
        """The run serves one less. Nothing, if it is over."""
        if (serving := self._serving.get(run)) is None:
            return
        self._charge(serving, now)
        serving.leases -= 1
        if not serving.leases:
            del self._serving[run]
        elif serving.clients[client] == 1:
            del serving.clients[client]
        else:
            serving.clients[client] -= 1

    def loaded(self, clients: list[str], seconds: float) -> None:
        """A load is over that all these waited for."""
        for client in clients:
            self.used[client] = self.used.get(client, 0.0) + seconds / len(clients)

    def gone(self, run: RunId, now: float) -> None:
        """The run is over, whoever it served."""
        if (serving := self._serving.pop(run, None)) is not None:
            self._charge(serving, now)

    def _charge(self, serving: _Serving, now: float) -> None:
        seconds, serving.since = now - serving.since, now
        for client, leases in serving.clients.items():
            self.used[client] = self.used.get(client, 0.0) + seconds * leases / serving.leases

    def _forget(self) -> None:
        """Those who have been away longest stand first."""
        if len(self.used) > REMEMBERED + len(self._present):
            for client in [name for name in self.used if name not in self._present][: REMEMBERED // 10]:
                del self.used[client]
