"""One request from its arrival to its end: what is known before its body is read, and what came of it."""

from __future__ import annotations

import itertools
import re
import secrets

_ID = b"X-Request-ID: "
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_FRESH = b"%s%s" % (_ID, secrets.token_hex(4).encode())
_next = itertools.count(1).__next__


class Visit:
    """``lines``: headers of ours for its answer, its id first. ``sender``: who asks, by name or else address.

    ``what``: its method and route. ``began``: when it came, monotonic. ``model``: as it was asked for. Of the
    answer ``status``, with which it begins (``200 OK``; empty before that), the ``code`` of an error of ours, and
    what that is ``about``: the Host or the Origin that was refused.
    """

    model = ""
    status = b""
    code = ""
    about = ""

    def __init__(self, lines: bytes, sender: str, what: str, began: float) -> None:
        self.lines = lines
        self.sender = sender
        self.what = what
        self.began = began

    @property
    def id(self) -> str:
        """What it is called."""
        return self.lines.partition(b"\r\n")[0].removeprefix(_ID).decode("ascii")


def id_line(id: bytes) -> bytes:
    """The header that says what a request is called."""
    return b"%s%s\r\n" % (_ID, id)


def is_sane(given: bytes) -> bool:
    """Whether a client's id for its request may be taken over: it goes into headers and logs."""
    return _SANE.fullmatch(given) is not None


def fresh_line() -> bytes:
    """The same with an id that nobody else has, in this process or, by its random beginning, in another."""
    return b"%s-%x\r\n" % (_FRESH, _next())
