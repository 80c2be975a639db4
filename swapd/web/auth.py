"""Who may do what: the operator's doors, and what a request tells about its sender."""

from __future__ import annotations

import hmac

from aiohttp import hdrs, web

from swapd.web.errors import INVALID_KEY, NOT_PERMITTED, Problem
from swapd.web.headers import offered
from swapd.web.hosts import UNIX, is_address, is_localhost, is_loopback, name_of
from swapd.web.manners import MANNERS

_SAFE = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}


def check_operator(request: web.Request, admin_key: str | None) -> None:
    """Let the operator in, raise Problem (401 or 403) for everybody else.

    With a key: whoever has it. Without one: whoever sits at this machine, which a forwarded request never
    proves, and not a foreign web page that borrows the operator's browser.
    """
    if admin_key is not None:
        known = admin_key.encode("utf-8", "surrogateescape")
        if not any(hmac.compare_digest(key, known) for key in offered(request.raw_headers)):
            raise Problem(
                INVALID_KEY,
                "cannot use the admin API: no or wrong key; send the config's admin.key as a Bearer token",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return
    if not is_local(request):
        raise Problem(
            NOT_PERMITTED,
            "cannot use the admin API from afar: set admin.key in the config, or ask from this machine",
        )
    if request.method not in _SAFE and _foreign(request):
        raise Problem(NOT_PERMITTED, "cannot use the admin API from another web page: set admin.key")


def is_local(request: web.Request) -> bool:
    """Whether who asks is at this machine: at a Unix socket, or at loopback by a name that is loopback's.

    Behind a proxy nobody is, unless it is one of the config's ``trusted_proxies`` and says so. One that adds no
    headers, and so looks like loopback itself, is told by the name that its clients use.
    """
    sender, name = request.app[MANNERS].sender(request), name_of(request.headers.get(hdrs.HOST, ""))
    if sender is None or sender == UNIX:
        return sender == UNIX
    return is_loopback(f"[{sender}]" if ":" in sender else sender) and (is_localhost(name) or is_address(name))


def _foreign(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != request.host
