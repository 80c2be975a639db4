"""The operator's session in a browser: a cookie that vouches for itself.

Nothing is kept of it. Its seal is made with the admin key, so it lives through a restart or an upgrade of the
daemon, and ends with the key, or after ``LASTS``, or when who has its cookie logs out: see ``ended``.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable

_COOKIE = "swapd_session"
HEADER = "X-Swapd-Token"
"""What a page sends along with the cookie when it changes something: no other site's page could know it."""
LASTS = 30 * 24 * 3600
"""Seconds. It is not prolonged: once a month the key is asked for."""
_LONGEST = 200
"""Characters of a cookie that is looked at, or of a path."""
_FOLDER = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,=:@%-]+/)*")
"""A path of RFC 3986 that ends with a slash, without what would end it in a cookie."""


def cookie_name(host: str) -> str:
    """By the port that the browser asks: it sends a cookie to all ports of a name, and there may be two of us.

    Two below two paths of one name have a cookie of the same name each, for its path (``cookie_path``).
    """
    port = host.rpartition(":")[2] if ":" in host else ""
    return f"{_COOKIE}_{port}" if port.isascii() and port.isdigit() else _COOKIE


def cookie_path(asked: str) -> str:
    """Of a page below the path ``asked``, which is ours by way of a proxy; all of the host if that is none."""
    return asked if len(asked) <= _LONGEST and _FOLDER.fullmatch(asked) else "/"


def offered_sessions(cookies: Iterable[str], name: str) -> list[str]:
    """The values of all cookies of that name, as a request's ``Cookie`` headers have them.

    There may be another swapd's above our path; the nearest comes first (RFC 6265, 5.4).
    """
    pairs = [each.strip().partition("=") for line in cookies for each in line.split(";")]
    return [value for found, _, value in pairs if found == name]


def nonce_of(session: str) -> str:
    """What tells it from all others."""
    return session.partition(".")[0]


def until_of(session: str) -> int:
    """When it is too old, in seconds since 1970. Of one that its seal knows: we wrote it, so it is a number."""
    return int(session.split(".")[1])


class Seal:
    """Makes sessions for whoever has the admin key, and knows its own again. Times are seconds since 1970."""

    def __init__(self, admin_key: str) -> None:
        key = admin_key.encode("utf-8", "surrogateescape")
        self._secret = hmac.digest(key, b"swapd: the operator's session", "sha256")

    def session(self, now: float) -> str:
        """A new one, as the cookie's value."""
        body = f"{secrets.token_hex(16)}.{int(now) + LASTS}"
        return f"{body}.{self._mark('cookie', body)}"

    def knows(self, session: str, now: float) -> bool:
        """Whether this is one of its own, and not too old."""
        body, _, mark = session.rpartition(".")
        if len(session) > _LONGEST or not session.isascii():
            return False
        if not hmac.compare_digest(mark, self._mark("cookie", body)):
            return False
        return now < until_of(session)

    def token(self, session: str) -> str:
        """The word that goes with a session which it knows."""
        return self._mark("token", session)

    def _mark(self, use: str, text: str) -> str:
        return hmac.digest(self._secret, f"{use}:{text}".encode("ascii"), "sha256").hex()
