"""Which headers cross the house, each way."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    )
)
"""RFC 9110, 7.6.1: these speak of one connection only."""

REASON = web.RequestKey("reason", str)
"""What a request waited for last: ``swap``, ``load`` or ``busy``; it becomes ``X-Swapd-Reason``."""

_NEVER_UP = frozenset(
    {
        "host",
        "content-length",
        "content-encoding",
        "expect",
        # the client's keys are ours to check, and none of the engine's business
        "authorization",
        "x-api-key",
        "api-key",
        "cookie",
        # makes llama-server go on generating after its client has left
        "x-conversation-id",
    }
)
_NEVER_DOWN = frozenset({"server", "date", "content-length", "set-cookie"})


def upstream_headers(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """What the engine gets of the client's headers."""
    drop = HOP_BY_HOP | _NEVER_UP | _named_by_connection(headers)
    return CIMultiDict((n, v) for n, v in headers.items() if n.lower() not in drop)


def client_headers(headers: CIMultiDictProxy[str], extra: Mapping[str, str]) -> CIMultiDict[str]:
    """What the client gets of the engine's headers, and our own.

    An engine's CORS headers echo any origin, so they stay inside.
    """
    drop = HOP_BY_HOP | _NEVER_DOWN | _named_by_connection(headers)
    kept = CIMultiDict(
        (n, v) for n, v in headers.items() if n.lower() not in drop and not n.lower().startswith("access-control-")
    )
    kept.update(extra)
    return kept


async def add_reason(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's note into the head of its answer, whoever made it."""
    if REASON in request:
        response.headers["X-Swapd-Reason"] = request[REASON]


def _named_by_connection(headers: CIMultiDictProxy[str]) -> set[str]:
    values = headers.getall("Connection", ())
    return {name.strip().lower() for value in values for name in value.split(",")}
