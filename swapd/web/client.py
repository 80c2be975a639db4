"""The way back to a client: the head of its answer, then bytes as they are, then an honest end."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple, Protocol

from swapd.core.settings import ClientKey
from swapd.web import errors, framing, heads
from swapd.web.errors import Dialect, Problem
from swapd.web.flow import Sink
from swapd.web.frames import GOING_AWAY
from swapd.web.framing import LAST_CHUNK, Chunked, Counted, Enchunked, Framing
from swapd.web.gate import Lease
from swapd.web.headers import JSON, client_lines, own_lines
from swapd.web.rechunked import Rechunked, chunk
from swapd.web.upstream import Answer
from swapd.web.visit import Visit

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
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
    by: str
    """Whether it came in by a Unix socket, loopback or the network, in the words of ``hosts``."""

    async def drained(self) -> None:
        """Return when the client has taken most of what was written."""


class Form(NamedTuple):
    """How it wants its answer. ``minor``: of its HTTP/1 version."""

    minor: int = 1
    method: str = "POST"
    dialect: Dialect = errors.openai


PLAIN = Form()


class Turn:
    """How far its request has come. Made for each one, so what it begins with is the class's.

    ``who``: the client by its key, where the config has clients. ``counted``: it is among those that it may ask
    for. ``streams``: it wants Server-Sent Events. ``again``: it may be asked once more, as it has heard nothing.
    ``ended``: why it is ended before its time. ``lease``: what answered it, or is about to. ``reason``: what it
    waited for last: a swap, a load or the busy.
    """

    who: ClientKey | None = None
    counted: bool = False
    streams: bool = False
    again: bool = False
    ended: Problem | None = None
    lease: Lease | None = None
    reason: str = ""


class Client:
    """Whoever waits for one answer, and how it wants it."""

    def __init__(
        self, channel: Channel, form: Form = PLAIN, *, keep: bool = True, visit: Visit | None = None
    ) -> None:
        """``keep``: whether its connection is to be kept."""
        self.visit = Visit(b"", "", "", 0.0) if visit is None else visit
        self.turn = Turn()
        self.channel = channel
        self.keep = keep
        self.begun = False
        self.status = 0
        """Of its answer, as the engine or we ourselves gave it; 0 until that begins, with whatever comments."""
        self._form = form

    @property
    def name(self) -> str:
        """By what it is told apart from others: its name in the config, or its address."""
        return self.turn.who.name if self.turn.who is not None else self.visit.sender

    def tokens(self) -> int:
        """What its request took, as far as the engine told."""
        usage = self.turn.lease.usage if self.turn.lease is not None else None
        return usage.tokens if usage is not None else 0

    def head_of(self, answer: Answer, notes: bytes) -> bytes:
        """How an engine's answer begins for it, with notes of our own; from now on it has begun.

        Where comments have begun it already, the notes are comments too: only a stream of events may follow those.
        """
        self.status = answer.head.code
        if self.begun:
            answer.body = self._reframed(framing.plain(answer.body))
            return self._late(notes) + (LAST_CHUNK if answer.body.over and self._form.minor else b"")
        if self._form.minor == 0:
            answer.body = framing.plain(answer.body)
        head = answer.head
        framed = self._framed(answer)
        return self._head(b"%d %s" % (head.code, head.reason), client_lines(head), notes, framed)

    def stream_of(self, body: Framing, kind: bytes, notes: bytes) -> tuple[Framing, bytes]:
        """``body``, a stream of our own making, in a framing for it; and how that begins. It has begun now."""
        head = self._late(notes) if self.begun else self._opening(kind, notes)
        self.status = HTTPStatus.OK
        return self._reframed(body), head

    def comment(self, words: bytes) -> None:
        """Show an SSE client that it is not forgotten; the first comment begins its answer."""
        head = b"" if self.begun else self._opening(b"text/event-stream")
        self.channel.write(head)
        self.more(b": %s\n\n" % words)

    def switched(self, answer: Answer, notes: bytes) -> bytes:
        """The same for an engine that has switched protocols: then no request of the client's can follow."""
        head = answer.head
        upgrade = heads.lines([(b"Connection", b"Upgrade"), *((b"Upgrade", to) for to in head.values(b"upgrade"))])
        self.status = head.code
        self.keep = True  # nothing else is to be said of the connection
        start = self._head(b"%d %s" % (head.code, head.reason), client_lines(head), notes, upgrade)
        self.keep = False
        return start

    def refuse(self, problem: Problem) -> None:
        """Send the whole of an answer that says no."""
        more = heads.lines((name.encode(), value.encode()) for name, value in problem.headers.items())
        self.visit.code, self.visit.about = problem.form.code, problem.about
        self.whole(problem.form.status, self._form.dialect(problem), more)

    def fail(self, problem: Problem) -> None:
        """The same of whatever kept its answer from coming or from ending: one that is under way is broken off."""
        if self.status:
            self.channel.reset()
        else:
            self.refuse(problem)

    def whole(self, code: int, body: bytes, notes: bytes = b"") -> None:
        """Send the whole of an answer in JSON: as an event that ends the stream, where comments have begun one."""
        self.status = code
        if self.begun:
            event = errors.as_event(body, self._form.dialect)
            self.channel.write(chunk(event) + LAST_CHUNK if self._form.minor else event)
        else:
            start = f"{code} {_PHRASES.get(code, '')}".encode()
            self.channel.write(self._head(start, JSON, notes, _counted(len(body))) + body)

    def more(self, words: bytes) -> None:
        """Send a piece of a stream of our own making."""
        self.channel.write(chunk(words) if self._form.minor else words)

    def cut(self, answer: Answer, problem: Problem) -> None:
        """The answer broke off. An SSE client is told by an event, one of a websocket by its closing frame.

        Any other, and one in the middle of a frame, is told by a broken connection.
        """
        self.visit.code, self.visit.about = problem.form.code, problem.about
        ending = None
        if answer.is_events:
            # The blank lines first: whatever half an event is out, ours begins on a line of its own.
            ending = answer.body.ended_with(b"\n\n" + errors.sse_event(problem, self._form.dialect))
        elif self.status == HTTPStatus.SWITCHING_PROTOCOLS:
            ending = answer.body.ended_with(GOING_AWAY)
        if ending is None:
            self.channel.reset()
        else:
            self.channel.write(ending)

    def _opening(self, kind: bytes, notes: bytes = b"") -> bytes:
        """The head of a stream of our own making, whose end its framing tells, or that of the connection."""
        lines = b"Content-Type: %s\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n" % kind
        self.keep = self.keep and self._form.minor > 0
        return self._head(b"200 OK", lines, notes, b"Transfer-Encoding: chunked\r\n" if self._form.minor else b"")

    def _late(self, notes: bytes) -> bytes:
        """Headers that came too late for the head, each as a comment."""
        words = b"".join(b": %s\n" % line for line in notes.splitlines()) + b"\n"
        return chunk(words) if self._form.minor else words

    def _reframed(self, body: Framing) -> Framing:
        return Rechunked(body) if self._form.minor else body

    def _framed(self, answer: Answer) -> bytes:
        """The header that says where the body ends; where none can, the connection's end does."""
        head, body = answer.head, answer.body
        if isinstance(body, Chunked | Enchunked):
            return b"Transfer-Encoding: chunked\r\n"
        if self._form.method == "HEAD":
            return b"".join([b"Content-Length: %s\r\n" % length for length in set(head.tokens(b"content-length"))])
        if isinstance(body, Counted):
            return b"" if head.code in (204, 304) else _counted(body.length)
        self.keep = False
        return b""

    def _head(self, status: bytes, *lines: bytes) -> bytes:
        self.begun = True
        self.visit.status = status
        return b"HTTP/1.%d %s\r\n%s%s%s%s\r\n" % (
            self._form.minor,
            status,
            b"".join(lines),
            self.visit.lines,
            own_lines(self.turn.reason),
            _CONNECTION[self._form.minor, self.keep],
        )


def _counted(length: int) -> bytes:
    return b"Content-Length: %d\r\n" % length
