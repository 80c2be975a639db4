"""Loopback ports for engines, from a range below the one the kernel takes for outgoing connections."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from swapd.engines.resolve import LOOPBACK

RANGE = range(9300, 10300)
STRIDE = 10


class NoPort(Exception):
    """Every port of the range is taken."""


class Ports:
    """Hands each port out once until it is given back, in turn, so that a number is not reused at once.

    A port is free from the test here until the engine binds it: two daemons that walk the same range in step
    would get into each other's way, so each begins at a place of its own.
    """

    def __init__(self, numbers: Sequence[int] = RANGE, start: int | None = None) -> None:
        self._all = numbers
        self._turn = (os.getpid() * STRIDE if start is None else start) % len(numbers)
        self._taken: set[int] = set()

    def take(self) -> int:
        """A port that nobody listens on now. Raises NoPort."""
        for _ in self._all:
            port = self._all[self._turn]
            self._turn = (self._turn + 1) % len(self._all)
            if port not in self._taken and _is_free(port):
                self._taken.add(port)
                return port
        raise NoPort(f"cannot find a free port between {self._all[0]} and {self._all[-1]}")

    def claim(self, port: int) -> None:
        """Somebody listens there already, or soon."""
        self._taken.add(port)

    def give_back(self, port: int) -> None:
        """The engine is gone."""
        self._taken.discard(port)


def _is_free(port: int) -> bool:
    """Whether an engine could listen there: on loopback, and on all addresses as ``0.0.0.0`` would."""
    for host in (LOOPBACK, "0.0.0.0"):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
            except OSError:
                return False
    return True
