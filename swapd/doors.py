"""Opening the listening sockets, with errors that say which address and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Sequence
from pathlib import Path

from swapd.core.settings import Address

ANSWER_BOUND = 1.0
"""Seconds to wait for whoever may listen on a Unix socket that is there already."""
SPARE = 256
"""File descriptors kept for engines, logs and files, of those that connections may not take."""
_CALLED = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By what one calls who listens everywhere."""


class CannotListen(Exception):
    """An address could not be had; the message says which, why, and what to do."""


def open_sockets(addresses: Sequence[Address]) -> list[socket.socket]:
    """Bind them all, or none. Raises CannotListen."""
    opened: list[socket.socket] = []
    for address in addresses:
        try:
            opened.append(_bind(address))
        except OSError as error:
            for sock in opened:
                sock.close()
            reason = error.strerror or str(error)
            text = f"cannot listen on {address}: {reason}; is swapd running already? See `listen` in the config"
            raise CannotListen(text) from error
    return opened


def try_to_listen(address: Address) -> bool:
    """Whether a swapd answers there already; False: it could be had. Changes nothing. Raises CannotListen."""
    if _is_ours(address):
        return True
    if address.path is not None:
        if (why := _taken(Path(address.path))) is not None:
            raise CannotListen(f"cannot listen on {address}: {why}; see `listen` in the config")
        return False
    open_sockets([address])[0].close()
    return False


def _taken(path: Path) -> str | None:
    """Why no Unix socket could be made there."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"no file can be made in {path.parent}"
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(ANSWER_BOUND)
            return None if sock.connect_ex(str(path)) == errno.ECONNREFUSED else "another process answers there"
    return "there is a file already" if path.exists() or path.is_symlink() else None


def _is_ours(address: Address) -> bool:
    """Whether who answers there speaks as swapd does: with an id for each request."""
    ask = b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"
    where: str | tuple[str, int] = address.path or (_CALLED.get(address.host, address.host), address.port)
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock, contextlib.suppress(OSError):
        sock.settimeout(ANSWER_BOUND)
        sock.connect(where)
        sock.sendall(ask)
        return b"\r\nX-Request-ID: " in sock.recv(1 << 12)
    return False


def remove_files(paths: Sequence[str]) -> None:
    """Remove the files of the Unix sockets that ``open_sockets`` made."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def files_of(sockets: Sequence[socket.socket]) -> list[str]:
    """The paths of those that are Unix sockets."""
    return [sock.getsockname() for sock in sockets if sock.family == socket.AF_UNIX]


def most_connections() -> int:
    """How many clients the process can hold at once, each with a connection to its engine.

    The soft limit on open files is raised to the hard one first: the usual 1024 is less than a busy box needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return max(1, (soft - SPARE) // 2) if soft != resource.RLIM_INFINITY else 1 << 30


def url_of(sock: socket.socket) -> str:
    """What a client would use: ``http://host:port``, or ``unix:/path``."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(address: Address) -> socket.socket:
    if address.path is not None:
        return _bind_unix(Path(address.path))
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # The protocol said: asyncio turns Nagle's algorithm off only where it knows that it is TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: Path) -> socket.socket:
    """Take over a socket file that nobody answers behind; never one that somebody does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            sock.settimeout(ANSWER_BOUND)
            if sock.connect_ex(str(path)) != errno.ECONNREFUSED:
                raise OSError("another process answers there")
            path.unlink()
            sock.close()
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(path))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock
