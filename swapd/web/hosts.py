"""Which names in a Host header are ours.

A web page may point a name of its own at 127.0.0.1 (DNS rebinding): to the browser we are that page's server then,
and it may read all we say. Only the Host tells. So who comes in by loopback has to call us by a name that nobody
else can own, or by one of the config's ``hosts``; with those set, everybody but Unix sockets has to.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

from swapd.web.errors import NOT_PERMITTED, Problem

UNIX, LOOPBACK, NETWORK = "unix", "loopback", "network"
"""How a connection came in."""
MOST = 1024
"""Values of Host that are remembered."""
_VALUE = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
_CONTAINERS = ("host.docker.internal", "host.containers.internal")
"""This machine, as Docker and Podman name it to containers. `internal` is no public domain (ICANN, 2024)."""


class Hosts:
    """``names``: those of the config, in lower case."""

    def __init__(self, names: Sequence[str]) -> None:
        self._everywhere = bool(names)
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._names = frozenset((*names, *_CONTAINERS, own, short, f"{short}.local"))
        self._known: set[bytes] = set()

    def check(self, host: bytes | None, by: str) -> None:
        """Whether a Host is ours, for a connection that came in ``by`` UNIX, LOOPBACK or the NETWORK.

        Without a Host (HTTP/1.0, or an empty one) it is no browser that asks. Raises Problem (403).
        """
        if host and host not in self._known and by != UNIX and (self._everywhere or by == LOOPBACK):
            self._look(host)

    def _look(self, host: bytes) -> None:
        text = host.decode("latin-1")
        if not self._is_ours(name_of(text)):
            advice = "if it is a name of this machine, add it to 'hosts' in the config; else ask by IP address"
            about = f"Host {text[:100]}"
            raise Problem(NOT_PERMITTED, f"cannot answer to the Host {text[:100]!r}: {advice}", about=about)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known.add(host)

    def _is_ours(self, name: str) -> bool:
        return name in self._names or is_localhost(name) or is_address(name)


def name_of(host: str) -> str:
    """A Host, or what follows the scheme of an origin, without its port; in lower case."""
    found = _VALUE.fullmatch(host.strip())
    return found[1].lower().removesuffix(".") if found is not None else ""


def is_localhost(name: str) -> bool:
    """Names that RFC 6761 keeps for loopback."""
    return name == "localhost" or name.endswith(".localhost")


def is_address(name: str) -> bool:
    """An IPv4 address, or an IPv6 one in brackets."""
    return address_of(name) is not None


def is_loopback(name: str) -> bool:
    """Of a name or address whether it is this machine to whoever uses it."""
    address = address_of(name)
    return is_localhost(name) or (address is not None and address.is_loopback)


def address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that is written so, None if none is. An IPv4 one in IPv6's clothes is that."""
    try:
        if name.startswith("["):
            six = ipaddress.IPv6Address(name[1:-1])
            return six.ipv4_mapped or six
        return ipaddress.IPv4Address(name)
    except ValueError:
        return None
