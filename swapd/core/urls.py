"""The address of a server that somebody else runs, as an endpoint."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from swapd.core.engine import PORTS, Endpoint

_NAME = r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?"
_PATH = r"(?:/[A-Za-z0-9._~!$&'()*+,;=:%-]*)*"
_URL = re.compile(rf"(https?)://(?:\[([0-9A-Fa-f:.]+)\]|({_NAME}))(?::(\d{{1,5}}))?({_PATH})", re.ASCII)
_ASKED = re.compile(
    r"(?:/chat/completions|/api/(?:chat|generate)|(?<=/v1)/(?:completions|embeddings|responses|messages|models))/?$"
)
"""What an example request ends with, where a base URL is copied from one."""


def endpoint_of(url: str, key: str = "") -> Endpoint:
    """``https://host:8443/openai/v1``: the ``/v1`` at its end, which our own paths have, is cut off.

    Raises ValueError with the advice; it shows nothing that may be a secret.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(_no_url(url))
    scheme, six, name, port, path = match.groups()
    if six:
        IPv6Address(six)  # its ValueError names what is wrong
    tls = scheme == "https"
    number = int(port) if port else PORTS[tls]
    if not 0 < number < 1 << 16:
        raise ValueError(f"there is no port {port}: they go from 1 to 65535")
    if pasted := _ASKED.search(path):
        raise ValueError(f"ends with the path of a request, which swapd adds itself: leave '{pasted[0]}' out")
    prefix = path.rstrip("/").removesuffix("/v1").rstrip("/")
    return Endpoint(six or name, number, tls=tls, prefix=prefix, key=key)


def _no_url(url: str) -> str:
    if "@" in url:
        return "holds a user or a password: leave them out, and give the key as 'api_key'"
    if "?" in url or "#" in url:
        return "holds a query or a fragment: leave it out, and give a key as 'api_key'"
    return f"'{url}' is no address of a server: write it like http://192.168.1.20:1234 or https://host/v1"
