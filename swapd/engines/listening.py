"""The sockets that listen on a TCP port, as the kernel tells them, and who made them."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
"""Every socket of the machine, a line each: the kernel takes some 5 ms to write one, however few there are."""
LISTENING = 10
"""TCP_LISTEN of the kernel's tcp_states.h."""

# sock_diag(7), netlink(7); the numbers are those of linux/netlink.h and linux/sock_diag.h
_SOCK_DIAG = 4
_BY_FAMILY, _DUMP, _ERROR, _DONE = 20, 0x301, 2, 3
_HEAD, _ASK, _PORTS, _TOLD = (struct.Struct(form) for form in ("=IHHII", "=BBxxI", "!HH44x", "=II"))
_TOLD_AT = _HEAD.size + 64
"""Where an answer has the uid and the inode."""
_BOUND = 1.0


def listening_on(port: int) -> dict[str, int]:
    """What a descriptor of each such socket links to, and the uid of its maker. Empty where nobody tells us."""
    try:
        return {
            f"socket:[{inode}]": uid
            for family in (socket.AF_INET, socket.AF_INET6)
            for uid, inode in _asked(port, family)
        }
    except (OSError, AttributeError):  # no netlink: a sandbox, or not Linux
        return from_tables(port)


def _asked(port: int, family: int) -> Iterator[tuple[int, int]]:
    """The uid and the inode of each, in half a ms. Raises OSError."""
    body = _ASK.pack(family, socket.IPPROTO_TCP, 1 << LISTENING) + _PORTS.pack(port, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(_BOUND)
        netlink.sendto(_HEAD.pack(_HEAD.size + len(body), _BY_FAMILY, _DUMP, 1, 0) + body, (0, 0))
        while True:
            answer, at = netlink.recv(1 << 16), 0
            while at < len(answer):
                size, kind, *_ = _HEAD.unpack_from(answer, at)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError("the kernel does not tell")
                yield _TOLD.unpack_from(answer, at + _TOLD_AT)
                at += (size + 3) & ~3


def from_tables(port: int, tables: Collection[str] = TABLES) -> dict[str, int]:
    """The same, read. Raises OSError where nothing can be read at all: no descriptor left, say."""
    found = {}
    for table in tables:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            for line in Path(table).read_text().splitlines()[1:]:
                if f":{port:04X} " in line:
                    _, local, _, state, _, _, _, uid, _, inode = line.split()[:10]
                    if int(state, 16) == LISTENING and int(local.rpartition(":")[2], 16) == port:
                        found[f"socket:[{inode}]"] = int(uid)
    return found
