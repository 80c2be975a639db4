"""What a model takes of the machine's memory, and what the meters read there: facts the scheduler reckons with.

Amounts are bytes. A memory resource is named as the engine names its device (``CUDA0``, ``Vulkan1``), or ``ram``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from swapd.core.engine import RunId
from swapd.core.spec import Cost

RAM = "ram"
"""The machine's main memory."""
FAMILIES = ("CUDA", "Vulkan", "ROCm", "SYCL", "HIP", "MUSA", "CANN", "OpenCL", "RPC", "MTL", "Metal")
"""What llama.cpp's ``--list-devices`` calls devices, before their number. ``Metal`` became ``MTL0``."""
NAME = f"{RAM}|Metal|(?:{'|'.join(FAMILIES)})(?:0|[1-9][0-9]*)"
"""A pattern of all names of memory."""
_NAME = re.compile(NAME, re.ASCII)
_MIB = 1 << 20


def is_memory(resource: str) -> bool:
    """Whether a resource is memory, counted in bytes, or a plain counter."""
    return _NAME.fullmatch(resource) is not None


def told(name: str, amount: int) -> str:
    """An amount of a resource, for people: memory in GiB or MiB, anything else as it is."""
    if not is_memory(name):
        return str(amount)
    return f"{amount / (1 << 30):.1f} GiB" if amount >= 10 << 30 else f"{amount / _MIB:.0f} MiB"


class Source(Enum):
    """How a need came to be known, the most trusted first. The value is how it is worded."""

    OPERATOR = "set by the operator"
    LEARNED = "learned from earlier runs"
    ENGINE = "told by the engine"
    HEADER = "estimated from the file"
    UNKNOWN = "not known yet"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to place a model: what it takes there, and the devices to run it on (none: the engine's choice)."""

    cost: Cost
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """All the ways a model can be placed, the best first. Without any it is not known, and loads alone."""

    ways: tuple[Way, ...]
    source: Source
    detail: str = ""
    """How the figure was made, for people: ``files 241 + KV cache 21 (2048 tokens) + margin 256 MiB``."""
    load: float | None = None
    """Seconds that a load takes, where one was seen in an earlier life of the daemon."""
    margin: int = 0
    """How many bytes of each amount are a guess, for what cannot be told before the model ran."""
    broken: bool = False
    """Whether no engine can load it: its file is cut short, or no model. ``detail`` says which."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One memory resource as it was read. ``free`` is what a new process could still take."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at all meters, begun at the monotonic second ``at``.

    A resource that could not be read is missing; one whose device is gone is ``lost``. ``taken``: what each living
    run's process tree held of each resource that tells (a driver may not).
    """

    at: float
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    taken: Mapping[RunId, Cost] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
