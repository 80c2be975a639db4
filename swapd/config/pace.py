"""Much work in a thread, without keeping the loop of the main thread from a core, or from Python's lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SPELL, REST = 0.001, 0.0005
"""Seconds. A kernel of 250 ticks a second may let whoever computes on keep its core for 4 ms and more."""
_own = threading.local()
"""``until``: when the thread's spell is over."""


def paced(items: Iterable[T]) -> Iterable[T]:
    """The same items. Beside the main thread with a rest before one whenever the thread has worked for a spell.

    A spell goes on from one use to the next: a thousand short files need no thousand rests.
    """
    return items if threading.current_thread() is threading.main_thread() else _with_rests(items)


def _with_rests(items: Iterable[T]) -> Iterator[T]:
    for item in items:
        if time.perf_counter() > getattr(_own, "until", 0.0):
            time.sleep(REST)
            _own.until = time.perf_counter() + SPELL
        yield item
