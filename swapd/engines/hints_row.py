"""A row of the hint table: a symptom in what an engine wrote, what it means, and what to change.

Rows are data. Each carries a true sample, so that a test can show that it is found, and by no row before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

HERE = "llama-server b10434, provoked"
"""The source of the samples that were made by hand."""


@dataclass(frozen=True, slots=True)
class Row:
    """``symptom``: a regular expression, without regard to case, ``^`` and ``$`` at each line.

    In ``hint``, ``<what>`` stands for what the symptom's named group found (the first, if there are several), and
    ``<line>`` for the engine's own line.
    """

    symptom: str
    hint: str
    sample: str
    source: str

    def found(self, text: str) -> str | None:
        """The hint, if the symptom is in the text."""
        match = _compiled(self.symptom).search(text)
        if match is None:
            return None
        begin = text.rfind("\n", 0, match.start()) + 1
        line = text[begin:].partition("\n")[0].strip()
        what = next((found for found in match.groupdict().values() if found), "it")
        return self.hint.replace("<line>", line).replace("<what>", what)


@cache
def _compiled(symptom: str) -> re.Pattern[str]:
    """When it is first looked for: most daemons never need one."""
    return re.compile(symptom, re.IGNORECASE | re.MULTILINE)
