"""Filling in what a Launch leaves open: which binary, which port, how many threads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from swapd.core.spec import Launch

LOOPBACK = "127.0.0.1"


def fill(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Each ``${name}`` of ``values`` replaced in each word; anything else stays as it is."""
    filled = []
    for word in words:
        for name, value in values.items():
            word = word.replace(f"${{{name}}}", value)  # noqa: PLW2901  (one replacement after another)
        filled.append(word)
    return tuple(filled)


def resolve(launch: Launch, values: Mapping[str, str]) -> tuple[str, ...]:
    """The command line of a launch, its open places filled."""
    return fill(launch.argv, values)


def threads() -> int:
    """Physical cores that we may really use: of the machine, of our affinity, of our cgroup's quota.

    llama.cpp itself ignores the quota, and with more threads than cores its speed collapses.
    """
    usable = [psutil.cpu_count(logical=False) or 1]
    if hasattr(os, "sched_getaffinity"):
        usable.append(len(os.sched_getaffinity(0)))
    if (quota := _cgroup_quota()) is not None:
        usable.append(int(quota))
    return max(1, min(usable))


def _cgroup_quota(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Cores by cgroup v2's ``cpu.max`` ("max 100000" or "150000 100000"); None if unlimited or unknown."""
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None
