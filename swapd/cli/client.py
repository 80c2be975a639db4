"""A small client of the admin API. Whatever goes wrong comes out as Failed, in words.

It is made of the standard library alone: a verb that asks one question should not first load a web framework.
"""

from __future__ import annotations

import codecs
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from swapd.cli.failure import Failed
from swapd.cli.target import Target

CONNECT, QUICK = 5.0, 30.0
"""Seconds to connect, and of silence before answers that need no engine to start or stop."""
PIECE = 1 << 16
"""Bytes at a time of what is followed."""


class Admin:
    """One daemon's operator doors. ``bound`` is in seconds; None waits as long as the engines' own bounds."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def status(self) -> dict[str, Any]:
        """The status object (DESIGN 5)."""
        return self._ask("GET", "/admin/status", QUICK)

    def load(self, model: str, *, wait: bool = True) -> dict[str, Any]:
        """``{"model", "state"}``: the model's own name, and ``ready``, or its state if not waited for."""
        return self._ask("POST", f"/admin/models/{_part(model)}/load?wait={int(wait)}", None)

    def unload(self, model: str) -> dict[str, Any]:
        """``{"model", "state"}``, once its engine is gone."""
        return self._ask("POST", f"/admin/models/{_part(model)}/unload", None)

    def unload_all(self) -> dict[str, Any]:
        """``{"models", "state"}``, once every engine is gone."""
        return self._ask("POST", "/admin/unload", None)

    def reload(self) -> dict[str, Any]:
        """What changed, or ``{"problems": [...]}``."""
        return self._ask("POST", "/admin/reload", QUICK, expected=(200, 422))

    def logs(self, model: str, lines: int, *, follow: bool) -> Iterator[str]:
        """The text of the model's log, in pieces as they come."""
        return self._follow(f"/admin/logs/{_part(model)}?tail={lines}&follow={int(follow)}")

    def explain(self, model: str) -> dict[str, Any]:
        """Why the model is, or is not, up."""
        return self._ask("GET", f"/admin/explain/{_part(model)}", QUICK)

    def events(self, tail: int, *, follow: bool) -> Iterator[dict[str, Any]]:
        """What happens, one object each, the last ``tail`` before now first; to the daemon's end if followed."""
        rest = ""
        for piece in self._follow(f"/admin/events?tail={tail}&follow={int(follow)}"):
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                if line.startswith("data: "):  # our own daemon's: one line of data an event
                    yield self._understood(line[6:])

    def _follow(self, path: str) -> Iterator[str]:
        with self._open("GET", path, None) as answer:
            if answer.status != 200:
                raise _refused(self._target, answer, answer.read())
            yield from _texts(answer)

    def _ask(
        self, method: str, path: str, bound: float | None, expected: tuple[int, ...] = (200, 202)
    ) -> dict[str, Any]:
        with self._open(method, path, bound) as answer:
            body = answer.read()
            if answer.status not in expected or answer.headers.get_content_type() != "application/json":
                raise _refused(self._target, answer, body)
            return self._understood(body)

    def _understood(self, data: bytes | str) -> dict[str, Any]:
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Failed(f"cannot understand swapd at {self._target.url}: {error}") from None

    @contextmanager
    def _open(self, method: str, path: str, bound: float | None) -> Iterator[HTTPResponse]:
        connection, prefix = _connect(self._target)
        headers = {"Authorization": f"Bearer {self._target.key}".encode()} if self._target.key else {}
        try:
            connection.sock.settimeout(bound)
            connection.request(method, prefix + path, headers=headers)
            yield connection.getresponse()
        except TimeoutError:
            raise _unreachable(self._target, f"no answer within {bound:g} s") from None
        except (HTTPException, OSError) as error:
            raise _broken(self._target, error) from None
        finally:
            connection.close()


class _Unix(HTTPConnection):
    """Over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CONNECT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT)
        self.sock.connect(self._path)


def message_of(body: bytes) -> str | None:
    """The message inside an error in OpenAI's shape, None if it is something else."""
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


def _connect(target: Target) -> tuple[HTTPConnection, str]:
    """An open connection, and what every path begins with. Raises Failed."""
    connection: HTTPConnection
    if target.url.startswith("unix:"):
        connection, prefix = _Unix(target.url.removeprefix("unix:").removeprefix("//")), ""
    else:
        connection, prefix = _over_tcp(target)
    try:
        connection.connect()
    except TimeoutError:
        raise _unreachable(target, f"no answer within {CONNECT:g} s") from None
    except UnicodeError:  # the name of no host
        raise _no_url(target) from None
    except OSError as error:
        raise _unreachable(target, _reason(error)) from None
    return connection, prefix


def _over_tcp(target: Target) -> tuple[HTTPConnection, str]:
    try:
        url = urlsplit(target.url)
        kind = {"http": HTTPConnection, "https": HTTPSConnection}[url.scheme]
        if not url.hostname:
            raise _no_url(target)
        return kind(url.hostname, url.port, timeout=CONNECT), url.path.rstrip("/")
    except (ValueError, KeyError, HTTPException):
        raise _no_url(target) from None


def _texts(answer: HTTPResponse) -> Iterator[str]:
    # By pieces: a line may be longer than any buffer, and a character may be cut by the end of a piece.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while piece := answer.read1(PIECE):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _part(name: str) -> str:
    return quote(name, safe="")


def _refused(target: Target, answer: HTTPResponse, body: bytes) -> Failed:
    message = message_of(body)
    if message is None:
        kind = f"HTTP {answer.status}, {answer.headers.get_content_type()}"
        return Failed(f"cannot understand the answer of {target.url} ({kind}): is this a swapd?")
    if answer.status == 401:
        return Failed(f"{message}\nGive it as $SWAPD_ADMIN_KEY, or point -c to the daemon's config.")
    return Failed(message)


def _unreachable(target: Target, reason: str) -> Failed:
    text = f"cannot reach swapd at {target.url}: {reason}; is it running? start it with `swapd serve`"
    return Failed(f"{text}\n({target.doubt})" if target.doubt else text)


def _no_url(target: Target) -> Failed:
    return Failed(f"cannot reach swapd at {target.url}: that is no URL; write it like http://host:port")


def _broken(target: Target, error: Exception) -> Failed:
    """The connection was there, and something became of it. Not all that is no HTTP says so in words."""
    if isinstance(error, OSError | IncompleteRead):
        return Failed(f"cannot hear swapd at {target.url} any longer: it closed the connection")
    return Failed(f"cannot talk to swapd at {target.url}: {error or type(error).__name__}")


def _reason(error: OSError) -> str:
    """``connection refused``."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error)
