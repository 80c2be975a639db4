"""Who has used how much of the engines: fair shares among clients that queue.

A client is charged the seconds that its leases kept engines busy, shared with whoever was served at the same time,
and its part of the loads it was served by. One that comes back after a pause starts where the least served of
those present stands: being away earns no credit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from swapd.core.engine import RunId

REMEMBERED = 1000
"""Of so many clients that are away it is known what they had used."""


@dataclass(slots=True)
class Shares:
    """Engine-seconds by client."""

    used: dict[str, float] = field(default_factory=dict)
    _floor: float = 0.0
    """Where a newcomer starts: those who were there alone have used nothing that anybody else wanted."""
    _present: Counter[str] = field(default_factory=Counter)
    """Clients that wait or are served, with how many tickets."""
    _serving: dict[RunId, tuple[float, Counter[str]]] = field(default_factory=dict)
    """Run -> since when it serves these, with how many leases each."""

    def came(self, client: str, now: float) -> None:
        """One more ticket of the client."""
        if not self._present[client]:
            least = min((self.of(other, now) for other in self._present if other != client), default=self._floor)
            self.used[client] = max(self.used.pop(client, 0.0), least)
            self._forget()
        self._present[client] += 1

    def went(self, client: str) -> None:
        """One ticket less."""
        self._present[client] -= 1
        if self._present[client] <= 0:
            del self._present[client]
        if not self._present:
            self._floor = max(self._floor, self.used.get(client, 0.0))

    def of(self, client: str, now: float) -> float:
        """Engine-seconds that the client has used, what its leases use just now included."""
        used = self.used.get(client, 0.0)
        for since, serving in self._serving.values():
            if client in serving:
                used += (now - since) * serving[client] / serving.total()
        return used

    def leased(self, run: RunId, client: str, now: float) -> None:
        """The run serves one more."""
        serving = self._charge(run, now)
        serving[client] += 1

    def released(self, run: RunId, client: str, now: float) -> None:
        """The run serves one less. Nothing, if it is over."""
        if run not in self._serving:
            return
        serving = self._charge(run, now)
        serving[client] -= 1
        if serving[client] <= 0:
            del serving[client]
        if not serving:
            del self._serving[run]

    def loaded(self, clients: list[str], seconds: float) -> None:
        """A load is over that all these waited for."""
        for client in clients:
            self.used[client] = self.used.get(client, 0.0) + seconds / len(clients)

    def gone(self, run: RunId, now: float) -> None:
        """The run is over, whoever it served."""
        if run in self._serving:
            self._charge(run, now)
            del self._serving[run]

    def _charge(self, run: RunId, now: float) -> Counter[str]:
        since, serving = self._serving.get(run, (now, Counter[str]()))
        leases = serving.total()
        for client, count in serving.items():
            self.used[client] = self.used.get(client, 0.0) + (now - since) * count / leases
        self._serving[run] = (now, serving)
        return serving

    def _forget(self) -> None:
        """Those who have been away longest stand first."""
        if len(self.used) > REMEMBERED + len(self._present):
            for client in [name for name in self.used if name not in self._present][: REMEMBERED // 10]:
                del self.used[client]
