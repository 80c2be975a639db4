"""For how long an engine is waited for: the bound of its first byte, and how long it has been already."""

from __future__ import annotations

from collections.abc import Iterable

from swapd.core.spec import Timeouts
from swapd.web.wire import Wire


def first_byte(bounds: Timeouts) -> tuple[float | None, str]:
    """Seconds to wait for the first byte, and the key of the config that says so."""
    if bounds.total is not None and (bounds.first_byte is None or bounds.total < bounds.first_byte):
        return bounds.total, "total"
    return bounds.first_byte, "first_byte"


def longest(wires: Iterable[Wire], now: float) -> float:
    """Seconds without a byte on the wire that has waited longest; 0 if none waits. ``now``: of the loop."""
    return max((now - since for wire in wires if (since := wire.waits_since()) is not None), default=0.0)
