"""An engine's chat answer in the words of Anthropic's Messages API, whole or event by event.

The order of events and the shapes in them are those of docs.anthropic.com/en/docs/build-with-claude/streaming and
of Anthropic's Python SDK 2.12, held against what llama-server b10434 says at its own ``/v1/messages``. One
difference cannot be helped: the engine tells of a prompt's tokens at the end of its stream, so ``message_start``
has none and ``message_delta``, whose figures the SDKs take over, has all.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import uuid4

import msgspec

from swapd.web import errors
from swapd.web.completion import Call, Choice, Completion, Counted, Details, Function, Json, Said, read
from swapd.web.translated import message_of

STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""OpenAI's ``finish_reason`` -> Anthropic's ``stop_reason``; any other is the end of its turn."""


class Answer:
    """The translation of one answer."""

    stream_type = b"text/event-stream"

    def __init__(self, request: Json, model: str) -> None:
        """``request``: Anthropic's body; ``model``: its name, for engines that do not say theirs."""
        self.streams = bool(request.get("stream"))
        self._model = model
        stops = request.get("stop_sequences")
        self._stops = stops if isinstance(stops, list) else []
        self._blocks = Blocks()
        self._begun = False
        self._last = Choice()
        self._counted: Counted | None = None

    def whole(self, body: bytes) -> bytes:
        """A message. Raises ValueError for what is no chat completion."""
        answer = read(body)
        if not answer.choices or (said := answer.choices[0].message) is None:
            raise ValueError("it has no message")
        last = answer.choices[0]
        content = _content(said, cut=last.finish_reason == "length")
        called = any(block["type"] == "tool_use" for block in content)
        message = self._message(answer, content) | _stop(last, called, self._stops)
        return msgspec.json.encode(message | {"usage": _usage(answer.usage)})

    def event(self, data: bytes) -> bytes:
        """What a chunk comes to: maybe nothing. Raises ValueError for what is no chunk."""
        chunk = read(data)
        told = b""
        if not self._begun:
            told, self._begun = self._begin(chunk), True
        self._counted = chunk.usage or self._counted
        if chunk.choices:
            choice = chunk.choices[0]
            if choice.finish_reason:
                self._last = choice
            if choice.delta:
                told += self._blocks.take(choice.delta)
        return told

    def end(self) -> bytes:
        """The end of the last block, and of the message."""
        told = b"" if self._begun else self._begin(Completion())
        stop = _stop(self._last, self._blocks.called, self._stops)
        delta = _event("message_delta", delta=stop, usage=_usage(self._counted))
        return told + self._blocks.close() + delta + _event("message_stop")

    def failure(self, status: int, body: bytes) -> bytes:
        """The engine's words in Anthropic's shape."""
        form = errors.Form(status, "engine_error", errors.ENGINE)
        reason = message_of(body) or f"the engine answered {status}, and no word with it"
        return errors.anthropic(errors.Problem(form, reason))

    def _begin(self, chunk: Completion) -> bytes:
        none_yet = {"stop_reason": None, "stop_sequence": None, "usage": _usage(chunk.usage)}
        return _event("message_start", message=self._message(chunk, []) | none_yet)

    def _message(self, answer: Completion, content: list[Json]) -> Json:
        name = (answer.id or uuid4().hex).removeprefix("chatcmpl-")
        return {
            "id": f"msg_{name}",
            "type": "message",
            "role": "assistant",
            "model": answer.model or self._model,
            "content": content,
        }


