"""Filling in what a Launch leaves open: which binary, which port, how many threads, which devices."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import psutil

from swapd.core.spec import Launch

LOOPBACK = "127.0.0.1"
DEVICE = "${device}"
_OPEN = re.compile(r"\$\{(\w+)\}")


def resolve(launch: Launch, values: Mapping[str, str]) -> tuple[str, ...]:
    """The argv with each placeholder that ``values`` knows filled in; keys are bare names (``port``).

    Without a ``device``, or with an empty one, the words that would name it are left out: the engine chooses.
    """
    if values.get("device"):
        return fill(launch.argv, values)
    return fill(_without_device(launch.argv), {**values, "device": ""})


def _without_device(argv: Sequence[str]) -> tuple[str, ...]:
    """Drops ``--device ${device}`` and ``--device=${device}``, whatever the flag is called."""
    kept = list(argv[:1])
    for word in argv[1:]:
        if word == DEVICE:
            if kept[1:] and kept[-1].startswith("-"):
                kept.pop()
        elif not (word.startswith("-") and word.endswith(f"={DEVICE}")):
            kept.append(word)
    return tuple(kept)


def fill(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Each ``${name}`` of ``values`` replaced in each word; anything else stays as it is."""
    return tuple(_OPEN.sub(lambda found: values.get(found[1], found[0]), word) for word in words)


def threads(cpus: Collection[int] = ()) -> int:
    """Physical cores that we may really use: of the machine, of our affinity, of our cgroup's quota.

    ``cpus``: where the engine is to run; empty for wherever we do. llama.cpp itself ignores the quota, and with
    more threads than cores its speed collapses.
    """
    usable = [_physical_cores()]
    if here := _cores(cpus):
        usable.append(here)
    elif hasattr(os, "sched_getaffinity"):
        usable.append(len(os.sched_getaffinity(0)))
    if (quota := _cgroup_quota()) is not None:
        usable.append(int(quota))
    return max(1, min(usable))


def _cores(cpus: Collection[int], system: Path = Path("/sys/devices/system/cpu")) -> int:
    """How many cores the CPUs belong to, where two may share one; none for those that are not there.

    By the kernel's ABI documentation of sysfs: all of one core have the same list of siblings.
    """
    found = set()
    for cpu in cpus:
        with contextlib.suppress(OSError):
            found.add((system / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text())
    return len(found)


@functools.cache
def _physical_cores() -> int:
    """Told once: the kernel is asked by some files for each core."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def share(cores: int, sharers: int) -> int:
    """Threads for each of so many engines. One alone would crawl: two are the least where there are two cores."""
    return max(min(2, cores), cores // sharers)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores by the tightest ``cpu.max`` of cgroup v2 on the way from our group up to the root.

    None if unlimited or unknown.
    """
    try:
        path = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        path = "/"
    group = root / path.lstrip("/")
    inside = [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]
    return min((cores for folder in inside if (cores := _quota_of(folder / "cpu.max")) is not None), default=None)


def _quota_of(file: Path) -> float | None:
    """Cores of one file: "max 100000" or "150000 100000"."""
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
