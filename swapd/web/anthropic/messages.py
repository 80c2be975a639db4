"""Anthropic's messages where the engine has only chat: asked in OpenAI's words, answered in Anthropic's.

An engine that has messages itself is asked for them; where nobody knows what it has, it is taken at its word.
"""

from __future__ import annotations

import msgspec

from swapd.core.spec import Catalog
from swapd.web.anthropic.answer import Answer
from swapd.web.anthropic.words import chat_of
from swapd.web.errors import BAD_REQUEST, Problem

PATH, CHAT = "/v1/messages", "/v1/chat/completions"


def only_chats(catalog: Catalog, name: str) -> bool:
    """Whether the model of the name is known to have chat and no messages."""
    resolved = catalog.resolve(name)
    can = resolved[0].terms.service.abilities if resolved is not None else None
    return can is not None and "chat" in can and "messages" not in can


def by_chat(body: bytes, name: str) -> tuple[bytes, Answer]:
    """A body of Anthropic's as one for CHAT, and what makes a message of the answer. Raises Problem (400)."""
    try:
        said = msgspec.json.decode(body)
        return msgspec.json.encode(chat_of(said)), Answer(said, name)
    except (ValueError, RecursionError) as error:
        raise Problem(BAD_REQUEST, f"cannot ask an engine that only chats: {error}") from None
