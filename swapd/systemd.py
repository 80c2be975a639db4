"""The little that is spoken with systemd: sd_notify datagrams and sockets handed over at start.

Both protocols are a few lines by sd_notify(3) and sd_listen_fds(3); the libraries for them either need a C
library or lack what we use. What is told while we live is the ``manager``'s.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Mapping, MutableMapping

log = logging.getLogger("swapd")
FIRST_FD = 3
HTTP = "http"
"""What our own ``.socket`` unit calls its sockets (``FileDescriptorName``)."""
_HANDED = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def notify(environ: Mapping[str, str], *facts: str) -> None:
    """Tell the service manager (``READY=1``, ``STATUS=...``); does nothing where there is none."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    with sock, contextlib.suppress(OSError):  # a manager that went away, or is behind, is no reason to go too
        sock.sendto("\n".join(facts).encode(), address)


def listen_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The listening sockets of a ``.socket`` unit, made non-inheritable so that no engine gets them.

    Taken are those called ``http``, and those of a unit that gives them no name of its own. Anything else is
    closed, and told. They are handed over once: the variables that tell of them are gone from ``environ``
    then, or whatever we become by an execve would take the numbers for its own.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":") if environ.get("LISTEN_FDNAMES") else []
    names += ["unknown"] * (count - len(names))
    for name in _HANDED:
        environ.pop(name, None)
    handed = [_taken(FIRST_FD + n, names[n]) for n in range(count)]
    return [sock for sock in handed if sock is not None]


def _taken(fd: int, name: str) -> socket.socket | None:
    """The descriptor as a socket that listens for us; closed if it is none."""
    os.set_inheritable(fd, False)
    named = name in {HTTP, "unknown"} or name.endswith(".socket")  # sd_listen_fds_with_names(3): the unit's name
    if named and _listens(fd):
        return socket.socket(fileno=fd)
    log.warning("systemd handed over '%s', which is no socket that listens for HTTP: closing it", name)
    os.close(fd)
    return None


def _listens(fd: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            is_stream = sock.type == socket.SOCK_STREAM
            return is_stream and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # it is no socket at all
        return False
