"""A client's connection: two lanes in, one way out.

Requests are read by the lane that the connection is in, the express lane first, or aiohttp's. In both, the
answers of engines are poured straight into this transport, and the engine's side pauses while the client does not
keep up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

from swapd.web.flow import Source
from swapd.web.hosts import LOOPBACK, NETWORK, UNIX

_RESET = struct.pack("ii", 1, 0)
_LOOPBACK = ("127.", "::1", "::ffff:127.")
"""How the addresses begin that only this machine has."""


class Connection(asyncio.Protocol):
    """Protocol of one accepted socket, and the channel to whoever is behind it."""

    def __init__(
        self, enter: Callable[[Connection], asyncio.Protocol], leave: Callable[[Connection], None]
    ) -> None:
        """``enter`` gives the lane to begin with, once there is a transport."""
        self._enter = enter
        self._leave = leave
        self._lane = asyncio.Protocol()
        self._source: Source | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._gone = False
        self.full = False
        """The client does not keep up with what was written."""
        self.peer = ""
        """Its IP address; empty for a Unix socket, and for one that is gone."""
        self.by = NETWORK
        """Whether it came in by UNIX, LOOPBACK or the NETWORK."""

    @property
    def transport(self) -> asyncio.Transport:
        """Its socket."""
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of asyncio's
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.by = _by(transport)
        self._lane = self._enter(self)
        self._lane.connection_made(transport)

    def change_lane(self, lane: asyncio.Protocol, text: bytes) -> None:
        """From now on it is ``lane`` that reads, beginning with ``text``."""
        self._lane = lane
        lane.connection_made(self._transport)
        if self.full:
            lane.pause_writing()
        lane.data_received(text)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self._lane.data_received(data)

    def eof_received(self) -> bool | None:
        """A client that closes its half is gone. What it was still to get is not worth waiting for."""
        if self.unsent():
            self._transport.abort()
        return self._lane.eof_received()

    def pause_writing(self) -> None:
        """Enough is on its way for now."""
        self.full = True
        self._drained.clear()
        self._lane.pause_writing()
        if self._source is not None:
            self._source.pause()

    def resume_writing(self) -> None:
        """It has been taken."""
        self.full = False
        self._lane.resume_writing()
        if self._source is not None:
            self._source.resume()
        self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by either side."""
        self._gone = True
        self._leave(self)
        self._drained.set()
        self._lane.connection_lost(exc)

    def attach(self, source: Source | None) -> None:
        """Whom to tell to pause."""
        self._source = source
        if source is not None and self.full:
            source.pause()

    def write(self, data: bytes) -> None:
        """To the client, unless it has left."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def unsent(self) -> int:
        """Bytes that were written and the client has not taken."""
        return self._transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Return when the client has taken most of what was written."""
        await self._drained.wait()

    def reset(self) -> None:
        """Break off: a mere close would look like the end to an HTTP/1.0 client."""
        sock = self._transport.get_extra_info("socket")
        if not self._gone and sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # it is closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


def _by(transport: asyncio.BaseTransport) -> str:
    sock, name = transport.get_extra_info("socket"), transport.get_extra_info("sockname")
    if sock is not None and sock.family == socket.AF_UNIX:
        return UNIX
    return LOOPBACK if isinstance(name, tuple) and str(name[0]).startswith(_LOOPBACK) else NETWORK
