"""The dashboard's files under ``/ui``. They are open to all: what they show is asked for at the operator's doors.

All of them name each other relatively, so the page works below any path that a proxy takes off.

They lie in the package beside this module and are read once, when somebody first wants one.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

from swapd.web.errors import NOT_FOUND, Problem
from swapd.web.headers import takes_gzip

FOLDER = Path(__file__).parent / "ui"
INDEX = "index.html"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""What may lie there; anything else is not served."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
GUARDS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On all that a browser gets of it: nothing of others runs in our page, and it runs in nobody else's."""


class Kept(NamedTuple):
    """A file: plain and packed, and what each is known by."""

    plain: bytes
    packed: bytes
    mark: str
    type: str


class Dashboard:
    """The handlers."""

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module. To come after those of single paths below ``/ui``."""
        return [web.get("/ui", self.index), web.get("/ui/{file}", self.file), web.get("/ui/", self.aside)]

    async def index(self, request: web.Request) -> web.Response:
        """The page itself."""
        return await _served(request, INDEX)

    async def aside(self, request: web.Request) -> web.Response:
        """With a slash it is the same page, whose files are not below it. By a way that no proxy need know of."""
        return _elsewhere("../ui")

    async def file(self, request: web.Request) -> web.Response:
        """What it is made of."""
        return await _served(request, request.match_info["file"])


def to_page(request: web.Request) -> web.Response | None:
    """Whoever asks for ``/`` with a browser is sent on to the page; None for all others."""
    if "text/html" not in request.headers.get(hdrs.ACCEPT, "").lower():
        return None
    return _elsewhere("ui")


def _elsewhere(place: str) -> web.Response:
    """Relative to what the browser asked for, whatever path a proxy has put before ours (RFC 9110, 10.2.2)."""
    return web.Response(status=302, headers={"Location": place, "Vary": "Accept"} | GUARDS)


async def _served(request: web.Request, name: str) -> web.Response:
    files = _files() if _files.cache_info().currsize else await asyncio.to_thread(_files)
    if (kept := files.get(name)) is None:
        raise Problem(NOT_FOUND, "cannot find that file of the dashboard: it has none of this name")
    packs = takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    mark = f'"{kept.mark}{"-gzip" if packs else ""}"'
    headers = GUARDS | {"Cache-Control": "no-cache", "ETag": mark, "Vary": "Accept-Encoding"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")]
    if mark in known or known == ["*"]:
        return web.Response(status=304, headers=headers)
    body = kept.packed if packs else kept.plain
    response = web.Response(body=body, content_type=kept.type, headers=headers)
    if packs:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    if kept.type.startswith("text/"):
        response.charset = "utf-8"
    return response


@cache
def _files() -> Mapping[str, Kept]:
    """All of them, by name. Blocks."""
    found = {}
    for path in sorted(FOLDER.iterdir()) if FOLDER.is_dir() else ():
        if path.suffix in TYPES and path.is_file():
            plain = path.read_bytes()
            mark = blake2b(plain, digest_size=12).hexdigest()
            found[path.name] = Kept(plain, gzip.compress(plain, mtime=0), mark, TYPES[path.suffix])
    return found
