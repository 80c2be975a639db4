"""Numbers as an operator reads them."""

from __future__ import annotations

from datetime import datetime

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MEBI = 1 << 20


def age(seconds: float) -> str:
    """``7s``, ``1m 15s``, ``2h 3m``, ``4d 1h``: the two units that matter."""
    left = max(0, int(seconds))
    for n, (unit, length) in enumerate(_UNITS):
        if left >= length:
            smaller = f" {left % length // _UNITS[n + 1][1]}{_UNITS[n + 1][0]}" if length > 1 else ""
            return f"{left // length}{unit}" + ("" if smaller.startswith(" 0") else smaller)
    return "0s"


def age_of(stamp: str, now: datetime) -> str:
    """The age of an RFC 3339 moment."""
    return age((now - datetime.fromisoformat(stamp)).total_seconds())


def size(amount: int) -> str:
    """Bytes as ``812 MiB`` or ``21.5 GiB``."""
    mebi = amount / _MEBI
    return f"{mebi / 1024:.1f} GiB" if mebi >= 1024 else f"{mebi:.0f} MiB"


def quantity(amount: int) -> str:
    """An amount of a resource. Only memory comes in millions, so the number itself says which it is."""
    return size(amount) if amount >= _MEBI else str(amount)


def seconds(value: float) -> str:
    """``0.04 s``, ``1.31 s``, ``12.5 s``."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def several(count: int, thing: str) -> str:
    """``1 model``, ``3 models``, ``2 aliases``."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{count} {thing if count == 1 else plural}"
