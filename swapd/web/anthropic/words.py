"""A request of Anthropic's Messages API in OpenAI's words, for an engine that has only chat.

Anthropic's shapes are those that its Python SDK 2.12 types, and what Claude Code sends beside them; OpenAI's are
those that llama-server, vLLM and SGLang read. What an engine has no use for is left out (``cache_control``,
``service_tier``, ``context_management``, ``output_config.effort`` and the like); a part of the talk never is.

Thinking of earlier turns goes back to the engine: templates that want it, where tools are called, take it, others
drop it. It has two names: llama-server and SGLang read ``reasoning_content``, vLLM of late ``reasoning`` alone
(github.com/vllm-project/vllm/issues/38488). Redacted thinking is left out: nobody here can read it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from swapd.web.anthropic.parts import (
    RICH,
    Json,
    as_text,
    blocks,
    cannot,
    maybe,
    parts_of,
    plain,
    shown,
    text_of,
    typed,
    unknown,
    word,
)

ALIKE = {
    "model": "model",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
}
"""Anthropic's fields that have one of OpenAI's, value for value; ``top_k`` is one that local engines add."""
THINKING = ("enable_thinking", "thinking")
"""What templates ask for: Qwen's, GLM's and Gemma's the first, Granite's and DeepSeek's the second
(docs.vllm.ai/en/stable/features/reasoning_outputs)."""
BILLING = "x-anthropic-billing-header:"
"""Begins a line that Claude Code puts before its system prompt, another for every request: with it no engine would
ever find its prompt in its cache (github.com/anthropics/claude-code/issues/68900)."""
REMINDER = "<system-reminder>\n{}\n</system-reminder>"
"""How the user's turn carries what the system says in the middle of a talk. Many templates take a system message
at the beginning only; and moved there, it would change the prompt before all that an engine has cached."""


def chat_of(body: Json) -> Json:
    """The body for ``/v1/chat/completions``. Raises ValueError, naming the field, for what has no words there."""
    chat = {theirs: body[ours] for ours, theirs in ALIKE.items() if body.get(ours) not in (None, [])}
    chat["messages"] = _messages(body)
    chat |= _tools(body) | _format(body)
    thinking, metadata = (maybe(body, key) for key in ("thinking", "metadata"))
    if thinking:
        chat["chat_template_kwargs"] = dict.fromkeys(THINKING, thinking.get("type") != "disabled")
    if metadata.get("user_id") is not None:
        chat["user"] = metadata["user_id"]
    if body.get("stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _messages(body: Json) -> list[Json]:
    system, talk = [], _Talk()
    if body.get("system") is not None:
        system += list(_told_by_system(body["system"], "system"))
    for at, message in enumerate(typed(body.get("messages"), list, "messages")):
        where = f"messages.{at}"
        role, content = typed(message, dict, where).get("role"), message.get("content")
        if role == "user":
            talk.user(content, f"{where}.content")
        elif role == "assistant":
            talk.assistant(content, f"{where}.content")
        elif role == "system":
            said = list(_told_by_system(content, f"{where}.content"))
            if not talk.messages:
                system += said
            elif said:
                talk.add([as_text(REMINDER.format("\n".join(said)))])
        else:
            raise cannot(f"{where}.role", f"{role!r} is none of user, assistant and system")
    first = [{"role": "system", "content": "\n".join(system)}] if system else []
    return first + talk.messages


class _Talk:
    """The messages so far, in OpenAI's shape."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self._last: list[Json] = []  # the parts of the last message, where that is the user's

    def add(self, parts: list[Json]) -> None:
        """Let the user say it. Turns in a row are one, as they are at Anthropic."""
        if not self.messages or self.messages[-1]["role"] != "user":
            self.messages.append({"role": "user"})
            self._last = []
        self._last += parts
        self.messages[-1]["content"] = plain(self._last)

    def user(self, content: object, where: str) -> None:
        """A user's turn: what its tools answered comes first, for engines want it next to what was called.

        A tool's answer is text there; its pictures are shown by the user.
        """
        pictures: list[Json] = []
        parts: list[Json] = []
        results = 0
        for at, block in blocks(content, where):
            if block["type"] != "tool_result":
                parts += parts_of(block, at, RICH)
                continue
            results += 1
            found = shown(block.get("content"), f"{at}.content", RICH)
            pictures += [part for part in found if part["type"] != "text"]
            text = f"Error: {text_of(found)}" if block.get("is_error") else text_of(found)
            self.messages.append({"role": "tool", "tool_call_id": word(block, "tool_use_id", at), "content": text})
        if pictures or parts or not results:
            self.add(pictures + parts)

    def assistant(self, content: object, where: str) -> None:
        """An assistant's turn, in one message."""
        texts, thoughts, calls = [], [], []
        for at, block in blocks(content, where):
            match block["type"]:
                case "text":
                    texts.append(word(block, "text", at))
                case "thinking":
                    thoughts.append(word(block, "thinking", at))
                case "redacted_thinking":
                    pass
                case "tool_use":
                    calls.append(_call(block, at))
                case other:
                    raise unknown(at, other)
        message: Json = {"role": "assistant", "content": "\n".join(texts)}
        if thoughts:
            message |= dict.fromkeys(("reasoning_content", "reasoning"), "\n".join(thoughts))
        if calls:
            message |= {"content": message["content"] or None, "tool_calls": calls}
        self.messages.append(message)


