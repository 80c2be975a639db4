"""The little that is spoken with systemd: sd_notify datagrams and sockets handed over at start.

Both protocols are a few lines by sd_notify(3) and sd_listen_fds(3); the libraries for them either need a C
library or lack what we use.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

FIRST_FD = 3


def notify(environ: Mapping[str, str], *facts: str) -> None:
    """Tell the service manager (``READY=1``, ``STATUS=...``); does nothing where there is none."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    with sock, contextlib.suppress(OSError):  # a manager that went away is no reason to go too
        sock.sendto("\n".join(facts).encode(), address)


def listen_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets of a ``.socket`` unit, made non-inheritable so that no engine gets them."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    sockets = []
    for fd in range(FIRST_FD, FIRST_FD + int(environ.get("LISTEN_FDS", "0"))):
        os.set_inheritable(fd, False)
        sockets.append(socket.socket(fileno=fd))
    return sockets
