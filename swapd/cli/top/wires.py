"""Keys and signals. Whoever calls back only leaves an errand, so that what it raises is the session's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from swapd.cli.top.keys import Keys

Errand = Callable[[], None]
ESC = 0.05
"""Seconds after which an ESC was the Esc key."""
AT_ONCE = 4096
"""Bytes of keys."""


class Wires:
    """``press`` gets the keys that come from ``source``; ``stirred`` is set when there is something to do."""

    def __init__(self, source: int, press: Callable[[str], None], stirred: asyncio.Event) -> None:
        self._source = source
        self._press = press
        self._stirred = stirred
        self._keys = Keys()
        self._errands: deque[Errand] = deque()

    @property
    def waiting(self) -> bool:
        """Whether there is an errand."""
        return bool(self._errands)

    def next(self) -> Errand | None:
        """The oldest one."""
        return self._errands.popleft() if self._errands else None

    @contextlib.contextmanager
    def connected(self, handlers: Mapping[signal.Signals, Errand]) -> Iterator[None]:
        """While the block runs. Who hangs up instead of pressing keys is heard as SIGHUP."""
        loop = asyncio.get_running_loop()
        for number, errand in handlers.items():
            loop.add_signal_handler(number, self._leave, errand)
        loop.add_reader(self._source, self._read, handlers[signal.SIGHUP])
        try:
            yield
        finally:
            loop.remove_reader(self._source)
            for number in handlers:
                loop.remove_signal_handler(number)

    def _leave(self, errand: Errand) -> None:
        self._errands.append(errand)
        self._stirred.set()

    def _read(self, gone: Errand) -> None:
        loop = asyncio.get_running_loop()
        try:
            data = os.read(self._source, AT_ONCE)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(self._source)
            self._leave(gone)
        self._pass_on(self._keys.read(data))
        if self._keys.waits:
            loop.call_later(ESC, self._flush)

    def _flush(self) -> None:
        self._pass_on(self._keys.flush())

    def _pass_on(self, keys: list[str]) -> None:
        for key in keys:
            self._leave(partial(self._press, key))
