"""Why a model is, or is not, up, in sentences: the one place that words what the scheduler decided for people.

``of`` gathers the facts of one model, ``words`` says them. What happened and was done is worded in ``told``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import assert_never

from swapd.core.engine import State
from swapd.core.forecast import Obstacle, Outlook
from swapd.core.need import is_memory, told
from swapd.core.room import WISHED
from swapd.core.spec import Cost
from swapd.core.verdict import Stand, Verdict
from swapd.core.view import EngineView, ModelView, Resource, View

LOADING, SLOTS, YIELDS = "loading", "slots", "yields"
"""What a model's callers wait for while its engine lives: its load, a free slot, others whose turn it is."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is to be said about one model at the monotonic second ``now``."""

    about: ModelView
    now: float
    load: float | None
    """Seconds its last load took."""
    outlook: Outlook
    machine: Mapping[str, Resource]
    """What there is, where it misses anything."""
    never: str | None
    """The arithmetic, if it can never be loaded."""
    stays: float | None
    """Until when its engine stays if nobody asks; None: for ever, or it is not ready."""

    @property
    def stand(self) -> str | None:
        """What it, or who asks for it, waits for, as a word for machines; None if nothing is waited for."""
        state = self.about.engine.state if self.about.engine is not None else None
        if self.outlook.verdict is not None:
            return self.outlook.verdict.stand.value
        if state is State.STARTING:
            return LOADING
        if not self.about.waiting:
            return None
        return YIELDS if self.outlook.yields_to is not None else SLOTS


def of(view: View, model: str) -> Explanation:
    """Explain a model of the picture."""
    outlook = view.outlook(model)
    missing = outlook.verdict.short if outlook.verdict is not None else {}
    machine = view.resources() if missing else {}
    load, never = view.weight(model).load, view.never_fits(model)
    stays = view.stays_until(model)
    return Explanation(view.models[model], view.now, load, outlook, machine, never, stays)


def words(found: Explanation) -> str:
    """One sentence without its subject, the model's name: ``waits for gemma to finish 2 requests``."""
    verdict, engine = found.outlook.verdict, found.about.engine
    if found.never is not None:
        lives = f"; it {state_words(found)}" if engine is not None else ""
        return f"can never be loaded: {found.never}{lives}"
    if verdict is None or verdict.stand is Stand.RESTING:
        return state_words(found)
    if engine is not None and verdict.stand is Stand.LEAVING:
        return f"waits until its old engine is gone: {_goes(found, engine)}"
    return _waits(found, verdict)


def asked_words(found: Explanation) -> str:
    """Who wants it: ``3 requests wait``; empty if nobody does."""
    if found.about.waiting:
        return f"{several(found.about.waiting, 'request')} wait{'s' if found.about.waiting == 1 else ''}"
    return f"it is to be up: {WISHED[found.about.wish].value}" if found.about.wish is not None else ""


def state_words(found: Explanation) -> str:
    """What a model that nobody has to wait for, or that lives, is doing."""
    engine = found.about.engine
    if engine is None:
        takes = f"; a load takes {span(found.load)}" if found.load else ""
        return (
            f"{_failed(found)}; nobody asks" if found.about.failures else "is cold: nobody asks for it"
        ) + takes
    match engine.state:
        case State.STARTING if engine.found:
            return f"was found alive, and is taken over: {span(found.now - engine.since)} so far"
        case State.STARTING:
            return f"loads: {span(found.now - engine.since)} so far, {_usual(found)}"
        case State.READY:
            return _ready(found, engine)
        case State.FAILED if engine.deadline is None:
            return f"{_failed(found)}; it stays down (restart: never); `swapd load` tries at once"
        case State.BACKOFF | State.FAILED:
            left = span(max(0.0, (engine.deadline or found.now) - found.now))
            often = ", as that was too often" if engine.state is State.FAILED else ""
            return f"{_failed(found)}; it rests for another {left}{often}; `swapd load` tries at once"
        case _:
            return f"goes: {_goes(found, engine)}"


def _usual(found: Explanation) -> str:
    """What a load is held against."""
    if not found.load:
        return "how long it takes is not known yet"
    last = f"the last load took {span(found.load)}"
    return f"longer than usual ({last})" if found.outlook.late else last


def _failed(found: Explanation) -> str:
    """``failed 3 times, last 6 s ago: exited with code 1 (the file is cut short)``."""
    failure = found.about.failure
    if failure is None:
        return "failed"
    times = "once," if found.about.failures == 1 else f"{found.about.failures} times, last"
    hint = f" ({failure.exit.hint})" if failure.exit.hint else ""
    end = str(failure.exit).partition("\n")[0]
    return f"failed {times} {span(found.now - failure.at)} ago: {end}{hint}"


def _goes(found: Explanation, engine: EngineView) -> str:
    """What its own engine, on its way out, still does."""
    most = max(0.0, engine.deadline - found.now) if engine.deadline is not None else None
    usual = None if found.outlook.late else 0.0
    return _leaves(Obstacle(engine.run.model, engine.state, engine.leases, engine.since, usual, most), found.now)


