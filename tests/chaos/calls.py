"""One request of each kind, and what came of it, looked at piece by piece."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swapd.web import errors
from tests.chaos.wire import Connection, Cut, request

WORDED = {
    (form.status, form.code)
    for form in (*errors.BY_REASON.values(), *vars(errors).values())
    if isinstance(form, errors.Form) and form is not errors.INTERNAL
}
"""Every way in which swapd may say no. A bug of its own is none."""
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. ``words``: what the engine is to say, the model's name first; ``leave_after`` so many pieces."""

    kind: str
    model: str
    tag: str = ""
    words: int = 8
    pace: float = 0.01
    leave_after: int | None = None
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def stream(self) -> bool:
        """Whether the answer comes in pieces."""
        return self.kind in ("stream", "cancelled")

    @property
    def expected(self) -> str:
        """The whole text."""
        name = f"{self.model}:{self.tag}" if self.tag and self.model != "llama" else self.model
        return " ".join([name, *map(str, range(1, self.words))])

    @property
    def wire(self) -> bytes:
        """The request."""
        if self.kind == "embed":
            return request("POST", EMBED, {"model": self.model, "input": self.tag})
        body = {"model": self.model, "messages": [{"role": "user", "content": "go"}], "stream": self.stream}
        knobs = {"words": self.words, "max_tokens": self.words, "chunk_seconds": self.pace}
        return request("POST", CHAT, body | knobs | ({"tag": self.tag} if self.tag else {}) | dict(self.more))


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a request, before it is asked whether that was right.

    ``how``: ok, refused (in words), cut, cancelled (by us), wrong, lost. ``code`` is the refusal's.
    """

    ask: Ask
    how: str
    why: str = ""
    code: str = ""
    began: float = 0.0
    ended: float = 0.0
    retried: bool = False


def of_error(status: int, headers: dict[str, str], told: Any) -> tuple[str, str, str]:
    """(how, why, code) of an answer that is no success; ``told`` is its JSON."""
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return "wrong", f"status {status} without an error in words: {told!r:.200}", ""
    code = error.get("code")
    if (status, code) not in WORDED:
        return "wrong", f"status {status} with code {code!r} is no refusal of swapd: {error['message']:.300}", ""
    if status == 503 and "retry-after" not in headers and headers.get("x-should-retry") != "false":
        return "wrong", f"503 {code} without Retry-After", ""
    return "refused", error["message"], str(code)


def events_of(text: bytes) -> list[str]:
    """The data of all events that are whole."""
    *whole, _ = text.decode(errors="replace").split("\n\n")
    return [line[6:] for event in whole for line in event.splitlines() if line.startswith("data: ")]


def of_stream(events: Sequence[str], clean: bool, expected: str) -> tuple[str, str, str]:
    """(how, why, code) of a stream: the data of its events, and whether HTTP says that it is whole."""
    text, error, done = "", None, False
    for data in events:
        if done or error is not None:
            return "wrong", f"an event after the last one: {data:.200}", ""
        if data == "[DONE]":
            done = True
            continue
        piece = json.loads(data)
        if "error" in piece:
            error = piece["error"]
        else:
            text += "".join(choice["delta"].get("content") or "" for choice in piece.get("choices", ()))
    if not expected.startswith(text.strip()):
        return "wrong", f"a piece is missing, doubled or another's: {text!r:.200}", ""
    if error is not None:
        return _broken_in_words(error)
    if done:
        whole = text.strip() == expected
        return ("ok", "", "") if whole else ("wrong", f"[DONE] after {text!r:.200} of {expected!r:.200}", "")
    if clean:
        return "wrong", f"a broken stream looks complete: it ended cleanly after {text!r:.200}", ""
    return "cut", f"stream cut after {len(events)} events", ""


def _broken_in_words(error: Any) -> tuple[str, str, str]:
    code = error.get("code") if isinstance(error, dict) else None
    if code not in {code for _, code in WORDED}:
        return "wrong", f"an error event that is not of swapd: {error!r:.300}", ""
    return "refused", error["message"], code


def of_whole(ask: Ask, told: Any) -> tuple[str, str, str]:
    """(how, why, code) of a success that came in one piece."""
    try:
        if ask.kind == "embed":
            said, right = str(told["data"][0]["embedding"]), str(vector(ask.tag))
        else:
            said, right = told["choices"][0]["message"]["content"].strip(), ask.expected
    except (KeyError, IndexError, TypeError, AttributeError):
        return "wrong", f"200 with a strange body: {told!r:.200}", ""
    return (
        ("ok", "", "") if said == right else ("wrong", f"another's answer: {said!r:.200}, not {right!r:.200}", "")
    )


def vector(text: str) -> list[float]:
    """What the fake engine makes of a text."""
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]]


async def call(connection: Connection, ask: Ask, began_stream: Any = None) -> tuple[str, str, str]:
    """Send it, read it to its end; (how, why, code). ``began_stream``: called at the first piece."""
    await connection.send(ask.wire)
    await connection.read_head()
    try:
        if connection.status != 200:
            return of_error(connection.status, connection.headers, await connection.json())
        if not ask.stream:
            return of_whole(ask, await connection.json())
    except ValueError as error:
        return "wrong", f"a body that is no JSON: {error}", ""
    return await _read_stream(connection, ask, began_stream)


async def _read_stream(connection: Connection, ask: Ask, began: Any) -> tuple[str, str, str]:
    text, clean, left = b"", True, False
    try:
        async for chunk in connection.body():
            if not text and began is not None:
                began()
            text += chunk
            if ask.leave_after is not None and text.count(b"\ndata: ") >= ask.leave_after:
                left = True
                break
    except Cut:
        clean = False
    if left:
        return "cancelled", "", ""
    if clean and not text.endswith(b"\n\n"):
        return "wrong", f"ends within an event: {text[-80:]!r}", ""
    events = events_of(text)
    try:
        return of_stream(events, clean, ask.expected)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return "wrong", f"an event that cannot be read ({error!r}): {events[-1]!r:.200}", ""


def finished(ask: Ask, began: float, how: tuple[str, str, str], retried: bool = False) -> Seen:
    """Stamped with now."""
    return Seen(ask, how[0], how[1], how[2], began, time.monotonic(), retried)
