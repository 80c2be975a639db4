"""The only place that decides. Re-levels the whole book after every event; it never reacts edge by edge."""

from __future__ import annotations

from swapd.core import policy
from swapd.core.book import Engine, Wish
from swapd.core.commands import Cause, Why
from swapd.core.engine import State
from swapd.core.moves import Moves
from swapd.core.refusal import Reason, Refusal
from swapd.core.room import Room

ASK_AGAIN = 60.0
"""Seconds after which to ask again for what only the operator can bring back."""


def settle(m: Moves) -> None:
    """Bring the book from what is to what should be, as far as orders can."""
    if m.book.closing:
        _wind_down(m)
        return
    if not m.book.suited:
        _let_go(m)
    groups = m.book.groups()
    _end_drains(m, groups.leaving)
    _refuse_resting(m, groups.resting)
    _wish_pinned(m)
    _retire(m, groups.ready)
    while _grant(m, Room(m).make()):
        pass  # a grant begins its lane's patience anew: who stood behind it may be next already


def _let_go(m: Moves) -> None:
    """Engines whose model is gone from the config, or whose launch is not the config's any more."""
    for engine in list(m.book.engines.values()):
        spec = m.book.catalog.models.get(engine.run.model)
        if engine.leaving or (spec is not None and spec.launch == engine.spec.launch):
            continue
        m.drain(engine, Why(Cause.REMOVED if spec is None else Cause.RELAUNCH))
    m.book.suited = True


def _end_drains(m: Moves, leaving: list[Engine]) -> None:
    for engine in leaving:
        if engine.state is State.DRAINING and not engine.leases:
            m.stop(engine, Why(Cause.DRAINED))


def _refuse_resting(m: Moves, resting: list[Engine]) -> None:
    """Nobody waits for a model that rests after failures, but for the short rest after a first crash."""
    for engine in resting:
        name = engine.run.model
        if not m.book.queue.count(name):
            continue
        crashed_once = engine.was_up and m.book.recall(name).failures == 1
        if engine.state is State.BACKOFF and crashed_once:
            continue
        refusal = _at_rest(m, engine)
        for waiting in m.book.queue.of(name):
            m.refuse(waiting.ticket, refusal)


def _at_rest(m: Moves, engine: Engine) -> Refusal:
    """Why nobody can have an engine that rests, and when to ask again."""
    name, history, until = engine.run.model, m.book.recall(engine.run.model), engine.phase.deadline
    assert history.last is not None
    times = "" if history.failures == 1 else f" {history.failures} times in a row"
    detail = f"its engine failed{times}, {m.now - engine.phase.since:.0f} s ago; "
    if until is None:
        detail += "it stays down until the operator loads it (restart: never)"
        return Refusal(Reason.UNAVAILABLE, name, history.last.exit, ASK_AGAIN, detail)
    rest = max(0.0, until - m.now)
    detail += f"next try in {rest:.0f} s"
    return Refusal(Reason.UNAVAILABLE, name, history.last.exit, max(rest, 1.0), detail)


def _wish_pinned(m: Moves) -> None:
    for name in m.book.pins:
        if m.book.pinned(name) and name not in m.book.engines:
            m.book.wishes.setdefault(name, (Wish.PINNED, m.now))


def _grant(m: Moves, held: dict[str, policy.Hold]) -> bool:
    """Give the ready engines' free slots away; whether any was given."""
    before = len(m.commands)
    for name, engine in m.book.engines.items():
        slots = engine.spec.terms.concurrency - len(engine.leases)
        if slots > 0 and engine.phase.state is State.READY and m.book.queue.count(name):
            for waiting in policy.turns(m.book, engine, held.get(name), m.now)[:slots]:
                m.grant(waiting, engine)
    return len(m.commands) > before


def _retire(m: Moves, ready: list[Engine]) -> None:
    """Idle past the ttl. A pinned one stays."""
    for engine in ready:
        if not engine.leases:
            ends = expires(engine, m.book.pinned(engine.run.model))
            if ends is not None and ends <= m.now and not m.book.queue.count(engine.run.model):
                m.stop(engine, Why(Cause.TTL))


def expires(engine: Engine, pinned: bool) -> float | None:
    """When an idle engine's ttl is over; None if it is busy, pinned or stays for ever."""
    ttl = engine.spec.terms.stay.ttl
    if engine.state is not State.READY or engine.leases or pinned or ttl is None:
        return None
    return engine.idle_since + ttl


def _wind_down(m: Moves) -> None:
    for name in m.book.queue.models():
        m.refuse_all(name, Reason.CLOSING)
    for engine in list(m.book.engines.values()):
        if engine.state is State.DRAINING and not engine.leases:
            m.stop(engine, Why(Cause.CLOSING))
        elif not engine.leaving:
            m.drain(engine, Why(Cause.CLOSING))
