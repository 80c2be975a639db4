"""Plays a stage of the lab and keeps what each request failed of, in words: the lab itself only counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from swapd.cli.words import several
from swapd.core.commands import Command, Refuse
from swapd.core.events import Event
from swapd.core.refusal import Reason
from swapd.lab import simulate as lab
from swapd.lab.box import Brain

CUT = "cannot finish the request: its engine was stopped under it"


@dataclass(slots=True)
class Failures:
    """How many requests failed, by model and reason; of each reason the words that were said first."""

    count: Counter[tuple[str, Reason | None]] = field(default_factory=Counter)
    words: dict[tuple[str, Reason | None], str] = field(default_factory=dict)

    def note(self, model: str, reason: Reason | None, words: str, count: int = 1) -> None:
        """So many more; ``reason`` is None for those that were cut off."""
        if count:
            self.count[model, reason] += count
            self.words.setdefault((model, reason), words)

    def __iter__(self) -> Iterator[str]:
        for (model, reason), count in self.count.most_common():
            yield f"{several(count, 'request')} for {model} failed: {self.words[model, reason]}"


class _Heard:
    """A brain whose refusals are noted."""

    def __init__(self, brain: Brain, failures: Failures) -> None:
        self._brain = brain
        self._failures = failures

    def handle(self, event: Event, now: float) -> list[Command]:
        commands = self._brain.handle(event, now)
        for command in commands:
            if isinstance(command, Refuse):
                refusal = command.refusal
                self._failures.note(refusal.model, refusal.reason, str(refusal).rstrip(": "))
        return commands

    def deadline(self) -> float | None:
        return self._brain.deadline()


def play(stage: lab.Stage, policy: str, tell: Callable[[int], None]) -> tuple[lab.Outcome, Failures]:
    """``lab.run``, and why requests failed, in all seeds together; ``tell`` hears each seed as it begins."""
    failures = Failures()
    outcome = lab.run(stage, policy, tell, heard=lambda brain: _Heard(brain, failures))
    for model, count in outcome.cut.items():
        failures.note(model, None, CUT, count)
    return outcome, failures
