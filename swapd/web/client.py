"""The way back to a client: the head of its answer, then bytes as they are, then an honest end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from swapd.core.settings import ClientKey
from swapd.web import errors, framing, heads
from swapd.web.errors import Dialect, Problem
from swapd.web.framing import Chunked, Counted, Enchunked
from swapd.web.gate import Lease
from swapd.web.headers import JSON, client_lines, own_lines
from swapd.web.upstream import Answer
from swapd.web.wire import Sink

_CONNECTION = {
    (0, False): b"",
    (0, True): b"Connection: keep-alive\r\n",
    (1, False): b"Connection: close\r\n",
    (1, True): b"",
}
"""HTTP/1 version and whether the connection is kept -> what has to be said of it."""


class Channel(Sink, Protocol):
    """The client's connection: ``reset`` breaks it so that nobody takes it for a proper end."""

    peer: str
    """Its IP address; empty for a Unix socket, and for one that is gone."""

    async def drained(self) -> None:
        """Return when the client has taken most of what was written."""


class Client:
    """Whoever waits for one answer, and how it wants it."""

    def __init__(
        self,
        channel: Channel,
        *,
        minor: int = 1,
        method: str = "POST",
        keep: bool = True,
        dialect: Dialect = errors.openai,
    ) -> None:
        """``minor``: of its HTTP/1 version. ``keep``: whether its connection is to be kept."""
        self.channel = channel
        self.keep = keep
        self.begun = False
        self.who: ClientKey | None = None
        """The client by its key, where the config has clients."""
        self.lease: Lease | None = None
        """What answered it, or is about to."""
        self.reason = ""
        """What it waited for last: ``swap``, ``load`` or ``busy``."""
        self._minor = minor
        self._method = method
        self._dialect = dialect

    @property
    def name(self) -> str:
        """By what it is told apart from others: its name in the config, or its address."""
        return self.who.name if self.who is not None else self.channel.peer

    def tokens(self) -> int:
        """What its request took, as far as the engine told."""
        usage = self.lease.usage if self.lease is not None else None
        return usage.tokens if usage is not None else 0

    def head_of(self, answer: Answer, notes: bytes) -> bytes:
        """How an engine's answer begins for it, with notes of our own; from now on it has begun."""
        if self._minor == 0:
            answer.body = framing.plain(answer.body)
        head = answer.head
        framed = self._framed(answer)
        return self._head(b"%d %s" % (head.code, head.reason), client_lines(head), notes, framed)

    def refuse(self, problem: Problem) -> None:
        """Send the whole of an answer that says no."""
        body = self._dialect(problem)
        more = heads.lines((name.encode(), value.encode()) for name, value in problem.headers.items())
        status = HTTPStatus(problem.form.status)
        start = f"{status.value} {status.phrase}".encode()
        self.channel.write(self._head(start, JSON, more, _counted(len(body))) + body)

    def cut(self, answer: Answer, problem: Problem) -> None:
        """The answer broke off. An SSE client is told by an event, any other by a broken connection."""
        ending = None
        if _is_sse(answer):
            # The blank lines first: whatever half an event is out, ours begins on a line of its own.
            ending = answer.body.ended_with(b"\n\n" + errors.sse_event(problem, self._dialect))
        if ending is None:
            self.channel.reset()
        else:
            self.channel.write(ending)

    def _framed(self, answer: Answer) -> bytes:
        """The header that says where the body ends; where none can, the connection's end does."""
        head, body = answer.head, answer.body
        if isinstance(body, Chunked | Enchunked):
            return b"Transfer-Encoding: chunked\r\n"
        if self._method == "HEAD":
            return b"".join([b"Content-Length: %s\r\n" % length for length in set(head.tokens(b"content-length"))])
        if isinstance(body, Counted):
            return b"" if head.code in (204, 304) else _counted(body.length)
        self.keep = False
        return b""

    def _head(self, status: bytes, *lines: bytes) -> bytes:
        self.begun = True
        return b"HTTP/1.%d %s\r\n%s%s%s\r\n" % (
            self._minor,
            status,
            b"".join(lines),
            own_lines(self.reason),
            _CONNECTION[self._minor, self.keep],
        )


def _counted(length: int) -> bytes:
    return b"Content-Length: %d\r\n" % length


def _is_sse(answer: Answer) -> bool:
    """Whether an event more can be read: it is a stream of events, and not a compressed one."""
    kinds = answer.head.tokens(b"content-type")
    events = bool(kinds) and kinds[0].partition(b";")[0].strip() == b"text/event-stream"
    return events and not answer.head.values(b"content-encoding")
