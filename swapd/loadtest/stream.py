"""Reads a stream of server-sent events as OpenAI's API has them, in pieces as they come, within bounds."""

from __future__ import annotations

from typing import Any

import msgspec

from swapd.loadtest.outcome import Outcome, Tokens, Trouble, notes_of

LONGEST_LINE = 1 << 20
"""Bytes of a line, and of an event."""
MOST_EVENTS = 1_000_000
"""Of one answer: who sends more never ends."""
MOST_NOTES = 16
"""Comments with swapd's notes that are kept."""
MOST_TOKENS = 1_000_000_000
"""Of one request: a count above that is no count."""
DONE = b"[DONE]"


class _Delta(msgspec.Struct):
    """A piece of an answer: words, thoughts (``reasoning…``, by two names), or calls of tools."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None

    @property
    def speaks(self) -> bool:
        """Whether there is anything for the client in it."""
        delta = self.delta
        if delta is None:
            return bool(self.text)
        return bool(delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls)


class Usage(msgspec.Struct):
    """The server's own count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def tokens(self) -> Tokens:
        """As far as it can be true: what cannot be is not told."""
        return Tokens(_plausible(self.prompt_tokens), _plausible(self.completion_tokens))


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event)


class Stream:
    """Feed it what arrives; it writes times, gaps and tokens into the outcome. Raises Trouble.

    A gap lies between two arrivals: events that came in one piece are 0 s apart.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.done = False
        """Whether ``[DONE]`` was there."""
        self._outcome = outcome
        self._rest = bytearray()
        self._waited = False
        """Whether comments came, and nothing of the answer yet."""
        self._notes: dict[str, str] = {}
        self._data: list[bytes] = []
        self._size = 0
        self._spoken = 0
        self._events = 0

    def feed(self, piece: bytes, now: float) -> None:
        """A piece of the body, as it arrived ``now``."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            if self._rest:
                self._rest += line
                line, self._rest = bytes(self._rest), bytearray()  # noqa: PLW2901  (the rest of it came before)
            self._line(line.rstrip(b"\r"), now)
        self._rest += rest
        if len(self._rest) > LONGEST_LINE:
            raise Trouble("long_line", f"a line of more than {LONGEST_LINE} bytes")

    def end(self) -> None:
        """The body is over. Raises Trouble if the stream was not."""
        if not self.done:
            raise Trouble("cut", "the stream ended without [DONE]")
        if not self._outcome.tokens.completion and self._spoken:
            self._outcome.tokens = Tokens(None, self._spoken, counted=True)

    def _line(self, line: bytes, now: float) -> None:
        if self.done:
            return
        if len(line) > LONGEST_LINE or self._size > LONGEST_LINE:
            raise Trouble("long_line", f"a line of {len(line)} bytes")
        if line.startswith(b":"):
            self._hear(line[1:].strip(), now)
        elif line.startswith(b"data:"):
            if self._waited:
                self._begin(now)
            self._data.append(line[5:].removeprefix(b" "))
            self._size += len(line)
        elif not line and self._data:
            self._take(b"\n".join(self._data), now)
            self._data, self._size = [], 0

    def _hear(self, comment: bytes, now: float) -> None:
        """A comment before the answer: that it is waited for, or a note of swapd's, with which it begins."""
        if self._events:
            return
        name, _, value = comment[:400].decode(errors="replace").partition(": ")
        if not name.startswith("X-Swapd-"):
            self._waited = True
        elif len(self._notes) < MOST_NOTES:
            self._notes[name] = value
            self._outcome.notes = notes_of(self._notes)
            if self._waited:
                self._begin(now)

    def _begin(self, now: float) -> None:
        self._outcome.times.first_byte, self._waited = now, False

    def _take(self, data: bytes, now: float) -> None:
        if data == DONE:
            self.done = True
            return
        self._events += 1
        if self._events > MOST_EVENTS:
            raise Trouble("endless", f"more than {MOST_EVENTS} events")
        event = self._understood(data)
        if event.error is not None:
            raise Trouble(f"error_event {code_of(event.error)}".rstrip(), message_of(event.error))
        if event.usage is not None:
            self._outcome.tokens = event.usage.tokens
        if any(choice.speaks for choice in event.choices or ()):
            self._speak(now)

    def _understood(self, data: bytes) -> _Event:
        try:
            return _event.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Trouble("bad_event", f"{error}: {data[:80].decode(errors='replace')}") from None

    def _speak(self, now: float) -> None:
        times = self._outcome.times
        if times.last_token is None:
            times.first_token = now
        else:
            self._outcome.gaps.append(now - times.last_token)
        times.last_token = now
        self._spoken += 1


def _plausible(count: int | None) -> int | None:
    return count if count is not None and 0 <= count <= MOST_TOKENS else None


def code_of(error: object) -> str:
    """The code of an error in OpenAI's shape (else its type): short, of letters, digits, ``_-.``; or nothing."""
    if not isinstance(error, dict):
        return ""
    code = error.get("code") or error.get("type") or ""
    text = code if isinstance(code, str) else str(code) if isinstance(code, int) else ""
    return "".join(letter for letter in text[:40] if letter.isascii() and (letter.isalnum() or letter in "_-."))


def message_of(error: object) -> str:
    """Its words."""
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""
