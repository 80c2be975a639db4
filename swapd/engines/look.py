"""One look at a server: is it ready, will it be, or is it broken? An HTTP client would cost ten times as much.

No redirect is followed: nothing goes to a server that the config does not name.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from swapd.core.engine import Endpoint
from swapd.core.kinds import KINDS, LOADING

BOUND = 2.0
"""Seconds that connecting, and again answering, may take."""
READY = 200
NOT_HTTP = 0
"""The status of somebody who accepts, but says nothing sensible in time."""
DENIED = frozenset({401, 403})
ABSENT = frozenset({404, 405, 410, 501})
"""With these a server says that it has no such path."""
TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""What TLS begins with (RFC 8446, 5.1): an alert, for who does not speak it, or a handshake; and its version."""
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL calls the answer of somebody who does not speak TLS."""
WANTING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""What connecting fails with where it is we who have run out of something."""
BROKEN, SURELY = 15.0, 1.0
"""Seconds for which a wrong answer must last before it is believed; one that waiting will not mend, such as that
the key is wrong."""


class Broken(Exception):
    """It answers, and not as one that is ready or ever will be. The message says how, and what to do."""


class Answer(NamedTuple):
    """What a look found. ``status``: None if nobody accepts; ``untrusted``: what is wrong with its certificate."""

    status: int | None = None
    untrusted: str = ""
    why: str = ""
    """Why there is no status."""
    ours: bool = False
    """It could not even be asked, for want of something here."""
    foreign: bool = False
    """It speaks TLS where plain HTTP was asked for, or the other way round."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where an engine is asked, for which path, and which answers mean that it will be ready."""

    where: Endpoint
    path: str
    loading: frozenset[int] = LOADING

    @property
    def request(self) -> bytes:
        """A GET."""
        return (
            f"GET {self.where.prefix}{self.path} HTTP/1.1\r\n{self.where.head}Connection: close\r\n\r\n".encode()
        )

    def wrong(self, answer: Answer) -> str:
        """What is wrong with the answer, and what to do; empty if it is ready, or will be."""
        where, status = f"{self.where}{self.path}", answer.status
        if answer.untrusted:
            return (
                f"the certificate of {self.where} is not trusted ({answer.untrusted}): give the system its CA, or "
                "set SSL_CERT_FILE where swapd is started"
            )
        if answer.foreign:
            return f"its health check {where} cannot be asked: {answer.why}"
        if status in (None, NOT_HTTP, READY) or status in self.loading:
            return ""
        if status in DENIED:
            return f"its health check {where} is answered with {status}: check 'api_key'"
        if status in ABSENT:
            return f"its health check {where} is answered with {status}: there is no such path; {_usual()}"
        also = "" if status != 400 or self.where.tls else " (or is it https there?)"
        return (
            f"its health check {where} is answered with {status}, not {READY}{also}: check 'health' and 'engine'"
        )


class Doubt:
    """How long an engine has been answering wrongly. ``clock``: seconds, monotonic."""

    def __init__(self, question: Question, clock: Callable[[], float]) -> None:
        self._question = question
        self._clock = clock
        self._since: float | None = None

    def hear(self, answer: Answer) -> None:
        """One more answer. Raises Broken once it has been wrong for long enough."""
        wrong, now = self._question.wrong(answer), self._clock()
        if not wrong:
            self._since = None
            return
        if self._since is None:
            self._since = now
        if now - self._since >= (SURELY if answer.untrusted or answer.status in DENIED else BROKEN):
            raise Broken(wrong)


async def look(question: Question, bound: float) -> Answer:
    """Ask once; only the status line matters. ``bound``: seconds for connecting, and again for the answer."""
    try:
        async with asyncio.timeout(bound):
            reader, writer = await _open(question.where)
    except ssl.SSLCertVerificationError as error:
        return Answer(untrusted=error.verify_message)
    except ssl.SSLError as error:
        foreign = error.reason in NO_TLS
        return Answer(why="it does not speak TLS: is it http there?" if foreign else _why(error), foreign=foreign)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError; a name that cannot be one is the other
        return Answer(why=_why(error), ours=getattr(error, "errno", None) in WANTING)
    try:
        async with asyncio.timeout(bound):
            writer.write(question.request)
            return _understood(await reader.readline(), question.where.tls)
    except (OSError, ValueError) as error:
        return Answer(NOT_HTTP, why=_why(error))
    finally:
        writer.close()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror | ssl.SSLError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own loop has other words than uvloop, and less plain ones
    return getattr(error, "strerror", None) or str(error) or repr(error)


async def _open(where: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.path:
        return await asyncio.open_unix_connection(where.path)
    if where.tls:
        return await asyncio.open_connection(where.host, where.port, ssl=trust(), server_hostname=where.host)
    return await asyncio.open_connection(where.host, where.port)


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom the system trusts, or ``SSL_CERT_FILE`` says. It takes some 20 ms, so it is read once."""
    return ssl.create_default_context()


def _understood(answer: bytes, tls: bool) -> Answer:
    """By its first line."""
    version, _, rest = answer.partition(b" ")
    code = rest[:3]
    if version.startswith(b"HTTP/") and code.isdigit():
        return Answer(int(code))
    if answer.startswith(TLS_RECORDS):
        return Answer(NOT_HTTP, why="it speaks TLS: is it https there?", foreign=True)
    if answer:
        return Answer(NOT_HTTP, why="it does not speak HTTP")
    return Answer(NOT_HTTP, why=f"it closes the connection unanswered{'' if tls else ' (is it https there?)'}")


def _usual() -> str:
    """Where the kinds of engines are asked, and who may say so."""
    paths: dict[str, list[str]] = {}
    for kind in KINDS.values():
        paths.setdefault(kind.health, []).append(kind.name)
    told = ", ".join(f"{path} ({', '.join(names)})" for path, names in paths.items())
    return f"set 'engine' or 'health': usual are {told}"
