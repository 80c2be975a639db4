"""Who asks, where a proxy speaks for others. Only those that the config trusts are believed.

A proxy adds to the end of a list that its client may have begun; so the last address that is none of ours is the
one that somebody we trust has seen (X-Forwarded-For, and Forwarded of RFC 7239).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from swapd.web.heads import Field
from swapd.web.hosts import UNIX, address_of

ADDED = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"via", b"cf-connecting-ip", b"true-client-ip")
"""How the headers begin that a proxy adds, in lower case."""
REMEMBERED = 256


def added(fields: Iterable[Field]) -> tuple[Field, ...]:
    """Of a request's headers those that a proxy adds, their names in lower case."""
    return tuple((low, value) for name, value in fields if (low := name.lower()).startswith(ADDED))


class Proxies:
    """``trusted``: addresses and networks, or ``unix``."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._unix = UNIX in trusted
        self._networks = [ipaddress.ip_network(each) for each in trusted if each != UNIX]
        self.sender = lru_cache(maxsize=REMEMBERED)(self._sender)
        """The address of whoever asks by way of ``peer``, UNIX or an address, which has ``told`` so in headers.
        None, if that is not to be believed, or not told."""

    def is_https(self, peer: str, told: tuple[Field, ...]) -> bool:
        """Whether the client's own way to a proxy that is trusted was encrypted, as that says."""
        if not self._trusts(peer):
            return False
        values = [value.decode("latin-1").lower() for name, value in told if name == b"x-forwarded-proto"]
        steps = [value.decode("latin-1").lower() for name, value in told if name == b"forwarded"]
        ways = [dict(_pair(part) for part in step.split(";")).get("proto") for step in ",".join(steps).split(",")]
        return "https" in (*[each.strip() for each in ",".join(values).split(",")], *ways)

    def _sender(self, peer: str, told: tuple[Field, ...]) -> str | None:
        if not self._trusts(peer):
            return None
        ways = [chain for chain in (_x_forwarded_for(told), _forwarded(told)) if chain]
        found = {self._last_stranger(chain) for chain in ways}
        return found.pop() if len(found) == 1 else None  # a proxy writes but one; the other may be anybody's

    def _trusts(self, peer: str) -> bool:
        if peer == UNIX:
            return self._unix
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False  # it is gone
        mapped = address.ipv4_mapped if address.version == 6 else None
        return any((mapped or address) in network for network in self._networks)

    def _last_stranger(self, chain: list[str]) -> str | None:
        for text in reversed(chain):
            address = _address(text)
            if address is None or not self._trusts(address):
                return address
        return _address(chain[0])


def _x_forwarded_for(told: Iterable[Field]) -> list[str]:
    values = ",".join(value.decode("latin-1") for name, value in told if name == b"x-forwarded-for")
    return [each.strip() for each in values.split(",")] if values else []


def _forwarded(told: Iterable[Field]) -> list[str]:
    """What ``for=`` says in each step; one without it says nothing."""
    values = ",".join(value.decode("latin-1") for name, value in told if name == b"forwarded")
    steps = [dict(_pair(part) for part in step.split(";")) for step in values.split(",")]
    return [step.get("for", "") for step in steps] if values else []


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _address(text: str) -> str | None:
    """Of ``1.2.3.4``, ``1.2.3.4:5``, ``2001:db8::1`` or ``[2001:db8::1]:5`` the address."""
    host = text.partition("]")[0] + "]" if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    address = address_of(host if ":" not in host or host.startswith("[") else f"[{host}]")
    return None if address is None else str(address)
