"""The last things that came, numbered: whoever reads goes on from a number, and nobody is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Ring(Generic[T]):
    """Keeps the last ``kept`` of them. The first that ever came has the number 0."""

    def __init__(self, kept: int) -> None:
        self.next = 0
        """The number that the next one gets."""
        self._kept: deque[T] = deque(maxlen=kept)

    def extend(self, things: Iterable[T]) -> None:
        """In the order they came."""
        fresh = list(things)
        self._kept.extend(fresh)
        self.next += len(fresh)

    def since(self, at: int) -> tuple[list[T], int]:
        """Those from number ``at`` on, and how many more there were that are not kept any more."""
        wanted = max(0, self.next - at)
        found = list(islice(reversed(self._kept), wanted))
        return found[::-1], wanted - len(found)
