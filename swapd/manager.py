"""What the service manager is told while we live: what we are doing, that we are well, and when we go.

All of it is sd_notify(3), to systemd or to whoever set ``$NOTIFY_SOCKET``. Where nobody did, nothing is done: no
ear hears the desk, no timer runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from swapd.core.commands import Command
from swapd.core.engine import State
from swapd.core.events import Event, MachineRead, Ticked
from swapd.core.text import one_line
from swapd.core.view import View

Ear = Callable[[Event, Sequence[Command]], None]
SPACING = 1.0
"""Seconds between two words about what we are doing, at least."""
RENEWAL = 5.0
"""Seconds between two wishes for more time to stop."""
EXTENSION = 20.0
"""Seconds that each of them asks for. A daemon that is stuck asks no more, and is killed within so long."""
_DOING = {
    State.STARTING: "loading",
    State.DRAINING: "draining",
    State.SAVING: "saving",
    State.STOPPING: "stopping",
    State.KILLING: "being killed",
    State.BACKOFF: "failed, tried again soon",
    State.FAILED: "failed",
}
_NAMED = 3
"""So many models are called by their names in a status; the others are counted."""


class Notify(Protocol):
    """``systemd.notify``."""

    def __call__(self, environ: Mapping[str, str], *facts: str) -> None:
        """Tell the facts to whom ``environ`` names, if anybody."""


class Desk(Protocol):
    """What the manager needs of the desk."""

    def post(self, event: Event) -> None:
        """Tell a fact."""

    def view(self) -> View:
        """The book as it is."""


class Manager:
    """Speaks for one daemon. Begins with ``ready``, ends with ``close``; ``ears`` go to the desk."""

    def __init__(self, environ: Mapping[str, str], notify: Notify) -> None:
        self._notify = partial(notify, environ)
        self._anybody = bool(environ.get("NOTIFY_SOCKET"))
        self._watchdog = watchdog(environ)
        self._desk: Desk | None = None
        self._where = ""
        self._told = ""
        self._heard = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def ears(self) -> list[Ear]:
        """To be added to the desk's; none where nobody is to be told."""
        return [self._hear] if self._anybody else []

    def ready(self, desk: Desk, urls: Sequence[str]) -> None:
        """The doors are open. From now on the status is kept, and the watchdog is fed."""
        self._desk, self._where = desk, f"on {', '.join(urls)}"
        self._tell("READY=1")
        if self._watchdog is not None:
            self._feed(self._watchdog)

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """While the config is read again. Its end is told, whatever came of it."""
        # sd_notify(3): the stamp must be in the same datagram.
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._tell("READY=1")

    def stopping(self) -> None:
        """The end has begun: from now on more time is asked for, again and again, until ``close``."""
        self._where = "shutting down"
        self._tell("STOPPING=1")
        if self._anybody:
            self._extend()

    def close(self) -> None:
        """Say nothing any more."""
        self._desk = None
        for timer in self._timers.values():
            timer.cancel()

    def _hear(self, event: Event, commands: Sequence[Command]) -> None:
        """An ear of the desk: hears only what was handled."""
        self._heard = True
        if "status" not in self._timers and not isinstance(event, MachineRead | Ticked) and self._desk is not None:
            self._later("status", SPACING, self._renew)

    def _renew(self) -> None:
        del self._timers["status"]
        if self._desk is not None and status(self._where, self._desk.view()) != self._told:
            self._tell()

    def _tell(self, *facts: str) -> None:
        """The facts, and what we are doing."""
        if self._desk is not None and self._anybody:
            self._told = status(self._where, self._desk.view())
            self._notify(*facts, f"STATUS={self._told}")

    def _feed(self, every: float) -> None:
        """Show that the desk still decides: an event goes all the way through it, then the watchdog is told.

        So a loop that is stuck, and a desk that can handle nothing any more, end in a restart.
        """
        self._heard = False
        if self._desk is not None:
            self._desk.post(Ticked())
        if self._heard:
            self._notify("WATCHDOG=1")
        self._later("watchdog", every, lambda: self._feed(every))

    def _extend(self) -> None:
        self._notify(f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}")
        self._later("extend", RENEWAL, self._extend)

    def _later(self, name: str, seconds: float, do: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, do)


def watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds between two signs of life: half of what is allowed. None where no one waits for them.

    sd_watchdog_enabled(3): the variables count only for the process that they name.
    """
    allowed, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if not allowed.isdecimal() or int(allowed) == 0 or pid not in {None, str(os.getpid())}:
        return None
    return int(allowed) / 1e6 / 2


def status(where: str, view: View) -> str:
    """One line: ``on http://127.0.0.1:9292: 2 engines ready, qwen loading; 3 wait``."""
    states: dict[State, list[str]] = {}
    engines = [*(m.engine for m in view.models.values() if m.engine is not None), *view.leftovers]
    for engine in engines:
        states.setdefault(engine.state, []).append(engine.run.model)
    ready = len(states.get(State.READY, ()))
    told = [f"{ready} engine{'s' if ready > 1 else ''} ready" if ready else "no engine ready"]
    told += [f"{_names(states[state])} {doing}" for state, doing in _DOING.items() if state in states]
    waiting = sum(model.waiting for model in view.models.values())
    leases = sum(engine.leases for engine in engines)
    rest = [f"{leases} served" if leases else "", f"{waiting} wait" if waiting else ""]
    return one_line("; ".join([f"{where}: {', '.join(told)}", *filter(None, rest)]))


def _names(models: Sequence[str]) -> str:
    more = len(models) - _NAMED
    return ", ".join(models[:_NAMED]) + (f" and {more} more" if more > 0 else "")
