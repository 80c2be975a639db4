"""Who may do what: the operator's doors, and what a request tells about its sender."""

from __future__ import annotations

import hmac
import ipaddress
import socket

from aiohttp import hdrs, web
from yarl import URL

from swapd.web.errors import INVALID_KEY, NOT_PERMITTED, Problem
from swapd.web.guard import offered

FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip", "via", "cf-connecting-ip", "true-client-ip")
"""How the headers begin that a proxy adds."""
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


def check_page(request: web.Request, what: str) -> None:
    """Where no key guards it, keep out a foreign web page that borrows a browser. Raises Problem (403)."""
    if _foreign(request):
        raise Problem(NOT_PERMITTED, f"cannot {what} from another web page: give the config 'clients' with keys")


def is_local(request: web.Request) -> bool:
    """Whether the peer is this machine: a Unix socket, or loopback without a proxy's headers."""
    if any(name.lower().startswith(FORWARDED) for name in request.headers):
        return False
    sock = request.transport.get_extra_info("socket") if request.transport is not None else None
    if sock is None:
        return False
    if sock.family == socket.AF_UNIX:
        return True
    peer = peer_address(request)  # empty for a client that has reset already
    return peer != "" and ipaddress.ip_address(peer.partition("%")[0]).is_loopback and _names_this_machine(request)


def peer_address(request: web.Request) -> str:
    """The peer's IP address, empty for a Unix socket or a peer that is gone."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _names_this_machine(request: web.Request) -> bool:
    """Whether the Host is one that nobody else can own: else a web page could rebind its own name to us."""
    try:
        host = URL(f"//{request.host}").host or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _foreign(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != request.host
