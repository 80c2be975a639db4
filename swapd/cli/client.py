"""A small client of the admin API. Whatever goes wrong comes out as Failed, in words.

It is made of the standard library alone: a verb that asks one question should not first load a web framework.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from swapd.cli.connect import KINDS, connect, unreachable
from swapd.cli.failure import Failed, NotAllowed
from swapd.cli.target import Target

QUICK = 30.0
"""Seconds of silence before answers that need no engine to start or stop."""
PREFLIGHT = 90.0
"""Seconds of silence while the daemon tries its new program."""
SILENCE = 45.0
"""Seconds after which a daemon that has sent no comment either is taken to be gone."""
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

    def unload(self, model: str, *, now: bool = False) -> dict[str, Any]:
        """``{"model", "state"}``, once its engine is gone. ``now``: what it serves is cut."""
        return self._ask("POST", f"/admin/models/{_part(model)}/unload{'?now=1' * now}", None)

    def pin(self, model: str, *, pinned: bool = True) -> dict[str, Any]:
        """``{"model", "state", "pinned"}``: whether it is kept up from now on."""
        return self._ask("POST", f"/admin/models/{_part(model)}/{'pin' if pinned else 'unpin'}", QUICK)

    def unload_all(self, *, now: bool = False) -> dict[str, Any]:
        """``{"models", "state"}``, once every engine is gone."""
        return self._ask("POST", f"/admin/unload{'?now=1' * now}", None)

    def reload(self) -> dict[str, Any]:
        """What changed, or ``{"problems": [...]}``."""
        return self._ask("POST", "/admin/reload", QUICK, expected=(200, 422))

    def upgrade(self) -> int:
        """How often the daemon had executed itself anew before it does so now. Raises Failed if it cannot."""
        return int(self._ask("POST", "/admin/reload?exec=1", PREFLIGHT).get("execs", 0))

    def logs(
        self, model: str, lines: int, *, follow: bool, opened: Callable[[Callable[[], None]], None] | None = None
    ) -> Iterator[str]:
        """The text of the model's log, in pieces as they come. ``opened`` gets what ends it from elsewhere."""
        path = f"/admin/logs/{_part(model)}?tail={lines}&follow={int(follow)}"
        return self._follow(path, "text/plain", opened=opened)

    def explain(self, model: str) -> dict[str, Any]:
        """Why the model is, or is not, up."""
        return self._ask("GET", f"/admin/explain/{_part(model)}", QUICK)

    def events(self, tail: int, *, follow: bool) -> Iterator[dict[str, Any]]:
        """What happens, one object each, the last ``tail`` before now first; to the daemon's end if followed."""
        path = f"/admin/events?tail={tail}&follow={int(follow)}"
        return (event for _, event in self._frames(path, None))

    def live(self, tail: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The frames of ``/admin/live``, name and data, to the daemon's end. Silence raises Failed."""
        return self._frames(f"/admin/live?tail={tail}", SILENCE)

    def _frames(self, path: str, bound: float | None) -> Iterator[tuple[str, dict[str, Any]]]:
        rest = name = ""
        for piece in self._follow(path, "text/event-stream", bound):
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):  # our own daemon's: one line of data an event
                    yield name, self._understood(line[6:])

    def _follow(
        self,
        path: str,
        kind: str,
        bound: float | None = None,
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Iterator[str]:
        with self._open("GET", path, QUICK) as (answer, sock):
            if answer.status != 200 or not (answer.headers["Content-Type"] or "").startswith(kind):
                raise _refused(self._target, answer, answer.read())
            sock.settimeout(bound)  # without one, silence means that nothing happens
            if opened is not None:
                opened(partial(_hang_up, sock))
            yield from _texts(answer)

    def _ask(
        self, method: str, path: str, bound: float | None, expected: tuple[int, ...] = (200, 202)
    ) -> dict[str, Any]:
        with self._open(method, path, bound) as (answer, _):
            body = answer.read()
            if answer.status not in expected or answer.headers.get_content_type() != "application/json":
                raise _refused(self._target, answer, body)
            return self._understood(body)

    def _understood(self, data: bytes | str) -> dict[str, Any]:
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise Failed(f"cannot understand swapd at {self._target.url}: {error}") from None

    @contextmanager
    def _open(self, method: str, path: str, bound: float | None) -> Iterator[tuple[HTTPResponse, socket]]:
        headers = _headers(self._target)
        connection, prefix = connect(self._target)
        try:
            sock: socket = connection.sock  # an answer that ends with the connection takes it away
            sock.settimeout(bound)
            connection.request(method, prefix + path, headers=headers)
            yield connection.getresponse(), sock
        except (HTTPException, OSError) as error:
            if isinstance(error, TimeoutError) and bound is not None:
                raise unreachable(self._target, f"no answer within {bound:g} s") from None
            raise _broken(self._target, error) from None
        finally:
            connection.close()


@contextmanager
def reading(target: Target) -> Iterator[None]:
    """For the block that shows an answer: if it lacks what ours have, or has it otherwise, raises Failed."""
    try:
        yield
    except UnicodeError:
        raise  # that is about where it is shown
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        text = f"cannot read the answer of {target.url}: it is not swapd's, or not this version's"
        raise Failed(text) from error


def message_of(body: bytes) -> str | None:
    """The message inside an error in OpenAI's shape, None if it is something else."""
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError):
        return None