def _call(block: Json, at: str) -> Json:
    arguments = msgspec.json.encode(typed(block.get("input"), dict, f"{at}.input")).decode()
    function = {"name": word(block, "name", at), "arguments": arguments}
    return {"id": word(block, "id", at), "type": "function", "function": function}


def _told_by_system(content: object, where: str) -> Iterator[str]:
    for at, block in blocks(content, where):
        if block["type"] != "text":
            raise unknown(at, block["type"])
        text = word(block, "text", at)
        if text.startswith(BILLING):
            text = text.partition("\n")[2]
        if text:
            yield text


def _tools(body: Json) -> Json:
    """The tools that have a schema.

    The others are Anthropic's own, run there or known to its models only. Beside tools of the client's they are
    left out, so that an agent works with what is left; alone they are what the request is about: it is refused.
    """
    given = [
        typed(tool, dict, f"tools.{at}") for at, tool in enumerate(typed(body.get("tools") or [], list, "tools"))
    ]
    tools = [_tool(tool, f"tools.{at}") for at, tool in enumerate(given) if "input_schema" in tool]
    if given and not tools:
        why = f"{given[0].get('type')!r} is a tool of Anthropic's own, that an engine knows nothing of"
        raise cannot("tools.0", f"{why}; give it an input_schema, and run it yourself")
    choice = _choice(maybe(body, "tool_choice"), [tool["function"]["name"] for tool in tools])
    return {"tools": tools} | choice if tools else choice


def _tool(tool: Json, at: str) -> Json:
    function = {
        "name": word(tool, "name", at),
        "parameters": typed(tool["input_schema"], dict, f"{at}.input_schema"),
    }
    if tool.get("description") is not None:
        function["description"] = word(tool, "description", at)
    return {"type": "function", "function": function}


def _choice(choice: Json, names: list[str]) -> Json:
    match choice.get("type"):
        case None:
            return {}
        case ("auto" | "none") as kind:
            told: Json = {"tool_choice": kind} if names else {}
        case "any" if names:
            told = {"tool_choice": "required"}
        case "tool" if choice.get("name") in names:
            told = {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}}
        case "any" | "tool":
            raise cannot("tool_choice", "tools has no such tool with an input_schema")
        case other:
            raise cannot("tool_choice.type", f"{other!r} is none of auto, any, tool and none")
    alone = choice.get("disable_parallel_tool_use")
    return told | {"parallel_tool_calls": not alone} if names and alone is not None else told


def _format(body: Json) -> Json:
    """The schema that the answer is to have; ``output_format`` is where earlier SDKs put it."""
    form = maybe(maybe(body, "output_config"), "format") or maybe(body, "output_format")
    if not form:
        return {}
    if form.get("type") != "json_schema":
        raise cannot("output_config.format", f"its type {form.get('type')!r} is not json_schema")
    schema = {"name": "answer", "schema": form.get("schema"), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
