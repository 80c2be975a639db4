"""What is wrong with a config, and where: collected, never raised, so that all of it is told in one go."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


class Place(msgspec.Struct, frozen=True, gc=False):
    """A spot in a file; line and column start at 1. No circle leads through it: the collector is spared it."""

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
    """Collects, and sorts by place. What one value does wrong is told once, however many models inherit it."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str], Problem] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, key: str, message: str) -> None:
        """Note a problem with the key or value that stands at ``place``."""
        problem = Problem(place.file, place.line, place.column, key, message)
        self._found.setdefault((place, message), problem)

    def sorted(self) -> tuple[Problem, ...]:
        """All of them: files in the order they were first complained about, then by line and column."""
        files = dict.fromkeys(problem.file for problem in self._found.values())
        order = {file: n for n, file in enumerate(files)}
        return tuple(sorted(self._found.values(), key=lambda p: (order[p.file], p.line, p.column)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the known name closest to ``name``, or nothing if none is close."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" (did you mean '{lowered[close[0]]}'?)" if close else ""
