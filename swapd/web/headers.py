"""Which headers cross the house, each way, and which are our own. Names are compared in lower case."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from email.utils import formatdate
from functools import lru_cache
from time import monotonic

from swapd.web.heads import ALIKE, Field, Status, lines

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""RFC 9110, 7.6.1: these speak of one connection only."""

NEVER_UP = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"content-encoding",
    b"expect",
    # the client's keys are ours to check, and none of the engine's business
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"cookie",
    b"x-swapd-token",
    # who asks, from where and on whose account is ours to know; and a paid endpoint's account is the config's
    *(b"origin", b"referer", b"forwarded", b"x-real-ip", b"openai-organization", b"openai-project"),
    *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port"),
    # makes llama-server go on generating after its client has left
    b"x-conversation-id",
}
_NEVER_DOWN = HOP_BY_HOP | {
    *(b"server", b"date", b"content-length", b"set-cookie", b"x-request-id", b"request-id"),
    # a remote's word on its own address, which browsers would take for one on ours
    *(b"alt-svc", b"strict-transport-security", b"clear-site-data", b"nel", b"report-to"),
    b"service-worker-allowed",  # with it, an engine's page could take over all of ours
}
_PLAIN_KEYS = (b"x-api-key", b"api-key")
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On what is the operator's alone."""
STREAM = PRIVATE | {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
"""On events that a page follows; nginx would gather them else."""
JSON = b"Content-Type: application/json\r\n"
_CODINGS = re.compile(rb"^Accept-Encoding:.*\n", re.IGNORECASE | re.MULTILINE)


def upstream_lines(fields: Sequence[Field], *but: bytes) -> bytes:
    """What the engine gets of the client's headers, ``but`` some."""
    drop = NEVER_UP.union(but, _words(value for name, value in fields if name.lower() == b"connection"))
    return lines((name, value) for name, value in fields if name.lower() not in drop)


@lru_cache(maxsize=ALIKE)
def uncompressed(lines: bytes) -> bytes:
    """The same for an answer that has to be read: for its usage, or because a comment or an error may follow."""
    return _CODINGS.sub(b"", lines)


@lru_cache(maxsize=ALIKE)
def client_lines(head: Status) -> bytes:
    """What the client gets of the engine's headers.

    An engine's CORS headers echo any origin, so they stay inside; and what swapd says is not the engine's to say,
    nor what the request is called.
    """
    drop = _NEVER_DOWN.union(head.tokens(b"connection")) if b"connection" in head.names else _NEVER_DOWN
    return lines(
        (name, value)
        for name, value in head.fields
        if (low := name.lower()) not in drop and not low.startswith((b"access-control-", b"x-swapd-"))
    )


def takes_gzip(accepted: str) -> bool:
    """Whether an ``Accept-Encoding`` allows it (RFC 9110, 12.5.3)."""
    for each in accepted.lower().split(","):
        coding, _, quality = each.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def offered(fields: Iterable[Field]) -> tuple[bytes, ...]:
    """All keys that a request's headers offer: Bearer, Basic's password, ``x-api-key``, ``api-key``."""
    found: list[bytes] = []
    for name, value in fields:
        low = name.lower()
        if low in _PLAIN_KEYS:
            found.append(value.strip())
        elif low == b"authorization":
            scheme, _, word = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                found.append(word.strip())
            elif scheme.lower() == b"basic":
                with contextlib.suppress(ValueError):  # of base64, of its alphabet
                    found.append(base64.b64decode(word).partition(b":")[2])
    return tuple(found)


def is_compressed(head: Status) -> bool:
    """Whether the body of an engine's answer has to be unpacked to be read."""
    return any(coding != b"identity" for coding in head.tokens(b"content-encoding"))


def own_lines(reason: str) -> bytes:
    """Ours in each answer: when, and what it waited for."""
    date = _date(int(monotonic()))
    return b"%sX-Swapd-Reason: %s\r\n" % (date, reason.encode()) if reason else date


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """Now, made anew in another second; which one does not matter."""
    return b"Date: %s\r\n" % formatdate(usegmt=True).encode()


def _words(values: Iterable[bytes]) -> Iterator[bytes]:
    return (word.strip().lower() for value in values for word in value.split(b","))