def _ready(found: Explanation, engine: EngineView) -> str:
    slots = found.about.spec.terms.concurrency
    if found.outlook.yields_to is not None:
        return f"gives way to {found.outlook.yields_to}: it serves those whose turn it is, then goes"
    if engine.leases:
        busy = f"is ready: {several(engine.leases, 'request')} on {several(slots, 'slot')}"
        return busy + (f", {found.about.waiting} wait for one" if found.about.waiting else "")
    if found.about.pinned:
        return f"is ready and idle, and pinned{' by the operator' if found.about.pinning else ''}: it stays"
    if found.stays is None and found.about.spec.remote:
        return "is ready and idle, and takes no room here: swapd goes on looking after it"
    if found.stays is None:
        return "is ready and idle, and stays until others need its room"
    left = max(0.0, found.stays - found.now)
    return f"is ready and idle, and stays for another {span(left)} unless others need its room (ttl)"


def _waits(found: Explanation, verdict: Verdict) -> str:
    obstacles = found.outlook.obstacles
    match verdict.stand:
        case Stand.WEIGHING:
            return "waits until it is known what it needs"
        case Stand.ROOM_COMING | Stand.LEAVING:
            return _room_coming(obstacles, found.now)
        case Stand.HELD:
            theirs = "they were" if len(obstacles) > 1 else "it was"
            go = "go" if len(obstacles) > 1 else "goes"
            return f"is next: {_names(obstacles)} finishes the requests {theirs} loaded for, then {go}"
        case Stand.OTHERS_LINGER:
            left = max((obstacle.goes or 0.0 for obstacle in obstacles), default=0.0)
            return (
                f"waits: {_names(obstacles)} is kept for a client expected back, for another {span(left)} at most"
            )
        case Stand.OTHERS_BUSY:
            return f"waits for {_busy(obstacles)}; {_patience(found.outlook.patience)}"
        case Stand.STRANGERS:
            return f"waits: {_missing(verdict.short, found.machine)}"
        case Stand.BEHIND:
            short = f" ({_missing(verdict.short, found.machine)})" if verdict.short else ""
            return f"waits for others whose turn is sooner{short}"
        case Stand.RESTING:
            return "rests"
        case _:
            assert_never(verdict.stand)


def _room_coming(obstacles: tuple[Obstacle, ...], now: float) -> str:
    if not obstacles:
        return "waits for its room, which is on its way"
    last = max(obstacles, key=lambda obstacle: inf if obstacle.goes is None else obstacle.goes)
    if last.state is None:
        return f"waits until the memory of {last.model} is seen free: {span(now - last.since)} since it is gone"
    return f"waits until {_names(obstacles)} is gone: {_leaves(last, now)}"


def _leaves(going: Obstacle, now: float) -> str:
    """What an engine on its way out still does."""
    if going.state is State.DRAINING:
        late = f", {span(now - going.since)} so far, longer than usual" if going.goes is None else ""
        most = f", at most {span(going.most)} more" if going.most is not None else ""
        return f"it finishes {several(going.leases, 'request')}{late}{most}"
    if going.state is State.KILLING:
        return f"{span(now - going.since)} since it was killed"
    return f"{span(now - going.since)} since it was told to stop"


def _busy(obstacles: tuple[Obstacle, ...]) -> str:
    """``gemma to finish 2 requests and embed to finish its load``."""
    if not obstacles:
        return "others"
    each = []
    for obstacle in obstacles:
        work = several(obstacle.leases, "request") if obstacle.leases else "what it was loaded for"
        each.append(f"{obstacle.model} to finish {'its load' if obstacle.state is State.STARTING else work}")
    return " and ".join(each)


def _patience(left: float | None) -> str:
    if not left:
        return "nobody gets past it any more"
    return f"it may be overtaken for another {span(left)}, then nobody gets past it"


def _missing(short: Cost, machine: Mapping[str, Resource]) -> str:
    """The arithmetic: ``9.1 GiB of CUDA0 are missing: other programs hold 8.0 GiB``."""
    if lost := [name for name in short if name in machine and machine[name].lost]:
        return f"{' and '.join(lost)} cannot be read any more: the device is gone"
    lacks = " and ".join(f"{told(name, much)} of {name}" for name, much in short.items()) or "room"
    strangers = {name: machine[name].strangers for name in short if name in machine and machine[name].strangers}
    many = len(strangers) > 1
    held = " and ".join(told(name, much) + (f" of {name}" if many else "") for name, much in strangers.items())
    plural = "are" if any(is_memory(name) or much > 1 for name, much in short.items()) else "is"
    return f"{lacks} {plural} missing" + (f": other programs hold {held}" if held else "")


def _names(obstacles: tuple[Obstacle, ...]) -> str:
    return " and ".join(obstacle.model for obstacle in obstacles) or "another engine"


def span(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min``."""
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def several(count: int, thing: str) -> str:
    """``1 request``, ``3 requests``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
