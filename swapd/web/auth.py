"""Who may do what: the operator's doors, and what a request tells about its sender."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import ipaddress

from aiohttp import hdrs, web

from swapd.web.errors import INVALID_KEY, NOT_PERMITTED, Problem

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
_SAFE = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}


def check_operator(request: web.Request, admin_key: str | None) -> None:
    """Let the operator in, raise Problem (401 or 403) for everybody else.

    With a key: whoever has it. Without one: whoever sits at this machine, which a forwarded request never
    proves, and not a foreign web page that borrows the operator's browser.
    """
    if admin_key is not None:
        if not any(hmac.compare_digest(key.encode(), admin_key.encode()) for key in keys(request)):
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


def keys(request: web.Request) -> list[str]:
    """All keys that the request offers: Bearer, Basic's password, ``x-api-key``, ``api-key``."""
    found = [request.headers[name] for name in ("x-api-key", "api-key") if name in request.headers]
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        found.append(value.strip())
    elif scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            found.append(base64.b64decode(value).decode().partition(":")[2])
    return found


def is_local(request: web.Request) -> bool:
    """Whether the peer is this machine: a Unix socket, or loopback without a proxy's headers."""
    if any(name in request.headers for name in FORWARDED):
        return False
    peer = peer_address(request)
    return peer == "" or ipaddress.ip_address(peer.partition("%")[0]).is_loopback


def peer_address(request: web.Request) -> str:
    """The peer's IP address, empty for a Unix socket."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _foreign(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != request.host
