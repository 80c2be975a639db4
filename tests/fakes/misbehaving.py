"""Answers that break HTTP's rules, or keep them in a way that few do: ``manner`` in a request's body names one."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time

ABRUPT = struct.pack("ii", 1, 0)
"""Closing then sends RST."""
STILL_RIGHT = ("early-hints", "many-headers", "byte-by-byte", "closes-untold", "trailers", "dies-at-the-end")
"""What comes is whole all the same."""
WRONG = ("half-a-head", "no-http", "too-short", "bad-chunk", "huge-header", "reset", "says-nothing")
"""No answer can be made of these."""
MANNERS = (*STILL_RIGHT, *WRONG)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Over(OSError):
    """The connection is to be closed now."""


def answer(sock: socket.socket, manner: str, body: bytes) -> None:
    """Answer with ``body`` in that manner. Raises Over where the connection is over."""
    length = HEAD + b"Content-Length: %d\r\n" % len(body)
    chunks = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
    match manner:
        case "early-hints":
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + length + b"\r\n" + body)
        case "many-headers":
            more = b"".join(b"Set-Cookie: n%d=1\r\n" % number for number in range(40))
            sock.sendall(length + more + b"\r\n" + body)
        case "byte-by-byte":
            for byte in length + b"\r\n" + body:
                sock.sendall(bytes([byte]))
                time.sleep(0.0005)
        case "closes-untold":
            sock.sendall(length + b"\r\n" + body)
            raise Over
        case "trailers":
            sock.sendall(chunks + b"0\r\nX-Checksum: none\r\n\r\n")
        case "dies-at-the-end":
            sock.sendall(length + b"\r\n" + body)
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            _wrongly(sock, manner, length, chunks, body)
            raise Over


def _wrongly(sock: socket.socket, manner: str, length: bytes, chunks: bytes, body: bytes) -> None:
    match manner:
        case "half-a-head":
            sock.sendall(HEAD[:30])
        case "no-http":
            sock.sendall(b"220 mail.example ESMTP\r\n")
        case "too-short":
            sock.sendall(length + b"\r\n" + body[: len(body) // 2])
        case "bad-chunk":
            sock.sendall(chunks + b"nonsense\r\n")
        case "huge-header":
            sock.sendall(length + b"X-Huge: " + b"x" * (1 << 20) + b"\r\n\r\n" + body)
        case "reset":
            sock.sendall(length + b"\r\n")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
