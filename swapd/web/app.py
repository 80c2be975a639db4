"""The route table, the one place that words errors, and the door that aiohttp holds open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

from aiohttp import typedefs, web

from swapd.web import errors
from swapd.web.admin import Admin
from swapd.web.bridge import Relayed, behind
from swapd.web.client import Client
from swapd.web.connection import Connection
from swapd.web.errors import NOT_FOUND, WRONG_METHOD, Problem
from swapd.web.events import Feed
from swapd.web.express import Express
from swapd.web.gate import Clock, Config, Engines, Gate
from swapd.web.guard import Guard
from swapd.web.handler import OPTIONS, Handler
from swapd.web.inference import Inference
from swapd.web.lane import Lane
from swapd.web.learned import Learned
from swapd.web.limits import BODY_LIMIT, KEYED, TurnedAway
from swapd.web.manners import MANNERS, Manners
from swapd.web.models import Models
from swapd.web.ollama.doors import Ollama
from swapd.web.openai import OpenAI
from swapd.web.requests_log import LEFT, RequestsLog
from swapd.web.router import Router
from swapd.web.upload import Uploads
from swapd.web.upstream import Upstream

log = logging.getLogger("swapd")
BACKLOG = 1024
GOODBYE = 2.0
"""Seconds that the last answers may take once nothing new is accepted."""
UNTAKEN = 900.0
"""Seconds for which a client may take nothing of what it was sent, closed or not: so long does Linux wait for one
that does not answer at all."""
OPENAI: web.AppKey[OpenAI] = web.AppKey("openai")
REQUESTS: web.AppKey[RequestsLog] = web.AppKey("requests")


def create_app(
    gate: Gate, config: Config, engines: Engines, upstream: Upstream, clock: Clock, feed: Feed | None = None
) -> web.Application:
    """All doors. ``feed``: an ear of the desk; without one nothing is heard at ``/admin/events``.

    Body limits are our own (they change with the config), so aiohttp's is off.
    """
    heard = feed or Feed(clock)
    manners = Manners(lambda: config.settings)
    told = RequestsLog(lambda: config.settings, manners)
    app = web.Application(middlewares=[told.watch, _word_errors, manners.admit], client_max_size=0)
    app.on_response_prepare.append(manners.decorate)
    app[MANNERS], app[REQUESTS] = manners, told
    app[BODY_LIMIT] = lambda: config.settings.limits.body
    guard = Guard(lambda: config.settings, lambda: config.catalog)
    app[KEYED] = guard.of
    inference = Inference(gate, config, engines, upstream, guard)
    app[OPENAI] = OpenAI(inference)
    learned = Learned(upstream)
    for room in (
        app[OPENAI],
        Uploads(inference),
        Router(gate, config, upstream, learned, heard.moves, guard),
        Models(gate, config, learned, guard),
        Admin(gate, config, engines, clock, heard),
        Ollama(inference, gate, learned, clock),
    ):
        app.add_routes(room.routes())

    async def end_streams(_: web.Application) -> None:
        heard.close()

    app.on_shutdown.append(end_streams)
    return app


@web.middleware
async def _word_errors(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    dialect = errors.dialect_of(request.path)
    try:
        return await handler(request)
    except Problem as problem:
        return errors.respond(problem, dialect)
    except web.HTTPNotFound:
        why = "'/v1' stands there twice" if "/v1/v1/" in request.path else "the model APIs are under /v1"
        text = f"cannot find {request.path}: swapd has no such path; {why}"
        return errors.respond(Problem(NOT_FOUND, text), dialect)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        text = f"cannot {request.method} {request.path}: use {allowed}"
        return errors.respond(Problem(WRONG_METHOD, text, headers={"Allow": allowed}), dialect)
    except web.HTTPException:
        raise
    except Exception:
        if request.writer.output_size:
            raise  # the head is out: aiohttp breaks the connection, as it must
        log.exception("cannot answer %s %s", request.method, request.path)
        client = behind(request)
        if client is not None and client.begun:
            client.fail(errors.bug())
            return Relayed(client)
        return errors.respond(errors.bug(), dialect)


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
        self._servers: list[asyncio.Server] = []
        self._lanes: dict[Connection, Lane | None] = {}
        self._left = asyncio.Event()

    async def open(self, sockets: list[socket.socket]) -> None:
        """Begin to accept."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        for sock in sockets:
            if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN * 1000))
            make = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(
                await make(lambda: Connection(self._enter, self._leave), sock=sock, backlog=BACKLOG)
            )

    async def close(self) -> None:
        """Accept no more, let the last answers out, close every connection."""
        until = asyncio.get_running_loop().time() + GOODBYE
        for server in self._servers:
            server.close()
        for lane in list(self._lanes.values()):
            if lane is not None:
                lane.finish()
        await self._runner.cleanup()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self._lanes:
                    await self._left.wait()
                    self._left.clear()
        for connection in list(self._lanes):
            connection.reset()
        await self._requests.close()

    def limit(self) -> int:
        """Bytes that a body may have."""
        return self._config.settings.limits.body

    def handler(self, connection: Connection) -> asyncio.Protocol:
        """aiohttp's, which looks after the connection from now on."""
        assert self._runner.server is not None
        if connection in self._lanes:
            self._lanes[connection] = None
        return Handler(self._runner.server, loop=asyncio.get_running_loop(), **OPTIONS)

    async def answer(self, client: Client, request: Express) -> None:
        """A request of the express lane."""
        try:
            self._manners.rules.hosts.check(request.head.host, client.channel.by)
            await self._openai.by_express(client, request)
        except Problem as problem:
            client.refuse(problem)
        except asyncio.CancelledError:
            client.visit.status, client.visit.code = LEFT
            raise
        except Exception:
            log.exception("cannot answer POST %s", request.target)
            client.fail(errors.bug())
        finally:
            if self._config.settings.log.access:
                self._requests.answered(client)

    def _enter(self, connection: Connection) -> asyncio.Protocol:
        if len(self._lanes) >= min(self._most, self._config.settings.limits.connections):
            return TurnedAway()
        lane = self._lanes[connection] = Lane(connection, self, asyncio.get_running_loop())
        return lane

    def _leave(self, connection: Connection) -> None:
        self._lanes.pop(connection, None)
        self._left.set()
