"""What is wrong with a config, and where: collected, never raised, so that all of it is told in one go."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A spot in a file; line and column start at 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: its place, the path of its key (``models.qwen.ttl``), and what to do about it."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"{self.file}:{self.line}:{self.column}:{key} {self.message}"


class Problems:
    """Collects, drops repetitions (an anchor may be used twice), and sorts by place."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, place: Place, key: str, message: str) -> None:
        """Note a problem with the key or value that stands at ``place``."""
        self._found[Problem(*place, key, message)] = None

    def sorted(self) -> tuple[Problem, ...]:
        """All of them: files in the order they were first complained about, then by line and column."""
        files = {problem.file: None for problem in self._found}
        order = {file: n for n, file in enumerate(files)}
        return tuple(sorted(self._found, key=lambda p: (order[p.file], p.line, p.column)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the known name closest to ``name``, or nothing if none is close."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" (did you mean '{lowered[close[0]]}'?)" if close else ""
