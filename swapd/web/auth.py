"""Who may do what: the operator's doors, and what a request tells about its sender."""

from __future__ import annotations

import hmac
import time
from datetime import datetime

from aiohttp import hdrs, web

from swapd.web.cors import page_of
from swapd.web.ended import Ended
from swapd.web.errors import INVALID_KEY, NOT_PERMITTED, Problem
from swapd.web.gate import Clock
from swapd.web.headers import offered
from swapd.web.hosts import UNIX, is_address, is_localhost, is_loopback, name_of
from swapd.web.manners import MANNERS, connection_of
from swapd.web.session import HEADER, Seal, cookie_name, offered_sessions
from swapd.web.tries import Tries

_SAFE = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}


def check_operator(request: web.Request, admin_key: str | None) -> None:
    """Let the operator in, raise Problem (401, 403 or 429) for everybody else.

    With a key: whoever has it, or a session that was opened with it; a session changes something only with its
    token besides. Without a key: whoever sits at this machine, which a forwarded request never proves, and not a
    foreign web page that borrows the operator's browser.
    """
    if admin_key is not None:
        request.app[DOORKEEPER].check(request, admin_key)
        return
    check_local(request)
    if request.method not in _SAFE and is_foreign(request):
        text = "cannot use the admin API from another web page: set admin.key"
        raise Problem(NOT_PERMITTED, text, about=page_of(request))


def check_local(request: web.Request) -> None:
    """Where there is no key. Raises Problem (403) for who is not at this machine."""
    if not is_local(request):
        raise Problem(
            NOT_PERMITTED,
            "cannot use the admin API from afar: set admin.key in the config, or ask from this machine",
        )


class Doorkeeper:
    """Knows the admin key and the sessions that were opened with it."""

    def __init__(self, clock: Clock, ended: Ended) -> None:
        self._clock = clock
        self._ended = ended
        self._tries = Tries(time.monotonic)

    def check(self, request: web.Request, admin_key: str) -> None:
        """Raises Problem (401, 403, 429)."""
        session = self.session(request, admin_key)
        if session is not None and _may(request, Seal(admin_key).token(session)):
            return
        keys = offered(request.raw_headers)
        if keys:
            self._tries.check(_address(request))
            if any(_same(key, admin_key) for key in keys):
                return
        if session is not None:  # then what else it offers was meant for a proxy on the way
            text = f"cannot change anything by the session alone: send its token, of GET /ui/session, as {HEADER}"
            raise Problem(NOT_PERMITTED, text)
        if keys:
            self._tries.wrong(_address(request), keys, again=False)
        text = "cannot use the admin API: no or wrong key; send the config's admin.key as a Bearer token"
        raise Problem(INVALID_KEY, text, headers={"WWW-Authenticate": "Bearer"})

    def open(self, request: web.Request, key: str, admin_key: str) -> str:
        """A new session for who has typed the key. Raises Problem (401, 429)."""
        typed = key.encode("utf-8", "surrogatepass")
        self._tries.check(_address(request))
        if not _same(typed, admin_key):
            self._tries.wrong(_address(request), (typed,))
            raise Problem(INVALID_KEY, "cannot let you in: this is not the admin.key of the config")
        return Seal(admin_key).session(self._now())

    def session(self, request: web.Request, admin_key: str) -> str | None:
        """That of the request's cookie, if it is good; not where a page of another origin uses it."""
        return next(iter(self._sessions(request, admin_key)), None)

    async def leave(self, request: web.Request, admin_key: str) -> None:
        """Whatever session the request has is over, for all who hold its cookie."""
        for session in self._sessions(request, admin_key):
            await self._ended.end(session, self._now())

    def _sessions(self, request: web.Request, admin_key: str) -> list[str]:
        """All good ones: at a path below another swapd's the browser sends the cookie of that, too."""
        given = request.headers.getall(hdrs.COOKIE, ())
        found = offered_sessions(given, cookie_name(request.headers.get(hdrs.HOST, ""))) if given else []
        if not found or is_foreign(request):
            return []
        seal, now = Seal(admin_key), self._now()
        return [each for each in found if seal.knows(each, now) and not self._ended.holds(each)]

    def _now(self) -> float:
        """Seconds since 1970."""
        now = time.monotonic()
        return datetime.fromisoformat(self._clock(now, now)).timestamp()


DOORKEEPER: web.AppKey[Doorkeeper] = web.AppKey("doorkeeper")


def _may(request: web.Request, token: str) -> bool:
    """Whether a session will do: to look, it does."""
    given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
    return request.method in _SAFE or hmac.compare_digest(given, token.encode())


def _same(key: bytes, admin_key: str) -> bool:
    return hmac.compare_digest(key, admin_key.encode("utf-8", "surrogateescape"))


def _address(request: web.Request) -> str:
    """Whose tries are counted together: the sender's, or those of a proxy that nobody trusts."""
    connection = connection_of(request)
    return request.app[MANNERS].sender(request) or (connection.peer if connection is not None else "")


def is_local(request: web.Request) -> bool:
    """Whether who asks is at this machine: at a Unix socket, or at loopback by a name that is loopback's.

    Behind a proxy nobody is, unless it is one of the config's ``trusted_proxies`` and says so. One that adds no
    headers, and so looks like loopback itself, is told by the name that its clients use.
    """
    sender, name = request.app[MANNERS].sender(request), name_of(request.headers.get(hdrs.HOST, ""))
    if sender is None or sender == UNIX:
        return sender == UNIX
    return is_loopback(f"[{sender}]" if ":" in sender else sender) and (is_localhost(name) or is_address(name))


def is_foreign(request: web.Request) -> bool:
    """Whether a page of another origin asks. The browser's own word counts most: a proxy may change the Host."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "none":
        return site != "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != request.headers.get(hdrs.HOST, "")
