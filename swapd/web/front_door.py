"""The front door: connections come in, each into the express lane, and aiohttp's server stands beside it.

It can be held for a moment, and what is open handed to a successor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence

from aiohttp import web

from swapd.core.refusal import Reason
from swapd.web import errors
from swapd.web.app import OPENAI, REQUESTS
from swapd.web.client import Client
from swapd.web.connection import Connection
from swapd.web.doorstep import Doorstep
from swapd.web.errors import BY_REASON, Problem
from swapd.web.express import Express
from swapd.web.gate import Config
from swapd.web.handler import Handler
from swapd.web.holding import Guests, Mark, Reader
from swapd.web.lane import Lane
from swapd.web.limits import TurnedAway
from swapd.web.manners import MANNERS
from swapd.web.metered import CONNECTIONS
from swapd.web.requests_log import LEFT
from swapd.web.visit import Visit, fresh_line

log = logging.getLogger("swapd")
GOODBYE = 2.0
"""Seconds that the last answers may take once nothing new is accepted."""
LOGGED = 0.1
"""Seconds that the access log may take where requests wait for it."""
HEARD = 0.1
"""Seconds within which whoever was let in has asked, unless it keeps its connection for later."""
UPGRADED = "swapd is being upgraded; ask again"


def _ended(why: str) -> Problem:
    return Problem(BY_REASON[Reason.CLOSING], f"cannot finish the request: {why}", headers={"Retry-After": "1"})


class FrontDoor:
    """The listening side, on sockets that the daemon opened: the express lane, and aiohttp's server beside it."""

    def __init__(self, app: web.Application, config: Config, most: int) -> None:
        """``most``: connections that the process can hold, whatever the config says."""
        self._openai = app[OPENAI]
        self._manners = app[MANNERS]
        self.welcome = self._manners.welcome
        self._requests = app[REQUESTS]
        self._config = config
        self._most = most
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a client that leaves must free its place at once
            shutdown_timeout=GOODBYE / 2,  # it waits for so long twice
        )
        self._step = Doorstep(self._connection)
        self._lanes: dict[Connection, Reader] = {}
        app[CONNECTIONS] = self._lanes.__len__
        self._guests = Guests(self._lanes)
        self._turned_away: set[TurnedAway] = set()
        self._left = asyncio.Event()
        self.held = False

    async def open(self, sockets: Sequence[socket.socket], connections: Sequence[int] = ()) -> None:
        """Begin to accept, and go on with ``connections``, the file descriptors of a ``handover``."""
        await self._runner.setup()
        await asyncio.gather(*map(self._take_over, connections))  # before whoever is new: there may be too many
        await self._step.open(sockets)

    async def close(self) -> None:
        """Accept no more, let the last answers out, close every connection."""
        until = asyncio.get_running_loop().time() + GOODBYE
        self._step.close()
        for lane in list(self._lanes.values()):
            if isinstance(lane, Lane):
                lane.finish()
        for stranger in list(self._turned_away):
            stranger.end()
        await self._runner.cleanup()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self._lanes:
                    await self._left.wait()
                    self._left.clear()
        for connection in list(self._lanes):
            connection.reset()
        await self._requests.close()

    def under_way(self) -> int:
        """How many requests are; not those that follow a log or the events for as long as they may."""
        return len(self._guests.busy())

    def mark(self) -> Mark:
        """What is under way now, to be asked later what of it still is."""
        return Mark(self._guests)

    def hold(self) -> None:
        """Begin with no request, and accept nobody, until the ``release``: whoever comes waits in the kernel.

        Raises OSError where no file descriptor is left; then nothing has changed.
        """
        if not self.held:
            self._step.shut()
        self.held = True
        self._guests.hold()

    def release(self) -> None:
        """Go on."""
        if self.held:
            self._step.reopen()
        self.held = False
        self._guests.release()

    async def quiet(self, bound: float) -> bool:
        """Held: whether nothing is under way any more, within so many seconds; then what was is in the log too.

        And those who followed a log or the events are at the end of it: they may ask the successor.
        """
        quiet = await self._guests.quiet(bound)
        if quiet:
            await self.cut()
        return quiet

    async def cut(self, why: str = UPGRADED) -> None:
        """Held: end what is under way; its clients are told why, or can see that it is cut."""
        await self._guests.cut(_ended(why))
        await self._log_the_last()

    def handover(self) -> list[int]:
        """Held, and quiet or cut: the file descriptors of all idle connections, for the ``open`` of a successor.

        It is to be executed at once, so that nothing is read in between.
        """
        return self._guests.leave()

    async def shut(self) -> None:
        """Accept nobody any more, and hear out who is in already: whoever comes waits in the kernel.

        For sockets that somebody else keeps open, and our successor gets. Raises OSError as ``hold`` does.
        """
        self._step.shut()
        await asyncio.sleep(HEARD)

    def end_idle(self, why: str = "swapd is shutting down") -> None:
        """Take leave of websockets through which nothing passes: each would hold an engine until drain ends."""
        for reader in list(self._lanes.values()):
            if isinstance(reader, Handler) and reader.is_idle():
                reader.cut(_ended(why))

    def limit(self) -> int:
        """Bytes that a body may have."""
        return self._config.settings.limits.body

    def handler(self, connection: Connection) -> asyncio.Protocol:
        """aiohttp's, which looks after the connection from now on."""
        assert self._runner.server is not None
        handler = Handler(self._runner.server, connection, self, asyncio.get_running_loop())
        if connection in self._lanes:
            self._lanes[connection] = handler
        return handler

    async def answer(self, client: Client, request: Express) -> None:
        """A request of the express lane."""
        try:
            self._manners.rules.hosts.check(request.head.host, client.channel.by)
            await self._openai.by_express(client, request)
        except Problem as problem:
            client.refuse(problem)
        except asyncio.CancelledError:
            if client.turn.ended is None:
                client.visit.status, client.visit.code = LEFT
                raise
            if not client.status:
                client.refuse(client.turn.ended)
        except Exception:
            log.exception("cannot answer POST %s", request.target)
            client.fail(errors.bug())
        finally:
            if self._config.settings.log.access:
                self._requests.answered(client)

    def refuse(self, connection: Connection, target: str, problem: Problem) -> None:
        """A request of the express lane that is not all there, and will not be read to its end."""
        visit = Visit(fresh_line(), connection.peer, f"POST {target}", time.monotonic())
        client = Client(connection, keep=False, visit=visit)
        client.refuse(problem)
        if self._config.settings.log.access:
            self._requests.answered(client)

    async def _take_over(self, fd: int) -> None:
        """The connection that was somebody else's."""
        try:
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, sock)
        except OSError as error:
            log.warning("cannot take over the connection of a client: %s", error)

    async def _log_the_last(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOGGED):
                await self._requests.close()

    def _connection(self) -> Connection:
        return Connection(self._enter, self._leave)

    def _enter(self, connection: Connection) -> asyncio.Protocol:
        if len(self._lanes) >= min(self._most, self._config.settings.limits.connections):
            return TurnedAway(self._turned_away)
        lane = self._lanes[connection] = Lane(connection, self, asyncio.get_running_loop())
        return lane

    def _leave(self, connection: Connection) -> None:
        self._lanes.pop(connection, None)
        self._left.set()
