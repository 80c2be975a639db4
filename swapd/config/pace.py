"""Much work in a thread, without keeping the loop of the main thread from a core, or from Python's lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SPELL, REST = 0.001, 0.0005
"""Seconds. A kernel of 250 ticks a second may let whoever computes on keep its core for 4 ms and more."""


def paced(items: Iterable[T]) -> Iterable[T]:
    """The same items. Beside the main thread with a rest before them, and after each spell of work on them."""
    return items if threading.current_thread() is threading.main_thread() else _with_rests(items)


def _with_rests(items: Iterable[T]) -> Iterator[T]:
    until = 0.0
    for item in items:
        if time.perf_counter() > until:
            time.sleep(REST)
            until = time.perf_counter() + SPELL
        yield item
