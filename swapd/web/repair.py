r"""JSON that is broken in one character is mended, rather than refused whole with all that it carries.

Clients cut texts in the middle of a character. What is left over is half of a surrogate pair, as an escape
(``\udcca``) or as raw bytes, or bytes that are not UTF-8. llama-server (tried: b10434 with 500, another build with
400) refuses each of them with a parse error wherever it takes JSON, and with it a whole batch of embeddings. Each
becomes U+FFFD, the character that Unicode keeps for this; all else stays the bytes that it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from swapd.web.errors import BAD_REQUEST, Problem

T = TypeVar("T")
_FFFD = "\ufffd".encode()
_RAW_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""A surrogate encoded as if it were a character; ED begins one, so it is found nowhere else in good UTF-8."""
_SURROGATE = re.compile(
    rb"\\(?<!\\\\)(?:\\\\)*+"  # a run of backslashes from its begin: if they are odd in number, the last escapes
    rb"(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair,
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2}))"  # or half of one
)


class Repaired(NamedTuple):
    """A body as it goes on, and how many places of it are mended."""

    body: bytes
    places: int


def read(body: bytes, look: Callable[[bytes], T]) -> tuple[T, Repaired]:
    """What ``look`` finds in the body, mended if it has to be. Raises as ``look`` does.

    ``look`` is to raise Problem for half a surrogate pair, as every reader made with msgspec does: then a
    sound body, which is nearly every one, is not searched for escapes at all.
    """
    if _is_utf8(body):
        try:
            return look(body), Repaired(body, 0)
        except Problem:
            mended = repair(body)
            if not mended.places:
                raise
    else:
        mended = repair(body)
    return look(mended.body), mended


def repair(body: bytes) -> Repaired:
    """The same object if there is nothing to mend. Takes time linear in the body's length, whatever it holds."""
    body, raw = _utf8(body)
    halves = [half.span(1) for half in _SURROGATE.finditer(body) if half[1]]
    if not halves:
        return Repaired(body, raw)
    mended = bytearray(body)
    for begin, end in halves:
        mended[begin:end] = b"ufffd"  # as long as what it replaces
    return Repaired(bytes(mended), raw + len(halves))


def refusal(name: str, places: int) -> Problem:
    """What is said instead where the model's ``strict_json`` wants nothing mended."""
    what = f"half a surrogate pair or bytes that are not UTF-8, in {places} place{'s' if places > 1 else ''}"
    why = f"it has {what}, and model '{name}' has strict_json; send U+FFFD there, or set 'strict_json: false'"
    return Problem(BAD_REQUEST, f"cannot take the body as JSON: {why}")


def _utf8(body: bytes) -> Repaired:
    """Each surrogate in it, and each other run of bytes that is no character, becomes U+FFFD."""
    if _is_utf8(body):
        return Repaired(body, 0)
    body, surrogates = _RAW_SURROGATE.subn(_FFFD, body)
    there = body.count(_FFFD)
    body = body.decode(errors="replace").encode()
    return Repaired(body, surrogates + body.count(_FFFD) - there)


def _is_utf8(body: bytes) -> bool:
    if body.isascii():  # ten times as fast as decoding
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
