"""HTTP/1.1 heads, on the wire: read strictly, written plainly.

What is not plainly well-formed by RFC 9112 (bare line feeds, folded lines, blanks before a colon, control
characters) is Malformed, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 32768
"""Bytes of a head; longer ones are Malformed."""
END = b"\r\n\r\n"

Field = tuple[bytes, bytes]
"""A header: name and value, as they came; blanks may follow the value."""

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)\r\n")
_FIELDS = re.compile(rb"(?:%s)*" % _FIELD.pattern.replace(b"(", b"(?:"))
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_BEGINNING = b"HTTP/1."


class Malformed(Exception):
    """What came is not HTTP/1.1, or contradicts itself."""


class Status(NamedTuple):
    """The head of an answer. ``minor``: of the version, 0 or 1."""

    minor: int
    code: int
    reason: bytes
    fields: list[Field]
    names: frozenset[bytes]
    """Of the headers, in lower case."""

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


def status(head: bytes) -> Status:
    """An answer's head, its blank line included. Raises Malformed."""
    line = _STATUS.match(head)
    if line is None:
        raise Malformed(f"it began with {head[:40]!r}")
    found = fields(head[line.end() : -2])
    names = frozenset([name.lower() for name, _ in found])
    return Status(int(line[1]), int(line[2]), line[3] or b"", found, names)


def written(start: bytes, headers: Iterable[Field]) -> bytes:
    """A head: start line, headers, blank line."""
    return b"\r\n".join((start, *(name + b": " + value for name, value in headers), b"", b""))
