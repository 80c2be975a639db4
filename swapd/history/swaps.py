"""The swaps: what was evicted for what, why, and what it cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable

import msgspec

from swapd.core.told import Told

MOST = 2000
"""Swaps are kept at most."""


class Swap(msgspec.Struct):
    """One that is over: ``model`` came up, and the ``evicted`` runs went for it. Times are seconds."""

    at: str
    model: str | None
    run: int | None
    text: str
    evicted: list[str]
    why: str
    cause: str
    seconds: dict[str, float]
    waited: dict[str, float]
    clients: list[str]


class Swaps:
    """As they were told."""

    def __init__(self) -> None:
        self._kept: deque[Swap] = deque(maxlen=MOST)
        self._last: dict[str, dict[str, str]] = {}
        """By each model that took part."""

    def add(self, told: Told, stamp: str) -> None:
        """One is over."""
        self.recall([Swap(stamp, told.model, told.run, told.text, **told.data)])

    def recall(self, swaps: Iterable[Swap]) -> None:
        """In the order they were."""
        for swap in swaps:
            self._kept.append(swap)
            gone = [run.rpartition("#")[0] for run in swap.evicted]
            for name in (swap.model, *gone):
                if name is not None:
                    self._last[name] = {"at": swap.at, "text": swap.text}

    def last(self, model: str) -> dict[str, str] | None:
        """The last that the model took part in: when, and how it was told."""
        return self._last.get(model)

    def prune(self, oldest: str, known: Container[str]) -> None:
        """Forget what was before, and models that are not ``known`` any more."""
        while self._kept and self._kept[0].at < oldest:
            self._kept.popleft()
        self._last = {name: last for name, last in self._last.items() if name in known}

    def since(self, oldest: str) -> list[Swap]:
        """Those that were later."""
        return [swap for swap in self._kept if swap.at >= oldest]
