"""A config that is yet to be written: what was found, or read in another tool's file, before it is YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """One entry below ``models``."""

    name: str
    keys: Mapping[str, Any]
    """As in the YAML: plain values, in the order in which they are to stand there."""
    remarks: tuple[str, ...] = ()
    """Lines of comment above it, without the ``#``."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Key -> a comment at the end of its line."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole file, or what is to be added to one."""

    models: tuple[ModelDraft, ...] = ()
    head: tuple[str, ...] = ()
    """Lines of comment at its top."""
    top: Mapping[str, Any] = field(default_factory=dict)
    """The other top-level keys: plain values."""
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Top-level key -> lines of comment above it."""
    left: tuple[str, ...] = ()
    """What could not be carried over, and why: a line each; they stand at the end of the file."""
