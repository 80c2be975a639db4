"""A stand-in serves while the daemon executes its program anew, so that nobody waits until modules are read.

It is the new program, in a process of its own: that it comes up is also the best proof that the daemon may become
it. What it is handed, by a socket of pairs, are the descriptors of a ``handover``; and it hands them back when the
daemon is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence

import msgspec

from swapd import handover
from swapd.engines.ask import begin
from swapd.handover import Handover

log = logging.getLogger("swapd")
STANDS_IN = "SWAPD_STANDS_IN"
"""For the stand-in: the descriptor of its channel."""
RELIEVES = "SWAPD_RELIEVES"
"""For the daemon that comes back: the channel's descriptor, and the stand-in's pid."""
READY, BACK = b"ready", b"back"
COMING = 60.0
"""Seconds for a stand-in to come up."""
LONGEST = 600.0
"""Seconds for it to hand back: those whom it serves may finish within their drain."""
LOOK = 2.0
"""Seconds between two signs of life that the daemon gives while it waits."""
_NOT_FOR_IT = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", handover.VARIABLE)


class StandIn:
    """One that is up, and waits to be handed what there is."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self._channel = channel
        self._pid = pid

    @classmethod
    async def called(cls, argv: Sequence[str], environ: Mapping[str, str]) -> StandIn:
        """Start it, and wait until it is ready. Raises OSError, within COMING."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            kept = {name: value for name, value in environ.items() if name not in _NOT_FOR_IT}
            kept[STANDS_IN] = str(theirs.fileno())
            try:
                stand_in = cls(ours, begin(argv, kept, theirs.fileno()))
            except BaseException:
                ours.close()
                raise
        try:
            await stand_in._ready()
        except BaseException:
            stand_in.dismiss()
            raise
        return stand_in

    async def _ready(self) -> None:
        """Raises OSError."""
        self._channel.setblocking(False)
        try:
            async with asyncio.timeout(COMING):
                word = await asyncio.get_running_loop().sock_recv(self._channel, 64)
        except TimeoutError:
            raise OSError(f"the new swapd does not come up within {COMING:g} s; see the daemon's log") from None
        if word != READY:
            raise OSError("the new swapd does not come up; the daemon's log shows what it said")
        self._channel.setblocking(True)

    def give(self, left: Handover, environ: MutableMapping[str, str]) -> None:
        """From now on it serves; ``environ`` is told who. Raises OSError."""
        handover.send(self._channel, left)
        self._channel.set_inheritable(True)
        environ[RELIEVES] = f"{self._channel.fileno()} {self._pid}"

    def take_back(self, environ: MutableMapping[str, str]) -> None:
        """It came to nothing."""
        environ.pop(RELIEVES, None)
        self.dismiss()

    def dismiss(self) -> None:
        """It is not needed. Blocks for a ms. Harmless twice."""
        if self._channel.fileno() < 0:
            return
        self._channel.close()
        _reap(self._pid, kill=True)


class Channel:
    """The stand-in's end. The daemon it stands in for says when it is back; or says nothing any more."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)

    def wait(self) -> Handover:
        """Say that we are up; what we are handed then. Raises SystemExit if we are not needed.

        Blocks for as long as the daemon lives and waits for a good moment; its end is heard here at once.
        """
        self._socket.send(READY)
        left = handover.receive(self._socket)
        if left is None:
            raise SystemExit(0)
        return left

    def on_word(self, add_reader: Callable[[int, Callable[[], None]], object], back: Callable[[], None]) -> None:
        """Hear of the daemon by the loop: ``back`` is called once, when it is there again.

        If it is gone for good we go as it went: the engines stay, for whoever comes.
        """

        def readable() -> None:
            if self._socket.recv(64) != BACK:
                log.error(
                    "the daemon that this process stands in for is gone; leaving the engines to the next one"
                )
                os._exit(1)
            back()

        add_reader(self._socket.fileno(), readable)

    def give_up(self) -> None:
        """Never returns: the daemon goes on with what it has kept itself, and those whom we serve are cut off."""
        os._exit(1)

    def hand_back(self, left: Handover) -> None:
        """Never returns: what is ours is the daemon's again."""
        try:
            handover.send(self._socket, left)
        finally:
            os._exit(0)


def stands_in(environ: MutableMapping[str, str]) -> Channel | None:
    """Our channel, if a stand-in is what we are."""
    fd = environ.pop(STANDS_IN, None)
    return Channel(int(fd)) if fd is not None else None


def relieves(environ: Mapping[str, str]) -> bool:
    """Whether a stand-in serves until we are there."""
    return RELIEVES in environ


def relieve(environ: MutableMapping[str, str], alive: Callable[[], None]) -> Handover | None:
    """What a stand-in hands back to us, if one serves in our place. Blocks for as long as that takes.

    ``alive`` is called every LOOK seconds. None, too, if that fails: then whom it served were cut off.
    """
    told = environ.pop(RELIEVES, None)
    if told is None:
        return None
    fd, pid = map(int, told.split())
    with socket.socket(fileno=fd) as channel:
        try:
            channel.send(BACK)
            left = _received(channel, alive)
        except (OSError, msgspec.DecodeError) as error:
            log.error("cannot take back from the stand-in (pid %d): %s; going on without", pid, error)
            left = None
    threading.Thread(target=_reap, args=(pid, left is None), daemon=True).start()
    return left


def _received(channel: socket.socket, alive: Callable[[], None]) -> Handover | None:
    """Raises OSError."""
    channel.settimeout(LOOK)
    for _ in range(int(LONGEST / LOOK)):
        alive()
        with contextlib.suppress(TimeoutError):
            return handover.receive(channel)
    raise TimeoutError(f"it did not hand back within {LONGEST:g} s")


def _reap(pid: int, kill: bool) -> None:
    """It is our child, and goes."""
    with contextlib.suppress(OSError):
        if kill:
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        os.waitpid(pid, 0)
