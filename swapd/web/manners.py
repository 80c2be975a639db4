"""What every request meets at the door, in either lane: whose Host it names, who sent it, and its id."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from swapd.core.settings import Settings
from swapd.web import surface
from swapd.web.connection import Connection
from swapd.web.cors import Cors, asks_first
from swapd.web.express import Express
from swapd.web.heads import ALIKE
from swapd.web.hosts import NETWORK, UNIX, Hosts
from swapd.web.proxies import Proxies, added
from swapd.web.visit import Visit, fresh_line, id_line, is_sane

_VISIT: web.RequestKey[Visit] = web.RequestKey("visit", Visit)


class Rules:
    """What the config says of manners."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.hosts = Hosts(settings.hosts)
        self.cors = Cors(settings.origins)
        self.proxies = Proxies(settings.trusted_proxies)


class Manners:
    """``settings``: those in force."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._rules = Rules(settings())

    @property
    def rules(self) -> Rules:
        """As the config in force has them."""
        settings = self._settings()
        if settings is not self._rules.settings:  # each reload makes them anew
            self._rules = Rules(settings)
        return self._rules

    def welcome(self, connection: Connection, request: Express) -> Visit:
        """The visit of a request of the express lane."""
        told = request.head.told
        sender = self.rules.proxies.sender(_peer(connection), told) if told else None
        line = id_line(request.id) if request.id else fresh_line()
        return Visit(line, sender or connection.peer, _EXPRESS[request.target], time.monotonic())

    def of(self, request: web.Request) -> Visit:
        """The visit of one of aiohttp's: the same, whenever it is asked for."""
        found = request.get(_VISIT)
        if found is None:
            found = request[_VISIT] = self._welcome(request)
        return found

    def sender(self, request: web.Request) -> str | None:
        """Who asks, UNIX or an address; None where a proxy speaks for somebody, and is not to be believed."""
        connection = connection_of(request)
        if connection is None:
            return None
        told = added(request.raw_headers)
        return self.rules.proxies.sender(_peer(connection), told) if told else _peer(connection)

    def is_https(self, request: web.Request) -> bool:
        """Whether the client's browser has come to a proxy of ours by https."""
        connection, told = connection_of(request), added(request.raw_headers)
        return bool(told) and connection is not None and self.rules.proxies.is_https(_peer(connection), told)

    def check_page(self, request: web.Request) -> None:
        """Keep out a foreign web page, where no key does. Raises Problem (403)."""
        self.rules.cors.check_page(request)

    async def decorate(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add our headers to an answer that aiohttp writes."""
        for line in self.of(request).lines.decode("ascii").splitlines():
            name, _, value = line.partition(": ")
            response.headers.add(name, value)

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who names us as we are called, and tell pages whether they may ask. Raises Problem (403)."""
        connection = connection_of(request)
        if request.path != "/health":  # monitors call us what they like, and hear nothing but that we live
            named = request.headers.get("Host", "").encode("utf-8", "surrogateescape")
            self.rules.hosts.check(named, NETWORK if connection is None else connection.by)
        refused = request.match_info.http_exception
        if asks_first(request) and not isinstance(refused, web.HTTPNotFound):
            methods = refused.allowed_methods if isinstance(refused, web.HTTPMethodNotAllowed) else ()
            return self.rules.cors.preflight(request, methods)
        return await handler(request)

    def _welcome(self, request: web.Request) -> Visit:
        given = request.headers.get("X-Request-ID", "").encode("utf-8", "surrogateescape")
        lines = id_line(given) if is_sane(given) else fresh_line()
        if surface.is_anthropic(request.path):
            lines += lines[len(b"X-") :]  # where its SDKs look
        connection = connection_of(request)
        sender = self.sender(request) or ("" if connection is None else connection.peer)
        lines += self.rules.cors.lines(request)
        return Visit(lines, "" if sender == UNIX else sender, _what(request), time.monotonic())


MANNERS: web.AppKey[Manners] = web.AppKey("manners")
_EXPRESS = {path: f"POST {path}" for path in surface.HOT}


def connection_of(request: web.BaseRequest) -> Connection | None:
    """That which it came by; None once it is gone."""
    return None if request.transport is None else cast(Connection, request.transport.get_protocol())


def _peer(connection: Connection) -> str:
    return UNIX if connection.by == UNIX else connection.peer


def _what(request: web.Request) -> str:
    """Method and route: the pattern, not the path, of which there is no end."""
    resource = request.match_info.route.resource
    return _worded(request.method, resource.canonical if resource is not None else "-")


@lru_cache(maxsize=ALIKE)
def _worded(method: str, pattern: str) -> str:
    return f"{method} {pattern.partition('/{rest')[0]}"
