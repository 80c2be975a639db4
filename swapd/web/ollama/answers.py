"""Engines' answers in Ollama's words: a JSON object a line, the last of them with counts and durations.

A tool call comes to us in pieces and goes on whole, with its arguments as an object: so Ollama tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from swapd.web.completion import Call, Choice, Completion, Counted, Function, Said, Timings, read
from swapd.web.translated import LONGEST, message_of

NS = 1e9
"""Nanoseconds in a second: all durations are in them."""
PIECE = 64
"""Bytes that a piece of a call takes while it is kept, besides its text."""
Json = dict[str, Any]
Say = Callable[[str, str, Sequence[Json]], Json]
"""(text, thoughts, tool calls) -> the part of a line that carries them."""


class Stopwatch:
    """When what happened to a request. ``now``: in seconds; ``stamp``: the same moment as RFC 3339."""

    def __init__(self, now: Callable[[], float], stamp: Callable[[], str]) -> None:
        self._now = now
        self.stamp = stamp
        self._begun = self._held = now()
        self._first: float | None = None

    def held(self) -> None:
        """It has its engine. Before that it waited, for the load or for others."""
        self._held = self._now()

    def spoken(self) -> None:
        """A piece of the answer is there."""
        if self._first is None:
            self._first = self._now()

    def durations(self, timings: Timings | None) -> dict[str, int]:
        """By the engine's own clock where it has told, else by when its first piece came."""
        end = self._now()
        first = self._held if self._first is None else self._first
        prompt, answer = first - self._held, end - first
        if timings is not None and timings.prompt_ms is not None and timings.predicted_ms is not None:
            prompt, answer = timings.prompt_ms / 1000, timings.predicted_ms / 1000
        return {
            "total_duration": _ns(end - self._begun),
            "load_duration": _ns(self._held - self._begun),
            "prompt_eval_duration": _ns(prompt),
            "eval_duration": _ns(answer),
        }


def as_message(text: str, thoughts: str, calls: Sequence[Json]) -> Json:
    """``/api/chat``."""
    message = {"role": "assistant", "content": text}
    more = ({"thinking": thoughts} if thoughts else {}) | ({"tool_calls": calls} if calls else {})
    return {"message": message | more}


def as_response(text: str, thoughts: str, _: Sequence[Json]) -> Json:
    """``/api/generate``, where no tools are called."""
    return {"response": text} | ({"thinking": thoughts} if thoughts else {})


class Failing:
    """What every translation makes of an engine's error."""

    def failure(self, status: int, body: bytes) -> bytes:
        """Its words as they are: clients read them."""
        return msgspec.json.encode({"error": message_of(body) or f"the engine answered {status}"})


