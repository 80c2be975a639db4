"""Readers of origins, of names that the front door has, and of proxies. Each raises ValueError."""

from __future__ import annotations

import ipaddress
import re

ANY = "*"
UNIX = "unix"
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LIKE = "https://chat.home.arpa or http://10.0.0.2:3000, with no '/' at its end and no '*' in it"
_USUAL = {"http": "80", "https": "443"}


def origin(text: str) -> str:
    """The origin of a web page as browsers write it (the Fetch standard), or ``*`` for all."""
    if text == ANY:
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"'{text}' is no origin: write it like {_LIKE}")
    if found[3] is not None and found[3] == _USUAL.get(found[1]):
        raise ValueError(f"'{text}' names the usual port, which browsers leave out: remove ':{found[3]}'")
    return found[0]


def host(text: str) -> str:
    """A name, in lower case."""
    found = _HOST.fullmatch(text.lower().removesuffix("."))
    if found is None:
        raise ValueError(f"'{text}' is no name of a host: write it like swapd.home.arpa, without a port")
    return found[0]


def proxy(text: str) -> str:
    """An address, a network, or ``unix`` for whoever comes in by a Unix socket."""
    if text == UNIX:
        return text
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{error}: write an address, a network like 192.168.0.0/24, or 'unix'") from None
