"""The faces of the house: where clients of each API ask, and how they ask for what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from swapd.core.engine import RunId
from swapd.core.events import CatalogChanged, EngineReady
from swapd.core.spec import Catalog
from swapd.web.errors import Form
from swapd.web.spool import HELD
from tests.web.conftest import Hall
from tests.web.test_form import TYPE, body, part

BODY, LEASE, ABILITY, STREAM, DISK = "body", "lease", "ability", "stream", "disk"
"""What a face may have, and a row may need."""


def _json(model: str | None, **more: Any) -> bytes:
    return json.dumps(more if model is None else {"model": model, **more}).encode()


def _form(model: str | None, size: int = 9) -> bytes:
    sound = part("file", b"x" * size, '; filename="a.wav"')
    return body(sound) if model is None else body(sound, part("model", model.encode()))


@dataclass(frozen=True)
class Face:
    """Where a client asks. ``api``: whose words it reads. ``kind``: of its models, by the names below."""

    name: str
    api: str
    path: str
    said: dict[str, Any] = field(default_factory=dict)
    lines: tuple[bytes, ...] = ()
    has: tuple[str, ...] = (BODY, LEASE, ABILITY, STREAM)
    method: str = "POST"
    kind: str = "any"

    def ask(self, row: Row, *, stream: bool = False) -> bytes:
        """The request that the row is about."""
        model = row.model.format(kind=self.kind) if row.model is not None else None
        text, path = self._text(model, stream), self.path + row.beyond
        if BODY not in self.has:
            path, text = (f"{path}?model={model}" if model else path), b""
        text = _form(model, HELD + 1) if DISK in row.needs else row.text or text
        method = row.method or self.method
        lines = [b"Host: " + row.host, b"Content-Length: %d" % len(text), *self.lines, *row.lines]
        return b"\r\n".join((f"{method} {path} HTTP/1.1".encode(), *lines)) + b"\r\n\r\n" + text

    def _text(self, model: str | None, stream: bool) -> bytes:
        if DISK in self.has:
            return _form(model)
        return _json(model, **self.said, **({"stream": stream} if STREAM in self.has else {}))


TALK = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 5}
CHAT = "/v1/chat/completions"
SLOW_LANE = (b"TE: trailers",)
FACES = (
    Face("openai, express", "openai", CHAT),
    Face("openai", "openai", CHAT, lines=SLOW_LANE),
    Face("embeddings without /v1", "openai", "/embeddings", {"input": "a"}),
    Face("anthropic", "anthropic", "/v1/messages", TALK),
    Face("anthropic, by an engine that only chats", "anthropic", "/v1/messages", TALK, kind="chats"),
    Face("ollama's chat", "ollama", "/api/chat", TALK),
    Face("ollama's generate", "ollama", "/api/generate", {"prompt": "go"}),
    Face("ollama's embed", "ollama", "/api/embed", {"input": "a"}, has=(BODY, LEASE, ABILITY)),
    Face(
        *("a form", "openai", "/v1/audio/transcriptions"),
        lines=(b"Content-Type: " + TYPE.encode(),),
        has=(BODY, LEASE, ABILITY, DISK),
    ),
    Face("the router's load", "openai", "/models/load", has=(BODY,)),
    Face("the router's props", "openai", "/props", has=(LEASE,), method="GET"),
)


@dataclass(frozen=True)
class Row:
    """A refusal: ``form`` for OpenAI's clients, ``anthropic`` the type for Anthropic's.

    ``headers``: patterns that must match; an empty one: it must not be there. ``words``: must all be said.
    What brings it about: ``text``, ``method``, ``lines``, ``host`` and ``beyond`` (the path) of the request, and
    what the house is ``given``. ``dies``: the engine does, unheard. ``waits``: so does the engine, for too long.
    """

    name: str
    form: Form
    anthropic: str
    words: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)
    model: str | None = "{kind}"
    needs: tuple[str, ...] = ()
    text: bytes = b""
    method: str = ""
    beyond: str = ""
    host: bytes = b"x"
    lines: tuple[bytes, ...] = ()
    given: Callable[[Hall], None] = lambda _: None
    dies: bool = False
    waits: bool = False
    param: str | None = None
    late: bool = False
    """It may come when a place was waited for already."""


def furnish(front: Hall, known: Catalog) -> None:
    """Give a hall these models, each with an engine that is up."""
    front.gate.catalog = front.config.catalog = known
    front.gate.hears(CatalogChanged(known))
    for name in known.models:
        front.hear(EngineReady(RunId(name, 1), front.gate.endpoint))
