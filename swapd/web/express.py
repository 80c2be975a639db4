"""The express lane: the plain request of an OpenAI client, read in one go.

It takes only what is plainly well-formed, whole, small and on one of a few paths, and says nothing of anything
else: that is aiohttp's, untouched, to read, to guard and to answer. So nothing gets in here that would not there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from swapd.web import heads
from swapd.web.headers import JSON, NEVER_UP
from swapd.web.heads import Field, Malformed

ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank")
ALSO = {
    "/v1/reranking": "/v1/rerank",
    "/rerank": "/v1/rerank",
    "/reranking": "/v1/rerank",
    "/chat/completions": "/v1/chat/completions",
    "/completions": "/v1/completions",
    "/embeddings": "/v1/embeddings",
}
"""Other spellings that clients use; the engine is always asked at the full one."""
LONGEST_HEAD = 8192
LONGEST_BODY = 256 << 10
"""Bytes. What is longer is read by aiohttp, piece by piece, and looked into off the loop."""

_TARGETS = {path.encode(): path for path in ROUTES} | {path.encode(): full for path, full in ALSO.items()}
_LINE = re.compile(rb"POST (/[a-z0-9/]+) HTTP/1\.1\r\n")
_HOST = re.compile(rb"[0-9A-Za-z.:\[\]_-]{1,255}")
_LENGTH = re.compile(rb"[0-9]{1,7}")
_OTHERS = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te", b"trailer"))
"""Who sends one of these wants something special."""


class Express(NamedTuple):
    """A request: ``fields`` for the engine, ``size`` bytes in all."""

    target: str
    fields: list[Field]
    body: bytes
    keep: bool
    size: int


class Other:
    """Not one for this lane."""


OTHER: Final = Other()


def read(text: bytes, limit: int) -> Express | int | Other:
    """The request that ``text`` begins with; or how many bytes it takes, at the least, to tell.

    ``limit``: bytes of a body that the config allows.
    """
    end = text.find(heads.END, 0, LONGEST_HEAD)
    if end < 0:
        may_be = len(text) < LONGEST_HEAD and text[:5] == b"POST "[: len(text)]
        return len(text) + 1 if may_be else OTHER
    line = _LINE.match(text)
    target = _TARGETS.get(line[1]) if line is not None else None
    if line is None or target is None:
        return OTHER
    try:
        found = _sorted(heads.fields(text[line.end() : end + 2]))
    except Malformed:
        return OTHER
    if found is None or found[1] > min(limit, LONGEST_BODY):
        return OTHER
    fields, length, keep = found
    size = end + 4 + length
    if len(text) < size:
        return size
    return Express(target, fields, text[end + 4 : size], keep, size)


def _sorted(all_fields: list[Field]) -> tuple[list[Field], int, bool] | None:
    """What goes on to the engine, the body's length, whether the connection is kept. None if it is special."""
    fields, hosts, lengths, keep = [JSON], 0, [], True
    for field in all_fields:
        name, value = field[0].lower(), field[1]
        if name not in NEVER_UP:
            if name != b"content-type":
                fields.append(field)
        elif name == b"host":
            hosts += 1 if _HOST.fullmatch(value) else 2
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"connection":
            word = value.lower()
            if word not in (b"keep-alive", b"close"):
                return None
            keep = keep and word == b"keep-alive"
        elif name in _OTHERS:
            return None
    if hosts != 1 or len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        return None
    return fields, int(lengths[0]), keep
