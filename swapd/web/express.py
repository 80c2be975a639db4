"""The express lane: the plain request of an OpenAI client, read in one go.

It takes only what is plainly well-formed, whole, small and on one of a few paths, and says nothing of anything
else: that is aiohttp's, untouched, to read, to guard and to answer. So nothing gets in here that would not there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from swapd.web import heads, surface
from swapd.web.guard import offered
from swapd.web.headers import JSON, upstream_lines
from swapd.web.heads import ALIKE, Malformed

LONGEST_HEAD = 8192
MOST_LINES = 64
"""Of a head."""
LONGEST_BODY = 256 << 10
"""Bytes. What is longer is read by aiohttp, piece by piece, and looked into off the loop."""

_TARGETS = {path.encode(): path for path in surface.HOT}
_TARGETS |= {path.encode(): full for path, full in surface.ALSO.items() if full in surface.HOT}
_LINE = re.compile(rb"POST (/[a-z0-9/]+) HTTP/1\.1\r\n")
_HOST = re.compile(rb"[0-9A-Za-z.:\[\]_-]{1,255}")
_LENGTH = re.compile(rb"[0-9]{1,7}")
_SPECIAL = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te", b"trailer"))
"""Who sends one of these wants something special."""


class Express(NamedTuple):
    """A request: ``lines`` of headers for the engine, ``keys`` that it offers to us, ``size`` bytes in all."""

    target: str
    lines: bytes
    body: bytes
    keep: bool
    keys: tuple[bytes, ...]
    size: int


class Other:
    """Not one for this lane."""


OTHER: Final = Other()


def read(text: bytes | bytearray, limit: int) -> Express | int | Other:
    """The request that ``text`` begins with; or how many bytes it takes, at the least, to tell.

    ``limit``: bytes of a body that the config allows.
    """
    end = text.find(heads.END, 0, LONGEST_HEAD)
    if end < 0:
        begun_well = text[:5] == b"POST "[: len(text)] and b"\n" not in text.replace(b"\r\n", b"")
        return len(text) + 1 if begun_well and len(text) < LONGEST_HEAD else OTHER
    line = _LINE.match(text)
    target = _TARGETS.get(bytes(line[1])) if line is not None else None
    if line is None or target is None:
        return OTHER
    found = _sorted(bytes(text[line.end() : end + 2]))
    if found is None or found[1] > min(limit, LONGEST_BODY):
        return OTHER
    lines, length, keep, keys = found
    size = end + 4 + length
    if len(text) < size:
        return size
    return Express(target, lines, bytes(text[end + 4 : size]), keep, keys, size)


@lru_cache(maxsize=ALIKE)
def _sorted(block: bytes) -> tuple[bytes, int, bool, tuple[bytes, ...]] | None:
    """What goes on to the engine, the body's length, whether the connection is kept, the keys. None: special."""
    try:
        found = heads.fields(block)
    except Malformed:
        return None
    if len(found) > MOST_LINES:
        return None
    ours: dict[bytes, list[bytes]] = {name: [] for name in (b"host", b"content-length", b"connection")}
    for name, value in found:
        low = name.lower()
        if low in _SPECIAL:
            return None
        if low in ours:
            ours[low].append(value)
    hosts, lengths, wishes = ours.values()
    one_of_each = len(hosts) == 1 == len(lengths) and _HOST.fullmatch(hosts[0]) and _LENGTH.fullmatch(lengths[0])
    if not one_of_each or any(wish.lower() not in (b"keep-alive", b"close") for wish in wishes):
        return None
    keep = b"close" not in [wish.lower() for wish in wishes]
    return JSON + upstream_lines(found, b"content-type"), int(lengths[0]), keep, offered(found)
