"""What became of engines: an ear of the desk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from swapd.core.answered import Answered
from swapd.core.commands import Cause, Command, Note, Refuse, Spawn, Terminate, at_once
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, Event, Left
from swapd.core.refusal import Exit, Reason
from swapd.core.told import News, Story
from swapd.metrics.families import Family, Histogram, Tally

_FAULTS = {Cause.OVERDUE: "overdue", Cause.SICK: "sick"}
"""Engines that are told to stop because they failed, and what that is called."""
_TALLIES = (
    "swapd_refusals_total",
    "swapd_swaps_total",
    "swapd_loads_total",
    "swapd_engine_starts_total",
    "swapd_engine_stops_total",
    "swapd_engine_failures_total",
)
_HISTOGRAMS = ("swapd_load_duration_seconds", "swapd_swap_duration_seconds", "swapd_swap_part_duration_seconds")


class Happenings:
    """Counts. A lease that is granted at once, and one that ends, cost next to nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, story: Story | None = None) -> None:
        """``story``: one that it shares with other ears."""
        self._clock = clock
        self._story = story or Story()
        self._tallies = {name: Tally() for name in _TALLIES}
        self._histograms = {name: Histogram() for name in _HISTOGRAMS}
        for reason in Reason:  # Prometheus sees no rise from nothing to one
            self._tallies["swapd_refusals_total"].add((reason.name.lower(),), 0)
        self._began: dict[RunId, float] = {}
        self._stopped: set[RunId] = set()
        self._drained: dict[RunId, Cause] = {}
        """Why each began to drain that has not ended yet."""
        self._swapped: dict[str, int] = {}
        """Model -> its last run that others made room for, until it is told who had its first byte. That comes
        half a second late at most: the run may have ended by then."""

    @property
    def families(self) -> Mapping[str, Family]:
        """What was counted, by the names of the table."""
        return {**self._tallies, **self._histograms}

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Count what happened, then what was decided."""
        if at_once(event, commands) is not None:
            return
        now = self._clock()
        for news in self._story.hear(event, commands, now):
            if news.type == "swap":
                self._swap(news)
        if not commands and type(event) is Left:
            return
        if isinstance(event, EngineReady):
            self._ready(event.run, now)
        elif isinstance(event, EngineExited):
            self._exited(event.run, event.exit)
        for command in commands:
            self._decided(command, now)

    def answered(self, rows: Sequence[Answered]) -> None:
        """The first byte that a client had of an engine that others made room for is the end of the swap."""
        if not self._swapped:
            return
        for row in rows:
            if row.run is not None and row.first_byte is not None and self._swapped.get(row.model) == row.run:
                del self._swapped[row.model]
                self._histograms["swapd_swap_part_duration_seconds"].see(("first_byte",), row.first_byte)

    def _swap(self, news: News) -> None:
        parts = dict(news.data["seconds"])
        self._histograms["swapd_swap_duration_seconds"].see((), parts.pop("total"))
        for part, seconds in parts.items():
            self._histograms["swapd_swap_part_duration_seconds"].see((part,), seconds)
        if news.model is not None and news.run is not None:
            self._tallies["swapd_swaps_total"].add((news.model, news.data["cause"]))
            self._swapped[news.model] = news.run

    def _ready(self, run: RunId, now: float) -> None:
        began = self._began.pop(run, None)
        if began is not None:  # else it was found alive
            self._tallies["swapd_loads_total"].add((run.model,))
            self._histograms["swapd_load_duration_seconds"].see((run.model,), now - began)

    def _exited(self, run: RunId, end: Exit) -> None:
        self._began.pop(run, None)
        self._drained.pop(run, None)
        if run in self._stopped:
            self._stopped.discard(run)
            return
        reason = "signal" if end.signal else "exit" if end.code is not None else "start"
        self._tallies["swapd_engine_failures_total"].add((run.model, reason))

    def _decided(self, command: Command, now: float) -> None:
        match command:
            case Spawn(run, _, why):
                self._began[run] = now
                self._tallies["swapd_engine_starts_total"].add((run.model, why.cause.name.lower()))
            case Note(run, why) if why.cause is not Cause.UNSEEN:
                self._drained[run] = why.cause
            case Terminate(run, _, why):
                self._told_to_stop(run, why.cause)
            case Refuse(_, refusal):
                self._tallies["swapd_refusals_total"].add((refusal.reason.name.lower(),))
            case _:
                pass

    def _told_to_stop(self, run: RunId, cause: Cause) -> None:
        self._stopped.add(run)
        if (fault := _FAULTS.get(cause)) is not None:
            self._tallies["swapd_engine_failures_total"].add((run.model, fault))
        cause = self._drained.pop(run, cause)  # that it has drained says nothing of why it did
        self._tallies["swapd_engine_stops_total"].add((run.model, cause.name.lower()))
