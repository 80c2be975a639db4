"""Both ends of a conversation, byte by byte: a client that reads strictly, and an engine that plays a script."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

BOUND = 15.0
"""Seconds after which whoever waits for a byte gives up: the test fails."""
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class Cut(Exception):
    """The other side ended before the message was complete; ``part`` is what came of its body."""

    def __init__(self, part: bytes = b"") -> None:
        super().__init__(f"cut after {len(part)} bytes of the body")
        self.part = part


@dataclass
class Message:
    """A request or an answer. ``framing``: ``none``, ``length``, ``chunked``, or ``close``."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    framing: str = "none"

    @property
    def status(self) -> int:
        version, code, _ = self.start.split(" ", 2)
        assert re.fullmatch("HTTP/[0-9].[0-9]", version), self.start
        assert re.fullmatch("[1-5][0-9][0-9]", code), self.start
        return int(code)

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The value of a header that is there at most once."""
        found = self.all(name)
        assert len(found) <= 1, (name, found)
        return found[0] if found else ""


async def tick(turns: int = 3) -> None:
    """Let the loop look at its sockets: what was written is read by the other side, on its own."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def read_message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Message | None:
    """One message, or None at the end of the connection. ``bodiless``: the answer to a HEAD.

    Raises Cut, and AssertionError for anything that is not HTTP/1.1 to the letter.
    """
    async with asyncio.timeout(BOUND):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Cut from None
            return None
        except ConnectionError:
            raise Cut from None
        message = _parsed(head)
        answers = message.start.startswith("HTTP/")
        if answers and (bodiless or message.status in (204, 304) or message.status < 200):
            return message
        try:
            await _read_body(reader, message, answers)
        except asyncio.IncompleteReadError as error:
            raise Cut(message.body + error.partial) from None
        except ConnectionError:
            raise Cut(message.body) from None
        return message


def _parsed(head: bytes) -> Message:
    start, *lines = head[:-4].split(b"\r\n")
    assert not re.search(rb"[\x00-\x1f\x7f]", start), head
    headers = []
    for line in lines:
        match = _HEADER.fullmatch(line)
        assert match, head
        headers.append((match[1].decode(), match[2].decode("latin-1")))
    return Message(start.decode("latin-1"), headers)


async def _read_body(reader: asyncio.StreamReader, message: Message, answers: bool) -> None:
    length, coding = message.get("Content-Length"), message.get("Transfer-Encoding")
    assert not (length and coding), "both Content-Length and Transfer-Encoding"
    if coding:
        assert coding.lower() == "chunked"
        message.framing = "chunked"
        await _read_chunks(reader, message)
    elif length:
        assert re.fullmatch("[0-9]+", length)
        message.framing = "length"
        message.body = await reader.readexactly(int(length))
    elif answers:
        message.framing = "close"
        message.body = await reader.read()


async def _read_chunks(reader: asyncio.StreamReader, message: Message) -> None:
    parts: list[bytes] = []
    try:
        while True:
            match = _CHUNK.fullmatch((await reader.readuntil(b"\r\n"))[:-2])
            assert match, "no chunk size"
            if not (size := int(match[1], 16)):
                break
            data = await reader.readexactly(size + 2)
            assert data.endswith(b"\r\n"), "a chunk that is longer than its size"
            parts.append(data[:-2])
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            assert _HEADER.fullmatch(line[:-2]), "no trailer"
    finally:
        message.body = b"".join(parts)


class End:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await tick()

    async def rest(self) -> bytes:
        """Everything until the other side ends; a reset is an end."""
        parts: list[bytes] = []
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(BOUND):
                while piece := await self.reader.read(1 << 16):
                    parts.append(piece)
        return b"".join(parts)

    def finish(self) -> None:
        """Half-close: nothing more will be said, but read."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Close, and wait for it."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Caller(End):
    """A client's end."""

    async def answer(self, *, bodiless: bool = False) -> Message:
        """The next answer, interim ones too."""
        message = await read_message(self.reader, bodiless=bodiless)
        if message is None:
            raise Cut
        return message


@contextlib.asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    """A connection to the front door."""
    caller = Caller(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 26))
    try:
        yield caller
    finally:
        await caller.closed()


class Line(End):
    """A connection as the engine has it."""

    def __init__(self, engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.n = len(engine.lines) + 1
        self._engine = engine

    async def request(self) -> Message | None:
        """The next request, whole; None when there will be none."""
        try:
            message = await read_message(self.reader)
        except Cut:
            return None
        if message is not None:
            self._engine.heard.append(message)
        return message

    async def left(self) -> None:
        """Wait until the other side has closed."""
        await self.rest()
        self._engine.gone.set()


Talk = Callable[[Line], Awaitable[None]]


@dataclass
class Engine:
    """A server whose every connection is one run of ``talk``; when that returns, the connection closes."""

    talk: Talk
    heard: list[Message] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        line = Line(self, reader, writer)
        self.lines.append(line)
        try:
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
                await self.talk(line)
                await line.closed()
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def close(self) -> None:
        """End every conversation where it stands."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.sleep(0)
        await tick()

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.heard]


def replies(*pieces: bytes) -> Talk:
    """Every request is answered by these pieces, each in a segment of its own; the connection stays."""

    async def talk(line: Line) -> None:
        while await line.request() is not None:
            await line.send(*pieces)

    return talk


def plain(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of known length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes, kind: bytes = b"application/json") -> bytes:
    """An answer in chunks, without the last, empty one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


LAST = b"0\r\n\r\n"
CHAT = b'{"model": "alpha"}'
STREAM = b'{"model": "alpha", "stream": true}'


def post(body: bytes = CHAT, *headers: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    """A request as any client makes it."""
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