def _headers(target: Target) -> dict[str, bytes]:
    """What proves who asks. Raises Failed, without the key in it, if no header can carry the key."""
    key = (target.key or "").strip()
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in key):
        raise Failed(
            "cannot send the operator's key: it has a line break or another control character in it\n"
            "Look at $SWAPD_ADMIN_KEY, or at admin.key in the config."
        )
    return {"Authorization": f"Bearer {key}".encode(errors="surrogateescape")} if key else {}


def _hang_up(sock: socket) -> None:
    """End what another thread reads there."""
    with suppress(OSError):
        sock.shutdown(SHUT_RDWR)


def _texts(answer: HTTPResponse) -> Iterator[str]:
    # By pieces: a line may be longer than any buffer, and a character may be cut by the end of a piece.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while piece := answer.read1(PIECE):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _part(name: str) -> str:
    return quote(name, safe="", errors="surrogateescape")


def _refused(target: Target, answer: HTTPResponse, body: bytes) -> Failed:
    message = message_of(body)
    if (elsewhere := answer.headers["Location"]) and 300 <= answer.status < 400:
        text = f"cannot ask swapd: {target.url} answers with a redirect to {elsewhere}"
        base = _moved_to(target, elsewhere)
        return Failed(f"{text}; use {base} as --url" if base else f"{text}: is this a swapd?")
    if message is None:
        kind = f"HTTP {answer.status}, {answer.headers.get_content_type()}"
        return Failed(f"cannot understand the answer of {target.url} ({kind}): is this a swapd?")
    if answer.status == 401:
        return NotAllowed(f"{message}\nGive it as $SWAPD_ADMIN_KEY, or point -c to the daemon's config.")
    if answer.status == 404 and (base := target.url.rstrip("/").removesuffix("/v1")) != target.url.rstrip("/"):
        return Failed(f"{message}\nThe operator's doors are not under /v1: use {base} as --url.")
    return NotAllowed(message) if answer.status == 403 else Failed(message)


def _moved_to(target: Target, elsewhere: str) -> str | None:
    """The URL to use instead; None if the same door is not to be found there (a login, a circle)."""
    try:
        there = urlsplit(urljoin(target.url, elsewhere))
    except ValueError:
        return None
    prefix, admin, _ = there.path.rpartition("/admin/")  # the rest of the path is ours, and comes of itself
    base = f"{there.scheme}://{there.netloc}{prefix}"
    known = there.scheme in KINDS and there.netloc and admin
    return base if known and base != target.url.rstrip("/") else None


def _broken(target: Target, error: Exception) -> Failed:
    """The connection was there, and something became of it."""
    if isinstance(error, RemoteDisconnected):
        return Failed(f"cannot reach swapd at {target.url}: it closed the connection unanswered; is that a swapd?")
    if isinstance(error, OSError | IncompleteRead):
        silent = isinstance(error, TimeoutError)  # the kernel's own: what we wait for here may take its time
        what = "nothing comes from there any more" if silent else "it closed the connection"
        return Failed(f"cannot hear swapd at {target.url} any longer: {what}")
    hint = "is it a swapd, and is it http there, not https?"
    return Failed(f"cannot understand what answers at {target.url}: it does not speak HTTP; {hint}")
