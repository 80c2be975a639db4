"""GPUs as the engine itself names them: what ``llama-server --list-devices`` prints.

The form, on standard output (llama.cpp b10434)::

    Available devices:
      CUDA0: NVIDIA GeForce RTX 3090 (24268 MiB, 23861 MiB free)

``(none)`` stands there when there are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MIB = 1 << 20
_LINE = re.compile(r"^\s+(\S+): (.*) \((\d+) MiB, (\d+) MiB free\)\s*$", re.MULTILINE)


class CannotList(Exception):
    """The engine did not tell its devices; the message says why and what to try."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU as llama.cpp names it."""

    name: str
    """``CUDA0``"""
    label: str
    """``NVIDIA GeForce RTX 3090``"""
    total: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Listed(Device):
    """A device as the engine printed it."""

    free: int
    """Bytes that were free when it was asked."""


def parse(text: str) -> list[Listed]:
    """The devices, in the engine's order. Devices without memory of their own (``BLAS``) are no GPUs: left out."""
    found = [(name, label, int(total), int(free)) for name, label, total, free in _LINE.findall(text)]
    return [Listed(name, label, total * MIB, free * MIB) for name, label, total, free in found if total]


def ask(binary: str, run: Callable[[Sequence[str]], str]) -> list[Listed]:
    """Have ``binary`` list its devices. ``run`` runs a command line within some seconds, giving its output.

    Raises CannotList where ``run`` raises OSError (TimeoutError is one), or where the output is something else.
    """
    try:
        text = run([binary, "--list-devices"])
    except OSError as error:
        raise CannotList(_failure(binary, str(error) or type(error).__name__)) from error
    found = parse(text)
    if not found and "Available devices" not in text:
        raise CannotList(_failure(binary, "it printed no list of devices"))
    return found


def _failure(binary: str, why: str) -> str:
    return f"cannot list the devices of {binary}: {why}; run `{binary} --list-devices` by hand to see more"
