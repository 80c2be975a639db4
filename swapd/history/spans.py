"""Which model was in which state, from when to when, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from swapd.core.commands import Adopt, Command, Note, Spawn, Terminate
from swapd.core.engine import RunId, State
from swapd.core.events import EngineExited, Event

MOST = 10_000
"""Spans that are over are kept at most."""
GONE = 100
"""Models that the config no longer has are remembered at most."""
LONGEST = 200
"""Characters of a reason."""
Standing = Iterable[tuple[RunId, State]]
"""The engines there are, and their states."""


class Span(msgspec.Struct):
    """``until``: None for as long as it lasts. A cold model has none."""

    state: str
    since: str = msgspec.field(name="from")
    until: str | None
    run: int
    why: str


class Spans:
    """Compares what is with what was: so no change of state is missed, whatever brought it about."""

    def __init__(self) -> None:
        self._open: dict[str, Span] = {}
        self._past: deque[tuple[str, Span]] = deque(maxlen=MOST)
        """In the order they ended."""

    def look(
        self, event: Event, commands: Sequence[Command], standing: Standing, stamp: Callable[[], str]
    ) -> bool:
        """The engines stand so after the event and its orders, and whether that is new.

        ``stamp`` says what time it is.
        """
        found = {run.model: (run.n, state.value) for run, state in standing}
        ended = [name for name, span in self._open.items() if found.get(name) != (span.run, span.state)]
        begun = [name for name in found if name not in self._open or name in ended]
        if not ended and not begun:
            return False
        now, whys = stamp(), _whys(event, commands)
        before = {name: self._open.pop(name) for name in ended}
        for name, span in before.items():
            span.until = now
            self._past.append((name, span))
        for name in begun:
            (n, state), was = found[name], before.get(name)
            kept = was.why if was is not None and was.run == n else ""
            self._open[name] = Span(state, now, None, n, whys.get(name, kept)[:LONGEST])
        return True

    def recall(self, past: Iterable[tuple[str, Span]]) -> None:
        """These are over, in the order they ended."""
        self._past.extend(past)

    def prune(self, oldest: str, known: Mapping[str, object]) -> None:
        """Forget what ended before, and models beyond the last few that are not ``known`` any more."""
        while self._past and (self._past[0][1].until or "") < oldest:
            self._past.popleft()
        gone = dict.fromkeys(name for name, _ in reversed(self._past) if name not in known)
        if len(gone) > GONE:
            forgotten = set(list(gone)[GONE:])
            kept = [(name, span) for name, span in self._past if name not in forgotten]
            self._past = deque(kept, maxlen=MOST)

    def since(self, oldest: str) -> list[tuple[str, Span]]:
        """Those that ended later or have not, in the order they began at each model. They may be kept."""
        past = [(name, span) for name, span in self._past if (span.until or "") >= oldest]
        return past + [(name, msgspec.structs.replace(span)) for name, span in self._open.items()]


def _whys(event: Event, commands: Sequence[Command]) -> dict[str, str]:
    """Why the models came to be as they are: by how their run ended, or by what was decided."""
    whys = {}
    if isinstance(event, EngineExited):
        whys[event.run.model] = str(event.exit).partition("\n")[0]
    for command in commands:
        if isinstance(command, Spawn | Adopt | Terminate | Note):
            whys[command.run.model] = str(command.why)
    return whys
