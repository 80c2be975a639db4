"""The way to a daemon: over TCP, TLS or a Unix socket; and words for what keeps a connection from being made."""

from __future__ import annotations

import os
import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlsplit

from swapd.cli.failure import Failed
from swapd.cli.target import Target

CONNECT = 5.0
"""Seconds to connect."""
KINDS = {"http": (HTTPConnection, 80), "https": (HTTPSConnection, 443)}
"""Scheme -> how to connect, and the port if the URL has none."""


class _Unix(HTTPConnection):
    """Over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CONNECT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT)
        self.sock.connect(self._path)


def connect(target: Target) -> tuple[HTTPConnection, str]:
    """An open connection, and what every path begins with. Raises Failed."""
    connection: HTTPConnection
    if target.url.startswith("unix:"):
        connection, prefix = _Unix(target.url.removeprefix("unix:").removeprefix("//")), ""
    else:
        connection, prefix = _over_tcp(target)
    try:
        connection.connect()
    except OSError as error:
        connection.close()
        raise _not_connected(target, error) from None
    except UnicodeError:  # the name of no host
        raise _no_url(target) from None
    return connection, prefix


def unreachable(target: Target, reason: str, what: str = "is it running? start it with `swapd serve`") -> Failed:
    """Nobody is there, or nobody who answers; ``what`` to do next."""
    text = f"cannot reach swapd at {target.url}: {reason}; {what}"
    return Failed(f"{text}\n({target.doubt})" if target.doubt else text)


def _not_connected(target: Target, error: OSError) -> Failed:
    if isinstance(error, TimeoutError):
        return unreachable(target, f"no answer within {CONNECT:g} s")
    if isinstance(error, ssl.SSLError):
        return _no_tls(target, error)
    if isinstance(error, PermissionError):
        return unreachable(
            target, _reason(error), "ask as the user that it runs as, or one whom its socket lets in"
        )
    return unreachable(target, _reason(error))


def _over_tcp(target: Target) -> tuple[HTTPConnection, str]:
    try:
        url = urlsplit(target.url)
        kind, usual = KINDS[url.scheme]
        if not url.hostname:
            raise _no_url(target)
        # Without a port, http.client would take the end of an IPv6 address for one.
        port = usual if url.port is None else url.port
        return kind(url.hostname, port, timeout=CONNECT), quote(url.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    except (ValueError, KeyError, HTTPException):
        raise _no_url(target) from None


def _no_url(target: Target) -> Failed:
    return Failed(f"cannot reach swapd at {target.url}: that is no URL; write it like http://host:port")


def _no_tls(target: Target, error: ssl.SSLError) -> Failed:
    """Its number is OpenSSL's: what the system calls that number is something else."""
    why = (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"{why}: {error.verify_message.rstrip('.')}"
    hint = "is it https there, with a certificate that this machine trusts?"
    return Failed(f"cannot reach swapd at {target.url}: TLS failed: {why}; {hint}")


def _reason(error: OSError) -> str:
    """``connection refused``."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error)
