"""How an estimate lies over GPUs and RAM: the arithmetic of llama.cpp's split by layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swapd.core.need import RAM, Way
from swapd.machine.asked import Placing
from swapd.machine.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Spread:
    """Makes ways of an estimate."""

    estimate: Estimate
    placing: Placing
    context: int
    """Bytes that each GPU in use costs besides."""
    host: int
    """Bytes of RAM beside a full offload."""

    def whole(self, devices: Sequence[tuple[str, int]]) -> Way | None:
        """All that was asked for, on these GPUs; None if it is more than their budgets."""
        way = self._asked_for(devices, named=True)
        return way if all(way.cost.get(name, 0) <= budget for name, budget in devices) else None

    def over(self, devices: Sequence[tuple[str, int]], named: bool) -> Way:
        """All GPUs at once. Where llama.cpp may choose and it is too much, they are filled and the rest is in RAM.

        ``named``: the way says its devices; else they are the engine's choice.
        """
        way, used = self._asked_for(devices, named), self._used(devices)
        fits = all(way.cost[name] <= budget for name, budget in used)
        if self.placing.layers is not None or fits:
            return way
        room = sum(max(0, budget - self.context) for _, budget in used)
        rest = max(0, self._offloaded() - room)
        return Way({**dict(used), RAM: way.cost[RAM] + rest}, way.devices)

    def told(self, ways: Sequence[Way]) -> str:
        """The placement in words."""
        way, *others = ways
        gpus = [name for name in way.cost if name != RAM]
        on = " and ".join(gpus) if not others else "one GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
        where = f"{self._layers()} of {self.estimate.split.layers} layers"
        if self.placing.layers is None and way.cost[RAM] > self._in_ram():
            where = "as many layers as fit"
        kept = self.estimate.split.in_ram
        experts = f", {kept >> 20} MiB of weights kept in RAM" if kept else ""
        return f"{where} on {on}{experts}, {self.context >> 20} MiB for the driver on each GPU"

    def _asked_for(self, devices: Sequence[tuple[str, int]], named: bool) -> Way:
        used = self._used(devices)
        amounts = self._on_gpus(devices)
        cost = {name: amount for (name, _), amount in zip(used, amounts, strict=True)}
        return Way({**cost, RAM: self._in_ram()}, tuple(name for name, _ in used) if named else ())

    def _used(self, devices: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        """``--split-mode none`` uses one; an index that is not there is the engine's to refuse."""
        one = self.placing.one
        return devices if one is None else devices[one : one + 1] or devices[:1]

    def _on_gpus(self, devices: Sequence[tuple[str, int]]) -> list[int]:
        used = self._used(devices)
        shares = self._shares(used)
        return [round(self._offloaded() * share) + self.context for share in shares]

    def _shares(self, devices: Sequence[tuple[str, int]]) -> list[float]:
        weights = [float(budget) for _, budget in devices]
        if len(self.placing.split) >= len(devices) and sum(self.placing.split[: len(devices)]) > 0:
            weights = list(self.placing.split[: len(devices)])
        total = sum(weights)
        return [weight / total if total else 1 / len(devices) for weight in weights]

    def _layers(self) -> int:
        every = self.estimate.split.layers
        return every if self.placing.layers is None else min(self.placing.layers, every)

    def _in_ram(self) -> int:
        return self._left_in_ram() + self.host

    def _offloaded(self) -> int:
        """Bytes on all GPUs together. What follows no layer goes there too, and so does what computing takes."""
        return self.estimate.total - self._left_in_ram()

    def _left_in_ram(self) -> int:
        split = self.estimate.split
        left = 1 - self._layers() / split.layers
        cache = left if self.placing.cache_on_gpu else 1.0
        return split.in_ram + round(left * split.weights + cache * split.cache)
