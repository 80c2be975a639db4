"""``/ui/session``: the page asks whether it is let in, gives the key, once a month, or logs out."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import hdrs, web

from swapd import __version__
from swapd.web.asked import unreadable
from swapd.web.auth import DOORKEEPER, check_local, is_foreign
from swapd.web.cors import page_of
from swapd.web.errors import NOT_PERMITTED, Problem
from swapd.web.gate import Config
from swapd.web.headers import PRIVATE
from swapd.web.limits import read_body
from swapd.web.manners import MANNERS
from swapd.web.session import LASTS, Seal, cookie_name, cookie_path

LONGEST = 16 << 10
"""Bytes of what is sent with a key."""


class Given(msgspec.Struct):
    """What the page sends."""

    key: str


class SessionDoor:
    """The handlers."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [
            web.get("/ui/session", self.look, allow_head=False),
            web.post("/ui/session", self.enter),
            web.delete("/ui/session", self.leave),
        ]

    async def look(self, request: web.Request) -> web.Response:
        """Whether the page may come in, and with which token it changes something."""
        return web.json_response(self._stand(request), headers=PRIVATE)

    async def enter(self, request: web.Request) -> web.Response:
        """Who gives the key gets a session, for the page below ``?at=``. Raises Problem (400, 401, 403, 429)."""
        _check_page(request)
        admin_key = self._config.settings.admin_key
        if admin_key is None:
            check_local(request)
            return web.json_response({"token": None}, headers=PRIVATE)
        try:
            given = msgspec.json.decode(await read_body(request, LONGEST), type=Given)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise unreadable(error) from None
        session = request.app[DOORKEEPER].open(request, given.key, admin_key)
        response = web.json_response({"token": Seal(admin_key).token(session)}, headers=PRIVATE)
        secure = request.app[MANNERS].is_https(request)
        options: dict[str, Any] = {"httponly": True, "samesite": "Strict", "secure": secure}
        response.set_cookie(_cookie(request), session, path=_at(request), max_age=LASTS, **options)
        return response

    async def leave(self, request: web.Request) -> web.Response:
        """Its session ends, and the browser forgets it. Raises Problem (403)."""
        _check_page(request)
        admin_key = self._config.settings.admin_key
        if needs_key := admin_key is not None:
            await request.app[DOORKEEPER].leave(request, admin_key)
        response = web.json_response({"needs_key": needs_key, "open": not needs_key}, headers=PRIVATE)
        response.del_cookie(_cookie(request), path=_at(request), httponly=True, samesite="Strict")
        return response

    def _stand(self, request: web.Request) -> dict[str, Any]:
        admin_key = self._config.settings.admin_key
        found = {"needs_key": admin_key is not None, "token": None, "version": __version__}
        if admin_key is None:
            try:
                check_local(request)
                _check_page(request)
            except Problem as problem:
                return found | {"open": False, "reason": problem.message}
            return found | {"open": True}
        session = request.app[DOORKEEPER].session(request, admin_key)
        if session is None:
            return found | {"open": False, "reason": "it wants the admin.key of the config"}
        return found | {"open": True, "token": Seal(admin_key).token(session)}


def _cookie(request: web.Request) -> str:
    return cookie_name(request.headers.get(hdrs.HOST, ""))


def _at(request: web.Request) -> str:
    """Below which path the browser has the page: a proxy may have taken it off."""
    return cookie_path(request.query.get("at", "/"))


def _check_page(request: web.Request) -> None:
    """Raises Problem (403)."""
    if is_foreign(request):
        text = "cannot answer another web page here: open swapd's own at /ui"
        raise Problem(NOT_PERMITTED, text, about=page_of(request))
