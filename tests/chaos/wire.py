"""HTTP/1.1 by hand, so that a clean end and a cut are never taken for each other."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

LINGER_0 = struct.pack("ii", 1, 0)
"""Closing then sends RST."""


class Cut(Exception):
    """The connection ended where HTTP does not let it. The text says where: connect, head or body."""


class Connection:
    """One connection to the daemon, for one request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.used = False
        """Whether an answer came over it before."""
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    async def open(cls, port: int, buffer: int | None = None) -> Connection:
        """``buffer``: bytes that the kernel may hold for us. Raises Cut."""
        sock = socket.socket()
        sock.setblocking(False)
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=sock, limit=buffer or 1 << 16))
        except OSError as error:
            sock.close()
            raise Cut(f"connect: {error}") from error
        except BaseException:
            sock.close()
            raise

    async def send(self, data: bytes) -> None:
        """Raises Cut."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Cut(f"head: {error}") from error

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Send a request and read the head of its answer. Raises Cut."""
        await self.send(request(method, path, body))
        await self.read_head()

    async def read_head(self) -> None:
        """Sets ``status`` and ``headers``. Raises Cut."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Cut(f"head: {error}") from error
        first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        self.used = True

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes, to its end by length or chunks. Raises Cut."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                async for chunk in self._chunks():
                    yield chunk
            else:
                yield await self._reader.readexactly(int(self.headers.get("content-length", "0")))
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise Cut(f"body: {error!r}") from error

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readuntil(b"\r\n")

    async def json(self) -> Any:
        """The whole body. Raises Cut, ValueError."""
        return json.loads(b"".join([chunk async for chunk in self.body()]))

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self.headers.get("connection", "").lower() != "close" and not self._reader.at_eof()

    def end(self) -> None:
        """Send no more, and read on."""
        self._writer.write_eof()

    def close(self, reset: bool = False) -> None:
        """``reset``: by RST."""
        if reset and (sock := self._writer.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
            self._writer.transport.abort()
        self._writer.close()


def request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    """The bytes of a request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


async def fetch(port: int, method: str, path: str, bound: float = 10.0) -> tuple[int, Any]:
    """Status and JSON of one request on a connection of its own. Raises Cut, ValueError, TimeoutError."""
    async with asyncio.timeout(bound):
        connection = await Connection.open(port)
        try:
            await connection.ask(method, path)
            return connection.status, await connection.json()
        finally:
            connection.close()
