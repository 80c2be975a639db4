"""What happened and was decided, told once: the same sentence for the log and for ``/admin/events``.

``Story`` hears each event with its orders and remembers the little that a sentence needs: when a run began, who
made room for whom, who waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from swapd.core import explain
from swapd.core.commands import (
    Adopt,
    Cause,
    Command,
    Grant,
    Kill,
    Note,
    Refuse,
    Revoke,
    Spawn,
    Terminate,
    Why,
    at_once,
)
from swapd.core.engine import RunId
from swapd.core.events import (
    Asked,
    CatalogChanged,
    EngineExited,
    EngineReady,
    EngineShort,
    Event,
    Left,
    LoadWished,
    PinWished,
    Ticket,
    UnloadWished,
    Weighed,
)
from swapd.core.need import told
from swapd.core.refusal import Exit
from swapd.core.spec import Catalog

AT_ONCE = 10.0
"""Seconds after an engine is gone within which its heir begins, if it does: memory must be seen free first."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line. ``level``: debug, info or warning. ``more``: lines that belong below it, of an engine's own."""

    type: str
    text: str
    model: str | None = None
    run: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    """Its particulars: JSON values."""
    level: str = "info"
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """Told of a lease. There is one for each request, so its words are only made for who reads them."""

    type: ClassVar = "grant"
    level: ClassVar = "debug"
    more: ClassVar = ()
    grant: Grant
    client: str

    @property
    def text(self) -> str:
        """As Told has it; so the others."""
        return f"grant ticket {self.grant.ticket} a lease on {self.grant.run} after {self.grant.queued:.3f} s"

    @property
    def model(self) -> str:
        """The run's."""
        return self.grant.run.model

    @property
    def run(self) -> int:
        """Its number."""
        return self.grant.run.n

    @property
    def data(self) -> Mapping[str, Any]:
        """Seconds are rounded."""
        queued, loaded = round(self.grant.queued, 3), round(self.grant.loaded, 3)
        return {"ticket": self.grant.ticket, "client": self.client, "queued": queued, "loaded": loaded}


News = Told | Granted


@dataclass(slots=True)
class Departure:
    """An engine that makes room: for which model; when it began to drain, was told to stop, was gone."""

    run: RunId
    heir: str
    drain: float
    stop: float | None = None
    gone: float | None = None


@dataclass(frozen=True, slots=True)
class _Load:
    """From when to when a run was loaded, and for how many seconds of that it listened, if anybody looked."""

    began: float
    ended: float
    listened: float | None

    @property
    def parts(self) -> dict[str, float]:
        """Seconds until it listened, where that is known, and until it was ready from there."""
        whole = self.ended - self.began
        if self.listened is None:
            return {"load": whole}
        load = min(self.listened, whole)
        return {"spawn": whole - load, "load": load}


