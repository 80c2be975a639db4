"""What happened, for a reader and as JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from tests.chaos.plan import Plan, Step
from tests.chaos.verdict import BROKEN, LOST, OK, REFUSED, WRONG, Tally

MANY = 8
"""Lines about requests that went wrong, between two faults."""
VERDICTS = (OK, REFUSED, BROKEN, WRONG, LOST)
WIDTH = 110
"""Columns, where it is no terminal that is written to."""
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

    def happened(self, step: Step, at: float, seconds: float, note: str, done: bool) -> None:
        """``at``: when it began; it took ``seconds``. ``done``: not so if what it needs did not come about."""
        self.hearing = 0
        (self.injected if done else self.not_now)[step.name] += 1
        told = {"at": round(at, 2), "seconds": round(seconds, 2), "step": str(step), "note": note, "done": done}
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
            "outcomes": {name: tally.verdicts[name] for name in VERDICTS},
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
        """For a reader, on a terminal or in a file."""
        out = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
        faults = [f"{name} {count}" for name, count in sorted(self.injected.items())]
        out.print("\n[bold]What happened[/], and how often")
        out.print(Columns(faults, padding=(0, 3), column_first=True))
        for title, rows in (("Could not be brought about", self.not_now), ("Left out", self.plan.left_out)):
            if rows:
                out.print(f"\n[bold]{title}[/]")
                out.print("\n".join(f"{name}: {value}" for name, value in rows.items()), markup=False)
        out.print()
        out.print(_requests(tally))
        if tally.codes:
            told = ", ".join(f"{code} {count}" for code, count in tally.codes.most_common())
            out.print(f"Refused in words: {told}")
        out.print()
        out.print(_invariants(self.checked, self.failed))
        self._conclude(tally, out)

    def _conclude(self, tally: Tally, out: Console) -> None:
        if self.problems:
            out.print("\n[bold red]Problems[/]")
        for told in self.problems:
            out.print(f"after {told['after']}: {told['problem'].splitlines()[0]}", markup=False)
        good = self.is_good(tally)
        total = f"{sum(self.injected.values())} faults and chores, {sum(tally.kinds.values())} requests"
        lost = f"lost {tally.verdicts[LOST]}, wrong {tally.verdicts[WRONG]}, problems {len(self.problems)}"
        gap = f"longest gap {tally.longest_gap:.2f} s, asked again on a fresh connection {tally.retried}"
        words = f"{total} in {self.seconds:.0f} s (seed {self.plan.seed}): {lost}; {gap}"
        out.print(f"\n[bold {'green' if good else 'red'}]{'Good' if good else 'Bad'}[/]: {words}", soft_wrap=True)


def _requests(tally: Tally) -> Table:
    table = Table(title="Requests", title_justify="left", box=SIMPLE)
    table.add_column("kind")
    for verdict in VERDICTS:
        table.add_column(verdict, justify="right")
    for kind in sorted(tally.kinds):
        table.add_row(kind, *(str(tally.by_kind[kind, verdict]) for verdict in VERDICTS))
    table.add_row("all", *(str(tally.verdicts[verdict]) for verdict in VERDICTS), style="bold")
    return table


def _invariants(checked: Counter[str], failed: Counter[str]) -> Table:
    table = Table(title="What must hold", title_justify="left", box=SIMPLE)
    for name in ("", "looked at", "failed"):
        table.add_column(name, justify="right" if name else "left")
    for name, count in checked.items():
        table.add_row(name, str(count), str(failed[name]), style="red" if failed[name] else "")
    return table
