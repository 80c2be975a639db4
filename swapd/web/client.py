"""The way back to a client: the head of its answer, then bytes as they are, then an honest end."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from swapd.web import errors, framing, heads
from swapd.web.errors import Problem
from swapd.web.framing import Chunked, Counted, Enchunked
from swapd.web.headers import JSON, client_fields, own_fields
from swapd.web.heads import Field
from swapd.web.upstream import Answer
from swapd.web.wire import Sink


class Channel(Sink, Protocol):
    """The client's connection: ``reset`` breaks it so that nobody takes it for a proper end."""

    peer: str
    """Its IP address; empty for a Unix socket, and for one that is gone."""


class Client:
    """Whoever waits for one answer, and how it wants it."""

    def __init__(self, channel: Channel, *, minor: int = 1, method: str = "POST", keep: bool = True) -> None:
        """``minor``: of its HTTP/1 version. ``keep``: whether its connection is to be kept."""
        self.channel = channel
        self.keep = keep
        self.begun = False
        self.reason = ""
        """What it waited for last: ``swap``, ``load`` or ``busy``."""
        self._minor = minor
        self._method = method

    def head_of(self, answer: Answer, notes: Sequence[Field]) -> bytes:
        """How an engine's answer begins for it, with notes of our own; from now on it has begun."""
        if self._minor == 0:
            answer.body = framing.plain(answer.body)
        fields = [*client_fields(answer.head), *notes, *self._framed(answer)]
        return self._head(b"%d %s" % (answer.head.code, answer.head.reason), fields)

    def refuse(self, problem: Problem) -> None:
        """Send the whole of an answer that says no."""
        body = errors.payload(problem)
        fields = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
        fields += [JSON, (b"Content-Length", b"%d" % len(body))]
        status = HTTPStatus(problem.form.status)
        self.channel.write(self._head(f"{status.value} {status.phrase}".encode(), fields) + body)

    def cut(self, answer: Answer, problem: Problem) -> None:
        """The answer broke off. An SSE client is told by an event, any other by a broken connection."""
        ending = None
        if _is_sse(answer):
            # The blank lines first: whatever half an event is out, ours begins on a line of its own.
            ending = answer.body.ended_with(b"\n\n" + errors.sse_event(problem))
        if ending is None:
            self.channel.reset()
        else:
            self.channel.write(ending)

    def _framed(self, answer: Answer) -> list[Field]:
        """The headers that say where the body ends; where none can, the connection's end does."""
        head, body = answer.head, answer.body
        if isinstance(body, Chunked | Enchunked):
            return [(b"Transfer-Encoding", b"chunked")]
        if self._method == "HEAD":
            return [(b"Content-Length", value) for value in head.values(b"content-length")[:1]]
        if isinstance(body, Counted):
            return [] if head.code in (204, 304) else [(b"Content-Length", b"%d" % body.length)]
        self.keep = False
        return []

    def _head(self, status: bytes, fields: list[Field]) -> bytes:
        fields += own_fields(self.reason)
        if self._minor == 1 and not self.keep:
            fields.append((b"Connection", b"close"))
        elif self._minor == 0 and self.keep:
            fields.append((b"Connection", b"keep-alive"))
        self.begun = True
        return heads.written(b"HTTP/1.%d %s" % (self._minor, status), fields)


def _is_sse(answer: Answer) -> bool:
    """Whether an event more can be read: it is a stream of events, and not a compressed one."""
    kinds = answer.head.tokens(b"content-type")
    events = bool(kinds) and kinds[0].partition(b";")[0].strip() == b"text/event-stream"
    return events and not answer.head.values(b"content-encoding")
