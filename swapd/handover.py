"""What a daemon hands on to itself when it executes its program anew: descriptors, and a little of what it knows.

A memfd carries the list; its number is in the environment. Everything else is found again as after a crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterable, MutableMapping, Sequence

import msgspec

from swapd.core.settings import Address

log = logging.getLogger("swapd")
VARIABLE = "SWAPD_HANDOVER"
VERSION = 1
AT_ONCE = 200
"""Descriptors in one message; the kernel takes 253 (SCM_MAX_FD of unix(7))."""
MOST_BYTES = 1 << 20
"""Of the list of them; thousands of connections are some 20 KB."""


class Handover(msgspec.Struct, frozen=True):
    """Descriptors by their numbers. An older swapd may have written it: whatever is added needs a default.

    ``total``: bytes that the machine has of each memory, as measured.
    """

    pid: int
    listening: tuple[int, ...]
    connections: tuple[int, ...] = ()
    lock: int | None = None
    watchdog: tuple[int, int] | None = None
    """The pid of the process that waits for our end, and our end of its pipe."""
    total: dict[str, int] = {}
    execs: int = 0
    """How often the daemon has executed itself so far."""
    own: bool = True
    """Whether the files of listening Unix sockets are the daemon's own, and not systemd's."""
    state: str = ""
    """The state folder: another one takes effect when the daemon is restarted."""
    listen: tuple[Address, ...] = ()
    """What the sockets were opened for, as the config said it: another takes effect likewise."""
    pins: dict[str, bool] = {}
    """The operator's word on which models are pinned, where it is not the config's."""
    version: int = VERSION

    def sockets(self) -> list[socket.socket]:
        """Those that listen."""
        return [socket.socket(fileno=fd) for fd in self.listening]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that are handed on."""
        singles = [fd for fd in (self.lock, self.watchdog and self.watchdog[1]) if fd is not None]
        return (*self.listening, *self.connections, *singles)


def send(channel: socket.socket, handover: Handover) -> None:
    """Give the descriptors to the process at the other end; ours stay open. Raises OSError."""
    fds = handover.descriptors
    channel.send(msgspec.json.encode(handover))
    for first in range(0, len(fds), AT_ONCE):
        socket.send_fds(channel, [b"fds"], fds[first : first + AT_ONCE])


def receive(channel: socket.socket) -> Handover | None:
    """What the process at the other end has sent; None if it went instead. Raises OSError."""
    told = channel.recv(MOST_BYTES)
    if not told:
        return None
    handover = msgspec.json.decode(told, type=Handover)
    fds: list[int] = []
    while len(fds) < len(handover.descriptors):
        word, more, _, _ = socket.recv_fds(channel, 16, AT_ONCE)
        if not word:
            return None
        fds += more
    _keep(fds)
    return _renumbered(handover, fds)


def _renumbered(handover: Handover, fds: Sequence[int]) -> Handover:
    """The same descriptors have other numbers here."""
    number = dict(zip(handover.descriptors, fds, strict=True))
    return msgspec.structs.replace(
        handover,
        listening=tuple(number[fd] for fd in handover.listening),
        connections=tuple(number[fd] for fd in handover.connections),
        lock=None if handover.lock is None else number[handover.lock],
        watchdog=handover.watchdog and (handover.watchdog[0], number[handover.watchdog[1]]),
    )


def merged(inherited: Handover, back: Handover) -> Handover:
    """What was handed back by a process that had all but the connections from us: we kept the rest."""
    for fd in set(back.descriptors) - set(back.connections):
        os.close(fd)
    kept = (inherited.listening, inherited.lock, inherited.watchdog)
    return msgspec.structs.replace(back, listening=kept[0], lock=kept[1], watchdog=kept[2])


def give(handover: Handover, environ: MutableMapping[str, str]) -> None:
    """Make the descriptors inheritable, and name the list in the environment. Raises OSError."""
    list_fd = os.memfd_create("swapd-handover", 0)
    os.write(list_fd, msgspec.json.encode(handover))
    for fd in handover.descriptors:
        os.set_inheritable(fd, True)
    environ[VARIABLE] = str(list_fd)


def take_back(handover: Handover, environ: MutableMapping[str, str]) -> None:
    """It came to nothing: the descriptors stay ours alone."""
    _keep(handover.descriptors)
    if (told := environ.pop(VARIABLE, None)) is not None:
        os.close(int(told))


def take(environ: MutableMapping[str, str]) -> Handover | None:
    """What the process was before has handed on; None if it was nobody, or said it to somebody else."""
    told = environ.pop(VARIABLE, None)
    if told is None:
        return None
    try:
        with os.fdopen(int(told), "rb") as file:
            file.seek(0)
            handover = msgspec.json.decode(file.read(), type=Handover)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        log.warning("cannot understand what was handed over: %s; beginning as if nothing had been", error)
        return None
    _keep(handover.descriptors)
    return handover if (handover.pid, handover.version) == (os.getpid(), VERSION) else None


def _keep(fds: Iterable[int]) -> None:
    """No engine inherits them."""
    for fd in fds:
        with contextlib.suppress(OSError):  # of a list that is not meant for us
            os.set_inheritable(fd, False)
