"""HTTP/1.1 heads, on the wire: read strictly, written plainly.

What is not plainly well-formed by RFC 9112 (bare line feeds, folded lines, blanks before a colon, control
characters) is Malformed, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

LONGEST = 32768
"""Bytes of a head; longer ones are Malformed."""
ALIKE = 256
"""So many heads are remembered: one client, or one engine, sends the same again and again."""
END = b"\r\n\r\n"

Field = tuple[bytes, bytes]
"""A header: name and value, as they came; blanks may follow the value."""

# Possessive: what has matched is not tried in another way, else a few lines of blanks would take for ever.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n")
_FIELDS = re.compile(rb"(?:%s)*+" % _FIELD.pattern.replace(b"(", b"(?:"))
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_BEGINNING = b"HTTP/1."


class Malformed(Exception):
    """What came is not HTTP/1.1, or contradicts itself."""


class Status:
    """The head of an answer. ``minor``: of the version, 0 or 1. ``names``: of its headers, in lower case."""

    __slots__ = ("code", "fields", "minor", "names", "reason")

    def __init__(self, minor: int, code: int, reason: bytes, fields: list[Field]) -> None:
        self.minor = minor
        self.code = code
        self.reason = reason
        self.fields = fields
        self.names = frozenset([name.lower() for name, _ in fields])

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header; ``name`` in lower case."""
        if name not in self.names:
            return []
        return [value.rstrip(b" \t") for each, value in self.fields if each.lower() == name]

    def tokens(self, name: bytes) -> list[bytes]:
        """The comma-separated words of a header, in lower case."""
        return [word.strip().lower() for value in self.values(name) for word in value.split(b",")]


def fields(block: bytes) -> list[Field]:
    """The headers of a block of whole lines. Raises Malformed."""
    if _FIELDS.fullmatch(block) is None:
        raise Malformed("a header line is malformed")
    return _FIELD.findall(block)


def check_beginning(head: bytes) -> None:
    """Whether what has come can still become the head of an answer. Raises Malformed."""
    if not head.startswith(_BEGINNING[: len(head)]):
        raise Malformed(f"it began with {head[:40]!r}")
    if len(head) > LONGEST:
        raise Malformed(f"the head of its answer has more than {LONGEST} bytes")


@lru_cache(maxsize=ALIKE)
def status(head: bytes) -> Status:
    """An answer's head, its blank line included. Equal ones are read once. Raises Malformed."""
    line = _STATUS.match(head)
    if line is None:
        raise Malformed(f"it began with {head[:40]!r}")
    return Status(int(line[1]), int(line[2]), line[3] or b"", fields(head[line.end() : -2]))


def lines(fields: Iterable[Field]) -> bytes:
    """Headers as they are written, each with its line break."""
    return b"".join([b"%s: %s\r\n" % field for field in fields])