class Answer(Failing):
    """The answer to a chat or a prompt, a ``Translation``."""

    stream_type = b"application/x-ndjson"

    def __init__(self, name: str, say: Say, watch: Stopwatch, *, streams: bool) -> None:
        self.streams = streams
        self.watch = watch
        self._name = name
        self._say = say
        self._calls: dict[int, Pieces] = {}
        self._kept = 0  # bytes of them
        self._told = Completion()
        self._why = "stop"

    def whole(self, body: bytes) -> bytes:
        """One object."""
        chunk = self._noted(body)
        spoken = _spoken(chunk.choices[0]) if chunk.choices else None
        if spoken is None:
            raise ValueError("it has no message")
        calls = [_whole(n, call) for n, call in enumerate(spoken.tool_calls or [])]
        text = _text(spoken) + "".join(call for call in calls if isinstance(call, str))
        return self._last(text, _thoughts(spoken), [call for call in calls if not isinstance(call, str)])

    def event(self, data: bytes) -> bytes:
        """A line for each piece of text or thought; pieces of calls are kept."""
        chunk = self._noted(data)
        spoken = _spoken(chunk.choices[0]) if chunk.choices else None
        if spoken is None:
            return b""
        self.watch.spoken()
        for piece in spoken.tool_calls or []:
            index = len(self._calls) if piece.index is None else piece.index
            self._kept += PIECE + self._calls.setdefault(index, Pieces()).add(piece)
        if self._kept > LONGEST:
            raise ValueError(f"its tool calls have more than {LONGEST >> 20} MiB")
        text, thoughts = _text(spoken), _thoughts(spoken)
        return self._line(text, thoughts, ()) if text or thoughts else b""

    def end(self) -> bytes:
        """The calls, and what it all took."""
        calls = [_whole(n, self._calls[index].call()) for n, index in enumerate(sorted(self._calls))]
        lines = [
            self._line(call, "", ()) if isinstance(call, str) else self._line("", "", [call]) for call in calls
        ]
        return b"".join([*lines, self._last("", "", ()), b"\n"])

    def _noted(self, data: bytes) -> Completion:
        """Read, and what only the last line says of it kept. Raises ValueError."""
        chunk = read(data)
        self._told.usage = chunk.usage or self._told.usage
        self._told.timings = chunk.timings or self._told.timings
        if chunk.choices and chunk.choices[0].finish_reason == "length":
            self._why = "length"
        return chunk

    def _line(self, text: str, thoughts: str, calls: Sequence[Json]) -> bytes:
        return msgspec.json.encode(self._opened() | self._say(text, thoughts, calls) | {"done": False}) + b"\n"

    def _last(self, text: str, thoughts: str, calls: Sequence[Json]) -> bytes:
        usage = self._told.usage or Counted()
        ending = {"done": True, "done_reason": self._why}
        counts = {"prompt_eval_count": usage.prompt_tokens or 0, "eval_count": usage.completion_tokens or 0}
        took = self.watch.durations(self._told.timings)
        return msgspec.json.encode(self._opened() | self._say(text, thoughts, calls) | ending | counts | took)

    def _opened(self) -> Json:
        return {"model": self._name, "created_at": self.watch.stamp()}


class Pieces:
    """A tool call while it comes: name and id once, its arguments in pieces or as the object."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._given: Json | None = None
        self._text: list[str] = []  # put together once: a call may come in a hundred thousand of them

    def add(self, piece: Call) -> int:
        """One more; the bytes of text in it."""
        function = piece.function or Function()
        self._id = self._id or piece.id
        self._name = self._name or function.name
        if isinstance(function.arguments, dict):
            self._given = function.arguments
        elif function.arguments:
            self._text.append(function.arguments)
            return len(function.arguments)
        return 0

    def call(self) -> Call:
        """All of it."""
        return Call(id=self._id, function=Function(self._name, self._given or "".join(self._text)))


def nothing_said(name: str, say: Say, why: str, watch: Stopwatch) -> bytes:
    """The answer to an empty prompt, which only loads (``load``) or unloads (``unload``)."""
    total = watch.durations(None)
    body = {"model": name, "created_at": watch.stamp()} | say("", "", ()) | {"done": True, "done_reason": why}
    return msgspec.json.encode(body | {key: total[key] for key in ("total_duration", "load_duration")})


def _spoken(choice: Choice) -> Said | None:
    return choice.delta or choice.message or (Said(choice.text) if choice.text is not None else None)


def _text(spoken: Said) -> str:
    return spoken.content or spoken.refusal or ""


def _thoughts(spoken: Said) -> str:
    return spoken.reasoning_content or spoken.reasoning or ""


def _whole(number: int, call: Call) -> Json | str:
    """A call as Ollama tells it; as text, where its arguments are no object: an answer may end in the midst."""
    told = call.function or Function()
    arguments = _object(told.arguments or "{}")
    if arguments is None:
        return str(told.arguments)
    function = {"index": number, "name": told.name or "", "arguments": arguments}
    return ({"id": call.id} if call.id else {}) | {"function": function}


def _object(arguments: Json | str) -> Json | None:
    if isinstance(arguments, dict):
        return arguments
    try:
        found = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _ns(seconds: float) -> int:
    return max(0, round(seconds * NS))
