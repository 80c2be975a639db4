"""Ledgers as the tests of them need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swapd.machine.ledger import Entry, Ledger, Load, Taken

GIB = 1 << 30


class Warnings(list[str]):
    """``Ledger.open``'s ``warn``."""

    __call__ = list.append


def again(folder: Path) -> Ledger:
    """What the next life of the daemon knows, which must be without complaint."""
    warnings = Warnings()
    ledger = Ledger.open(folder, warnings)
    assert warnings == []
    return ledger


def ran(ledger: Ledger, peak: int = GIB, steady: int = GIB, *, key: str = "k", **others: Any) -> Entry:
    """Record one run of gemma that took so many bytes of RAM; with ``load=None``, more news of it."""
    others = {"load": Load(2.0, warm=False)} | others
    return ledger.record(key, "gemma", Taken({"ram": peak}, {"ram": steady}), **others)