@dataclass(slots=True)
class Story:
    """Tells what it hears. Times are monotonic seconds."""

    _began: dict[RunId, tuple[float, Why]] = field(default_factory=dict)
    _stopped: set[RunId] = field(default_factory=set)
    _departures: dict[str, Departure] = field(default_factory=dict)
    """By the model that went: so there are never more of them than models."""
    _waiting: dict[Ticket, tuple[str, str, float]] = field(default_factory=dict)
    """Ticket -> model, client, and since when."""
    _catalog: Catalog = field(default_factory=Catalog)

    def hear(self, event: Event, commands: Sequence[Command], now: float) -> Sequence[News]:
        """What happened, then what was decided."""
        if not commands and isinstance(event, Left):
            self._waiting.pop(event.ticket, None)
            return ()
        if (grant := at_once(event, commands)) is not None and isinstance(event, Asked):
            return (Granted(grant, event.client),)  # there is no wait to remember
        return [
            *self._happened(event, now),
            *(told for command in commands for told in self._decided(command, now)),
        ]

    # -- what happened ---------------------------------------------------------------------------------

    def _happened(self, event: Event, now: float) -> Iterator[Told]:
        match event:
            case Asked(ticket, name, client):
                found = self._catalog.resolve(name)
                self._waiting[ticket] = (found[0].name if found else name, client, now)
            case Left(ticket):
                self._waiting.pop(ticket, None)
            case EngineReady(run):
                yield from self._ready(event, run, now)
            case EngineExited(run, end):
                yield self._exited(run, end, now)
            case EngineShort(run, what):
                text = f"{run} loaded less than was asked for: {what}"
                yield Told("short", text, run.model, run.n, {"what": what}, "warning")
            case LoadWished(model) | UnloadWished(model):
                verb = "load" if isinstance(event, LoadWished) else "unload"
                haste = " now" if isinstance(event, UnloadWished) and event.now else ""
                yield Told(verb, f"the operator wants to {verb} {model}{haste}", model)
            case PinWished(model, pinned):
                verb = "pin" if pinned else "unpin"
                yield Told(verb, f"the operator wants to {verb} {model}", model)
            case CatalogChanged(catalog):
                self._catalog = catalog
            case Weighed():
                yield _weighed(event)
            case _:
                pass

    def _ready(self, event: EngineReady, run: RunId, now: float) -> Iterator[Told]:
        began, why = self._began.get(run, (None, None))
        if began is None or why is None:
            return
        load, found = now - began, why.cause is Cause.FOUND
        text = f"{run} is ready at {event.endpoint} after {load:.2f} s"
        if found:
            text = f"{run}, found alive, is taken over: it answers at {event.endpoint} after {load:.2f} s"
        data = {"load": round(load, 3), "endpoint": str(event.endpoint), "found": found}
        yield Told("ready", text, run.model, run.n, data)
        made_room = [d for d in self._departures.values() if d.heir == run.model and d.gone is not None]
        for departure in made_room:
            del self._departures[departure.run.model]
        gone = [d for d in made_room if d.gone is not None and 0 <= began - d.gone <= AT_ONCE]
        if gone:
            yield self._swap(run, gone, _Load(began, now, event.listened), why)

    def _swap(self, run: RunId, gone: Sequence[Departure], load: _Load, why: Why) -> Told:
        """What a swap cost: times of its parts, and the waits of those it was made for."""
        began, now = load.began, load.ended
        waits = [(client, now - since) for model, client, since in self._waiting.values() if model == run.model]
        parts = {
            "drain": max((d.stop or d.drain) - d.drain for d in gone),
            "stop": max((d.gone or began) - (d.stop or d.drain) for d in gone),
            "freed": min(began - (d.gone or began) for d in gone),
            **load.parts,
        }
        total = now - min(d.drain for d in gone)
        names = ", ".join(d.run.model for d in gone)
        cost = ", ".join(f"{part} {seconds:.1f}" for part, seconds in parts.items())
        longest = max((wait for _, wait in waits), default=0.0)
        who = (
            f"{explain.several(len(waits), 'request')} waited up to {explain.span(longest)}" if waits else str(why)
        )
        data = {
            "evicted": [str(d.run) for d in gone],
            "why": str(why),
            "cause": why.cause.name.lower(),
            "seconds": {"total": round(total, 3)} | {part: round(seconds, 3) for part, seconds in parts.items()},
            "waited": {"requests": len(waits), "longest": round(longest, 3)},
            "clients": sorted({client for client, _ in waits if client}),
        }
        text = f"swap {names} -> {run.model} took {total:.1f} s ({cost}), {who}"
        return Told("swap", text, run.model, run.n, data)

    def _exited(self, run: RunId, end: Exit, now: float) -> Told:
        self._began.pop(run, None)
        for departure in list(self._departures.values()):
            if departure.run == run:
                departure.gone = now
            elif departure.heir == run.model and departure.gone is not None:
                del self._departures[departure.run.model]  # the heir died before it was ready: no swap came of it
        data = {"exit": end.code, "signal": end.signal, "reason": str(end), "hint": end.hint}
        if run in self._stopped:
            self._stopped.discard(run)
            return Told("gone", f"{run} is gone: {end}", run.model, run.n, data)
        return Told("failed", f"{run} failed: {end}", run.model, run.n, data, "warning", end.log)

    # -- what was decided ------------------------------------------------------------------------------

    def _decided(self, command: Command, now: float) -> Iterator[News]:
        match command:
            case Spawn(run, _, why, way) | Adopt(run, _, why, way):
                self._began[run] = (now, why)
                data = _why(why) | {"needs": dict(way.cost), "devices": list(way.devices)}
                kind, verb = ("start", "start") if isinstance(command, Spawn) else ("adopt", "take over")
                yield Told(kind, f"{verb} {run}: {why}", run.model, run.n, data)
            case Terminate(run, _, why):
                self._stopped.add(run)
                self._leaves(run, why, now)
                yield Told("stop", f"stop {run}: {why}", run.model, run.n, _why(why))
            case Kill(run):
                yield Told("kill", f"kill {run}: it did not stop in time", run.model, run.n, level="warning")
            case Note(run, why):
                yield self._noted(run, why, now)
            case Revoke(ticket, run):
                text = f"cut ticket {ticket} off from {run}"
                yield Told("cut", text, run.model, run.n, {"ticket": ticket}, "warning")
            case Refuse(ticket, refusal):
                _, client, _ = self._waiting.pop(ticket, ("", "", 0.0))
                text = f"refuse ticket {ticket}: {str(refusal).partition(chr(10))[0]}"
                data = {"ticket": ticket, "client": client, "reason": refusal.reason.name.lower()}
                yield Told("refuse", text, refusal.model, None, data)
            case Grant(ticket):
                _, client, _ = self._waiting.pop(ticket, ("", "", 0.0))
                yield Granted(command, client)

    def _noted(self, run: RunId, why: Why, now: float) -> Told:
        if why.cause is Cause.UNSEEN:
            return Told("unseen", f"{run} is gone: {why}", run.model, run.n, _why(why), "warning")
        self._leaves(run, why, now)
        return Told("drain", f"drain {run}: {why}", run.model, run.n, _why(why))

    def _leaves(self, run: RunId, why: Why, now: float) -> None:
        """It begins to drain, or is told to stop, to make room for another."""
        departure = self._departures.get(run.model)
        if why.cause is Cause.EVICTED and why.model is not None:
            departure = self._departures[run.model] = Departure(run, why.model, now)
        if departure is not None and departure.run == run and run in self._stopped:
            departure.stop = now


def _why(why: Why) -> dict[str, Any]:
    return {"cause": why.cause.name.lower(), "for": why.model, "detail": why.detail}


def _weighed(event: Weighed) -> Told:
    need = event.need
    ways = [{"needs": dict(way.cost), "devices": list(way.devices)} for way in need.ways]
    if need.ways:
        takes = ", ".join(f"{told(n, a)} of {n}" for n, a in need.ways[0].cost.items())
        text = f"{event.model} needs {takes or 'nothing'}, {need.source.value}"
    else:
        text = f"what {event.model} needs is not known yet" + (f": {need.detail}" if need.detail else "")
    data = {"source": need.source.name.lower(), "detail": need.detail, "ways": ways}
    return Told("weighed", text, event.model, None, data, "debug")
