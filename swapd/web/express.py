"""The express lane: the plain request of an OpenAI client, read in one go.

It takes only what is plainly well-formed, whole, small and on one of a few paths, and says nothing of anything
else: that is aiohttp's, untouched, to read, to guard and to answer. So nothing gets in here that would not there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from swapd.web import heads, surface
from swapd.web.headers import JSON, offered, upstream_lines
from swapd.web.heads import ALIKE, Field, Malformed
from swapd.web.proxies import added
from swapd.web.visit import id_line, is_sane

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
_SPECIAL = frozenset(
    (
        *(b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te", b"trailer"),
        *(b"origin", b"sec-fetch-site", b"x-request-id"),
    )
)
"""Who sends one of these wants something special, or is a web page. A sane id is read before."""
_ID = b"\r\nx-request-id:"


class Head(NamedTuple):
    """Of a request: ``lines`` of headers for the engine, the body's length, ``keys`` that are offered to us.

    ``keep``: the connection. ``told``: what a proxy added.
    """

    lines: bytes
    length: int
    keep: bool
    keys: tuple[bytes, ...]
    host: bytes
    told: tuple[Field, ...]


class Express(NamedTuple):
    """A request of ``size`` bytes. ``id``: as its client calls it, empty if it does not."""

    target: str
    head: Head
    body: bytes
    id: bytes
    size: int

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What it offers to us."""
        return self.head.keys

    @property
    def lines(self) -> bytes:
        """The headers for the engine."""
        return self.head.lines + id_line(self.id) if self.id else self.head.lines


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
    block, id = _without_id(bytes(text[line.end() - 2 : end + 2]))
    head = _sorted(block)
    if head is None or head.length > min(limit, LONGEST_BODY):
        return OTHER
    size = end + 4 + head.length
    if len(text) < size:
        return size
    return Express(target, head, bytes(text[end + 4 : size]), id, size)


def target(text: bytes | bytearray) -> str:
    """Where a request wants to go that is for this lane, and has come as far as its head."""
    return _TARGETS[bytes(text[: text.index(b" HTTP/")]).partition(b" ")[2]]


def _without_id(block: bytes) -> tuple[bytes, bytes]:
    """The lines without the one that tells the request's id, by which none would be like another; and the id."""
    at = block.lower().find(_ID)
    if at < 0:
        return block[2:], b""
    end = block.find(b"\r\n", at + 2)
    id = block[at + len(_ID) : end].strip(b" \t")
    return (block[2 : at + 2] + block[end + 2 :], id) if is_sane(id) else (block[2:], b"")


@lru_cache(maxsize=ALIKE)
def _sorted(block: bytes) -> Head | None:
    """The head of a request. None: special."""
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
    lines = JSON + upstream_lines(found, b"content-type")
    return Head(lines, int(lengths[0]), keep, offered(found), hosts[0].rstrip(b" \t"), added(found))
