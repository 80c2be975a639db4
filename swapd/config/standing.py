"""Readers of ``cpus`` and ``umask``, and which CPUs the machine has. The readers raise ValueError."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOST_CPUS = 8192
"""The most that Linux can be built for (NR_CPUS)."""
_ONLINE = Path("/sys/devices/system/cpu/online")
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)
_UMASK = re.compile(r"[0-7]{3,4}")


def cpus(text: str) -> tuple[int, ...]:
    """The numbers in ``0-3,8``, in order."""
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"'{text}' names no CPUs: write it like 0-3,8")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"'{part.strip()}' runs backwards: write {last}-{first}")
        if last >= MOST_CPUS:
            raise ValueError(f"there is no CPU {last}: no machine has more than {MOST_CPUS}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def umask(text: str) -> int:
    """The permissions that a new file does not get, as ``umask`` of a shell has them."""
    if not _UMASK.fullmatch(text) or int(text, 8) > 0o777:
        raise ValueError(f"'{text}' is no umask: write it in octal, with three or four digits, like 0027")
    return int(text, 8)


def online() -> tuple[int, ...]:
    """The CPUs of this machine that are switched on (sysfs, the kernel's admin-guide on cputopology)."""
    try:
        return cpus(_ONLINE.read_text().strip())
    except (OSError, ValueError):
        return tuple(range(os.cpu_count() or 1))
