"""The sockets that are listened on. They can be left alone for a moment: who comes then waits in their backlog."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from swapd import tasks

BACKLOG = 1024
SETTLED = 5
"""Turns of the loop after which whoever was accepted has come in."""
UNTAKEN = 900.0
"""Seconds for which a client may take nothing of what it was sent, closed or not: so long does Linux wait for one
that does not answer at all."""
_UNIX: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""Else a server that is closed takes the socket's file along."""


class Doorstep:
    """Servers listen on duplicates of the sockets: to close one ends the accepting, and not the listening."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        """``make`` gives the protocol of whoever is accepted."""
        self._make = make
        self._sockets: list[socket.socket] = []
        self._spare: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._accepting = False

    async def open(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept."""
        self._sockets = list(sockets)
        for sock in sockets:
            if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN * 1000))
        self._spare = [sock.dup() for sock in sockets]
        self._accepting = True
        await self._accept()

    def shut(self) -> None:
        """Accept nobody for now. Raises OSError where no file descriptor is left; then nothing has changed."""
        spare = [sock.dup() for sock in self._sockets]  # to open again must not fail
        self._accepting = False
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.SelectorEventLoop):
            # Its servers, once closed, drop those whom they have accepted and not let in yet.
            for sock in [sock for server in self._servers for sock in server.sockets]:
                loop.remove_reader(sock.fileno())
        else:
            self._close_servers()
        for sock in self._spare:
            sock.close()
        self._spare = spare

    def reopen(self) -> None:
        """Accept again."""
        self._accepting = True
        tasks.spawn(self._accept_again(), name="accept again")

    def close(self) -> None:
        """Accept nobody any more."""
        self._accepting = False
        self._close_servers()
        for sock in (*self._spare, *self._sockets):
            sock.close()
        self._spare, self._sockets = [], []

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []

    async def _accept_again(self) -> None:
        before, self._servers = self._servers, []
        await self._accept()
        for _ in range(SETTLED):
            await asyncio.sleep(0)
        for server in before:
            server.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while self._accepting and self._spare:
            sock = self._spare.pop()
            if sock.family == socket.AF_UNIX:
                server = await loop.create_unix_server(
                    self._make, sock=sock, backlog=BACKLOG, start_serving=False, **_UNIX
                )
            else:
                server = await loop.create_server(self._make, sock=sock, backlog=BACKLOG, start_serving=False)
            self._servers.append(server)
            await server.start_serving()
