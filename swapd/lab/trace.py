"""A recorded trace: who asked for which model when, and how long it took. Never what was asked, nor from where.

JSON, one object a line. The first is the header, ``{"swapd_trace": 1, "loads": {model: seconds}}`` (``loads`` may
be left out); then requests, in any order, and loads as they were seen::

    {"arrival": 12.5, "model": "coder", "client": "agent", "waited": 0.1, "service": 4.2, "outcome": "served",
     "first_byte": 0.3, "prompt": 512, "completion": 80}
    {"load": "coder", "seconds": 7.9}

The last three are there where they are known; traces of old call the tokens ``tokens_in`` and ``tokens_out``.
Seconds count from the start of the recording. A later header begins another recording in the same file (the
daemon was restarted): its seconds go on where the one before ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Annotated, Any

import msgspec

VERSION = 1
SERVED = "served"
"""The outcome of a request that got its answer; any other word is a reason why it did not."""
KEPT = 5
"""So many of the lines that made no sense are remembered with their reason."""

_encode = msgspec.json.Encoder().encode

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Within thirty years: a timestamp of the calendar is no second of a recording."""
Count = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Class = Annotated[str, msgspec.Meta(max_length=64)]


class BadTrace(Exception):
    """The trace cannot be used; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of the answer: seconds from the lease to the first byte, tokens read and written."""

    first_byte: Seconds | None = None
    prompt: Count | None = None
    completion: Count | None = None


NOTHING = Answer()
"""Nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, in seconds: ``arrival`` in the recording, ``waited`` for the lease, ``service`` under it."""

    arrival: Seconds
    model: Name
    service: Seconds
    client: Class = ""
    """A short opaque class of clients, never an address or a key."""
    waited: Seconds = 0.0
    outcome: Name = SERVED
    answer: Answer = NOTHING


@dataclass(frozen=True, slots=True)
class Trace:
    """The requests by arrival, the seconds that a load of each model takes where known, the seconds it spans."""

    requests: tuple[Request, ...]
    loads: Mapping[str, float]
    duration: float
    skipped: int = 0
    """Lines that made no sense."""
    why: tuple[str, ...] = ()
    """The first few of them: ``line 17: ...``."""

    @property
    def warning(self) -> str:
        """A sentence about the lines that were skipped; empty if there were none."""
        return _complaint(self.skipped, self.why)


@dataclass(frozen=True, slots=True)
class _Load:
    load: Name
    seconds: Seconds


def header(loads: Mapping[str, float] | None = None) -> bytes:
    """The first line of a trace; ``loads`` is what is known already of each model's load seconds."""
    return _worded({"swapd_trace": VERSION} | ({"loads": dict(loads)} if loads else {}))


def line(request: Request) -> bytes:
    """The request's line. What is not known of the answer is left out."""
    told: dict[str, Any] = {
        "arrival": round(request.arrival, 6),
        "model": request.model,
        "service": round(request.service, 6),
        "client": request.client,
        "waited": round(request.waited, 6),
        "outcome": request.outcome,
    }
    if (answer := request.answer) is not NOTHING:
        first_byte = None if answer.first_byte is None else round(answer.first_byte, 6)
        known = (("first_byte", first_byte), ("prompt", answer.prompt), ("completion", answer.completion))
        told |= {name: value for name, value in known if value is not None}
    return _encode(told) + b"\n"


def load_line(model: str, seconds: float) -> bytes:
    """The line of a load that was seen."""
    return _worded({"load": model, "seconds": seconds})


def read(lines: Iterable[str | bytes]) -> Trace:
    """The trace in ``lines``. What makes no sense is skipped and counted.

    Raises BadTrace if it does not begin with a header, is from a newer version, or holds no request.
    """
    reader = _Reader()
    for number, text in enumerate(lines, 1):
        if text.strip():
            reader.take(number, text)
    return reader.trace()


@dataclass(slots=True)
class _Reader:
    """A trace in the making. ``start``: where on the whole clock the present recording begins."""

    requests: list[Request] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    seen: dict[str, list[float]] = field(default_factory=dict)
    skipped: int = 0
    why: list[str] = field(default_factory=list)
    start: float | None = None
    end: float = 0.0

    def take(self, number: int, text: str | bytes) -> None:
        try:
            found = msgspec.json.decode(text, type=dict[str, Any])
            self._begin(found) if "swapd_trace" in found else self._note(found)
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors, as are those of bad UTF-8
            self._skip(number, str(error))

    def trace(self) -> Trace:
        loads = self.told | {model: median(seconds) for model, seconds in self.seen.items()}
        if not self.requests:
            complaint = _complaint(self.skipped, tuple(self.why))
            raise BadTrace(
                "cannot read the trace: it holds no request"
                + (f" ({complaint})" if complaint else "")
                + "; record for longer, or look at the file"
            )
        ordered = tuple(sorted(self.requests, key=lambda request: request.arrival))
        return Trace(ordered, loads, self.end, self.skipped, tuple(self.why))

    def _begin(self, found: dict[str, Any]) -> None:
        version = found["swapd_trace"]
        if type(version) is not int or version < 1:
            raise ValueError(f"swapd_trace is {version!r}, not a version")
        if version > VERSION:
            raise BadTrace(
                f"cannot read the trace: it is of version {version} and this swapd reads {VERSION}; "
                "use the swapd that recorded it, or a newer one"
            )
        self.start = self.end
        self.told |= msgspec.convert(found.get("loads", {}), dict[Name, Seconds])

    def _note(self, found: dict[str, Any]) -> None:
        if self.start is None:
            raise ValueError("no header before it")
        if "load" in found:
            load = msgspec.convert(found, _Load)
            self.seen.setdefault(load.load, []).append(load.seconds)
            return
        request = msgspec.convert(found | {"answer": _answer(found)}, Request)
        request = replace(request, arrival=self.start + request.arrival)
        self.requests.append(request)
        self.end = max(self.end, request.arrival + request.waited + request.service)

    def _skip(self, number: int, reason: str) -> None:
        if self.start is None:
            raise BadTrace(
                f"cannot read the trace: line {number} is not a header such as "
                f'{{"swapd_trace": {VERSION}}} ({reason}); set `trace: PATH` in the config to record one'
            )
        self.skipped += 1
        if len(self.why) < KEPT:
            self.why.append(f"line {number}: {reason}")


def _answer(found: dict[str, Any]) -> dict[str, Any]:
    """What the line of a request tells of the answer, under the names of today."""
    old = {"prompt": "tokens_in", "completion": "tokens_out"}
    return found | {new: found[name] for new, name in old.items() if name in found and new not in found}


def _complaint(skipped: int, why: tuple[str, ...]) -> str:
    if not skipped:
        return ""
    rest = f"; and {skipped - len(why)} more" if skipped > len(why) else ""
    return f"{skipped} line{'s' if skipped > 1 else ''} skipped: {'; '.join(why)}{rest}"


def _worded(told: Mapping[str, Any]) -> bytes:
    return (
        _encode({name: round(value, 6) if isinstance(value, float) else value for name, value in told.items()})
        + b"\n"
    )
