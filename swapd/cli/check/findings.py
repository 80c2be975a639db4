"""What ``check`` found out beyond the config's own text, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """``about``: a model's name, a file or an address. A ``note`` is good to know, and no warning."""

    about: str
    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class More:
    """``together``: a sentence for each group of models that fit at once, or for one that never does."""

    together: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    @property
    def warnings(self) -> list[Finding]:
        """What somebody has to look at."""
        return [finding for finding in self.findings if not finding.note]

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {"together": list(self.together), "findings": [finding._asdict() for finding in self.findings]}


NOTHING = More()