class Blocks:
    """The blocks of a stream: one is open at a time, and each is begun and ended once, in order."""

    def __init__(self) -> None:
        self.called = False
        self._index = -1
        self._open: str | None = None
        self._call = Call()  # the one that the open block tells of

    def take(self, said: Said) -> bytes:
        """The events for a piece of the message. Raises ValueError where a piece belongs to no tool call."""
        told = self._piece("thinking", said.reasoning_content or said.reasoning)
        told += self._piece("text", said.content or said.refusal)
        return told + b"".join(map(self._fragment, said.tool_calls or []))

    def close(self) -> bytes:
        """End the open block, if there is one."""
        if self._open is None:
            return b""
        # What vouches for thinking is not to be had here; the SDKs look for it all the same.
        told = self._delta("signature_delta", "signature", "") if self._open == "thinking" else b""
        self._open = None
        return told + _event("content_block_stop", index=self._index)

    def _piece(self, kind: Literal["text", "thinking"], piece: str | None) -> bytes:
        if not piece:
            return b""
        told = b"" if self._open == kind else self._start({"type": kind, kind: ""} | _unsigned(kind))
        return told + self._delta(f"{kind}_delta", kind, piece)

    def _fragment(self, call: Call) -> bytes:
        function = call.function or Function()
        told = b""
        if self._is_new(call):
            if not function.name:
                raise ValueError("a tool call begins without a name")
            self.called, self._call = True, call
            told = self._start(_tool_use(call.id, function.name, {}))
        piece = _text_of(function.arguments)
        return told + (self._delta("input_json_delta", "partial_json", piece) if piece else b"")

    def _is_new(self, call: Call) -> bool:
        """Whether it is another call than the open one. Some engines give all one index, some give none."""
        return (
            self._open != "tool_use"
            or (call.index is not None and call.index != self._call.index)
            or bool(call.id and call.id != self._call.id)
        )

    def _start(self, block: Json) -> bytes:
        told = self.close()
        self._index += 1
        self._open = block["type"]
        return told + _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, kind: str, key: str, piece: str) -> bytes:
        return _event("content_block_delta", index=self._index, delta={"type": kind, key: piece})


def _content(said: Said, cut: bool) -> list[Json]:
    """The blocks of a whole message. A call that the limit of tokens cut short is left out: nobody may make it."""
    told = [("thinking", said.reasoning_content or said.reasoning), ("text", said.content or said.refusal)]
    content: list[Json] = [{"type": kind, kind: text} | _unsigned(kind) for kind, text in told if text]
    for call in said.tool_calls or []:
        function = call.function or Function()
        if not function.name:
            raise ValueError("a tool call has no name")
        try:
            given = msgspec.json.decode(_text_of(function.arguments) or "{}", type=Json)
        except msgspec.DecodeError as error:
            if cut:
                continue
            raise ValueError(f"the arguments of a call of {function.name!r} are no JSON object: {error}") from None
        content.append(_tool_use(call.id, function.name, given))
    return content


def _tool_use(name: str | None, tool: str, given: Json) -> Json:
    return {"type": "tool_use", "id": name or f"toolu_{uuid4().hex}", "name": tool, "input": given}


def _unsigned(kind: str) -> Json:
    return {"signature": ""} if kind == "thinking" else {}


def _text_of(arguments: str | Json | None) -> str:
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


def _stop(last: Choice, called: bool, stops: list[Any]) -> Json:
    """Why it ended. llama-server does not tell which stop sequence it was, nor whether it was one."""
    for matched in (last.stop_reason, last.matched_stop):
        if isinstance(matched, str) and matched in stops:
            return {"stop_reason": "stop_sequence", "stop_sequence": matched}
    reason = STOPS.get(last.finish_reason or "", "end_turn")
    if called and reason == "end_turn":
        reason = "tool_use"  # vLLM says "stop" where the request chose the tool
    return {"stop_reason": reason, "stop_sequence": None}


def _usage(counted: Counted | None) -> Json:
    """Anthropic's ``input_tokens`` are those that no cache held."""
    counted = counted or Counted()
    prompt = counted.prompt_tokens or 0
    details = counted.prompt_tokens_details or Details()
    cached = min(details.cached_tokens or 0, prompt)
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": counted.completion_tokens or 0,
    }


def _event(name: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode({"type": name} | fields))
