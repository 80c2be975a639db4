"""What happened, for a reader and as JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.plan import Plan, Step
from tests.chaos.verdict import BROKEN, LOST, OK, REFUSED, WRONG, Tally

MANY = 8
"""Lines about requests that went wrong, between two faults."""
MOST = 500
"""Requests that went wrong, in the JSON."""


@dataclass
class Report:
    """Filled while it runs. ``problems``: each broken invariant, with the fault that it followed."""

    plan: Plan
    injected: Counter[str] = field(default_factory=Counter)
    not_now: Counter[str] = field(default_factory=Counter)
    history: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    hearing: int = 0
    """Wrong or lost requests since the last fault."""

    def say(self, text: str) -> None:
        """A line of progress, to stderr."""
        print(text, file=sys.stderr, flush=True)

    def heard(self, line: str) -> None:
        """Of a request that is wrong or lost; where there are many, the first of them tell enough."""
        self.hearing += 1
        if self.hearing <= MANY:
            self.say(f"  {line}{' (and more)' if self.hearing == MANY else ''}")

    def happened(self, step: Step, at: float, note: str, done: bool) -> None:
        """``done``: not so if what it needs did not come about."""
        self.hearing = 0
        (self.injected if done else self.not_now)[step.name] += 1
        told = {"at": round(at, 2), "step": str(step), "note": note, "done": done}
        self.history.append(told)
        self.say(f"{at:7.1f} s  {step}: {note or 'done'}")

    def wrong(self, after: str, problem: str) -> None:
        """An invariant, or what a fault saw itself."""
        self.problems.append({"after": after, "problem": problem})
        self.say(f"  PROBLEM after {after} (seed {self.plan.seed}): {problem}")

    def is_good(self, tally: Tally) -> bool:
        """Nothing lost, nothing wrong, and something was done."""
        return not self.problems and not tally.bad and tally.verdicts[OK] > 0

    def as_json(self, tally: Tally) -> dict[str, Any]:
        """All of it."""
        return {
            "good": self.is_good(tally),
            "seed": self.plan.seed,
            "seconds": round(self.seconds, 1),
            "faults": dict(self.injected),
            "not_now": dict(self.not_now),
            "left_out": dict(self.plan.left_out),
            "requests": dict(tally.kinds),
            "outcomes": {name: tally.verdicts[name] for name in (OK, REFUSED, BROKEN, WRONG, LOST)},
            "refusals": dict(tally.codes),
            "retried": tally.retried,
            "longest_gap": round(tally.longest_gap, 3),
            "invariants": {name: {"checked": n, "failed": self.failed[name]} for name, n in self.checked.items()},
            "bad": tally.bad[:MOST],
            "problems": self.problems,
            "history": self.history,
            "plan": self.plan.as_json(),
        }

    def write(self, path: Path, tally: Tally) -> None:
        """As ``--replay`` reads it."""
        path.write_text(json.dumps(self.as_json(tally), indent=1))

    def show(self, tally: Tally) -> None:
        """Tables on a terminal, plain lines in a pipe."""
        sections: dict[str, dict[str, Any]] = {
            "faults injected": dict(sorted(self.injected.items())),
            "could not be brought about": dict(self.not_now),
            "left out": dict(self.plan.left_out),
            "requests sent": dict(tally.kinds),
            "outcomes": {name: tally.verdicts[name] for name in (OK, REFUSED, BROKEN, WRONG, LOST)},
            "refusals": dict(tally.codes),
            "invariants checked": {n: f"{c} (failed {self.failed[n]})" for n, c in self.checked.items()},
            "problems": Counter(told["problem"].splitlines()[0][:150] for told in self.problems),
        }
        show = _table if sys.stdout.isatty() else _lines
        for title, rows in sections.items():
            show(title, rows)
        total = f"{sum(self.injected.values())} faults and chores, {sum(tally.kinds.values())} requests"
        bad = f"lost {tally.verdicts[LOST]}, wrong {tally.verdicts[WRONG]}, problems {len(self.problems)}"
        gap = f"longest gap {tally.longest_gap:.2f} s, asked again on a fresh connection {tally.retried}"
        print(f"{total} in {self.seconds:.0f} s (seed {self.plan.seed}): {bad}; {gap}")


def _table(title: str, rows: dict[str, Any]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows.items():
        table.add_row(name, str(value))
    if rows:
        Console().print(table)


def _lines(title: str, rows: dict[str, Any]) -> None:
    for name, value in rows.items():
        print(f"{title}: {name}: {value}")
