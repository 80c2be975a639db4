"""A form (multipart/form-data, RFC 7578) as it passes: where in it the fields stand that matter to a proxy.

Read by the same parser as that of many engines, so that both see the same form; what is unclear about a field that
matters is refused, not guessed at.
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from swapd.web.errors import BAD_REQUEST, Problem

MOST_PARTS = 1000
"""Of a form; engines take no more either."""
LONGEST_VALUE = 1024
"""Bytes of a field that are kept: a name that is longer is nobody's."""
_WANTED = (b"model", b"stream")
# RFC 2046, 5.1.1
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what is wrong with a form its sender is told


class Field(NamedTuple):
    """A field's value, the first bytes of it, and which bytes of the form it is."""

    value: bytes
    start: int
    end: int

    @property
    def text(self) -> str:
        """The value as it is read."""
        return self.value.decode(errors="replace")


class Form:
    """Takes a form piece by piece. ``fields``: those that matter and have come, by name."""

    def __init__(self, content_type: str) -> None:
        """Raises Problem (400) if that is not the type of a form."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data":
            said = f"Content-Type '{content_type[:60]}'" if content_type else "no Content-Type"
            raise _bad(f"it has {said}; this path takes multipart/form-data, as OpenAI's API does")
        if not _BOUNDARY.fullmatch(boundary):
            raise _bad("its Content-Type has no boundary, or none that can be")
        self.boundary = boundary
        self.fields: dict[str, Field] = {}
        self._whole = False
        self._begun = 0  # where in the form the piece in hand begins
        self._parts = 0
        self._part = _Part()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._begin_header,
                "on_header_field": self._name_header,
                "on_header_value": self._take_header,
                "on_part_data": self._take,
                "on_part_end": self._end,
                "on_end": self._ends,
            },
        )

    def feed(self, piece: bytes) -> None:
        """More of it. Raises Problem (400)."""
        if self._begun == 0 and not piece.startswith(b"-"):
            raise _bad("it does not begin with its boundary")
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _bad(str(error)) from None
        self._begun += len(piece)

    def finish(self) -> None:
        """That was all. Raises Problem (400) if it was cut."""
        if not self._whole:
            raise _bad("it ends before its last boundary")

    def _begin(self) -> None:
        self._parts += 1
        self._part = _Part()
        if self._parts > MOST_PARTS:
            raise _bad(f"it has more than {MOST_PARTS} parts")

    def _begin_header(self) -> None:
        self._part.begin_header()

    def _name_header(self, data: bytes, start: int, end: int) -> None:
        self._part.name_header(data[start:end])

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._part.take_header(data[start:end], self._begun + end)

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._part.take(end - start, data[start : min(end, start + LONGEST_VALUE)])

    def _end(self) -> None:
        part = self._part
        name = part.name()
        if name not in _WANTED:
            return
        told = name.decode()
        if told in self.fields:
            raise _bad(f"it has two fields '{told}'")
        start = part.start()
        self.fields[told] = Field(bytes(part.value), start, start + part.size)

    def _ends(self) -> None:
        self._whole = True


class _Part:
    """What of a part has come: its headers, and the first bytes of it."""

    def __init__(self) -> None:
        self.value = bytearray()
        self.size = 0
        self._headers: list[tuple[bytearray, bytearray]] = []
        self._end: int | None = None  # of the last header's value, in the form

    def begin_header(self) -> None:
        self._headers.append((bytearray(), bytearray()))
        self._end = None

    def name_header(self, text: bytes) -> None:
        self._headers[-1][0].extend(text)

    def take_header(self, text: bytes, end: int) -> None:
        self._headers[-1][1].extend(text)
        self._end = end

    def take(self, size: int, first: bytes) -> None:
        """``size`` bytes more, and the ``first`` of them."""
        self.size += size
        self.value += first[: LONGEST_VALUE - len(self.value)]

    def name(self) -> bytes:
        """By Content-Disposition; empty if it has none. Raises Problem (400)."""
        found = [value for name, value in self._headers if name.lower() == b"content-disposition"]
        if len(found) > 1:
            raise _bad("a part of it has two Content-Dispositions")
        return parse_options_header(found[0].decode("latin-1"))[1].get(b"name", b"") if found else b""

    def start(self) -> int:
        """Where the data begins: behind its headers' last line break and a blank line. Raises Problem (400)."""
        if self._end is None:
            raise _bad("a field of it has an empty header")
        return self._end + len(b"\r\n\r\n")


def _bad(why: str) -> Problem:
    return Problem(BAD_REQUEST, f"cannot read the form: {why}")
