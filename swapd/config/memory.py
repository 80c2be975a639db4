"""Which names of resources are memory, and how they are spelt. Any other name is a plain counter."""

from __future__ import annotations

import re

from swapd.core.need import FAMILIES, NAME, RAM

RESERVE = "reserve"
"""The key of ``budget`` that names no resource: a size kept free of each measured one."""

_ANY_CASE = re.compile(NAME, re.IGNORECASE | re.ASCII)
_SPELT = {word.lower(): word for word in (RAM, RESERVE, *FAMILIES)}


def is_memory(name: str) -> bool:
    """Whether it is memory, however it is spelt."""
    return _ANY_CASE.fullmatch(name) is not None


def spelling(name: str) -> str:
    """The name as the engine writes it: ``cuda0`` is ``CUDA0``. A plain counter is left as it is."""
    if not is_memory(name) and name.lower() != RESERVE:
        return name
    family = name.rstrip("0123456789")
    return _SPELT[family.lower()] + name[len(family) :]
