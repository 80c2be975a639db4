"""Embeddings in Ollama's words, to the digit as the engine wrote them."""

from __future__ import annotations

import msgspec

from swapd.web.completion import Counted
from swapd.web.ollama.answers import Failing, Stopwatch


class Vector(msgspec.Struct):
    """One of a batch. Its numbers are nobody's business here."""

    embedding: msgspec.Raw
    index: int = 0


class Vectors(msgspec.Struct):
    """An engine's answer."""

    data: list[Vector]
    usage: Counted | None = None


class Embeddings(Failing):
    """The answer to ``/api/embed``, or to the older ``/api/embeddings`` which has one; a ``Translation``."""

    streams = False
    stream_type = b"application/json"

    def __init__(self, name: str, watch: Stopwatch, *, one: bool) -> None:
        self.watch = watch
        self._name = name
        self._one = one

    def whole(self, body: bytes) -> bytes:
        """One object, its vectors in the order of their texts."""
        found = _read(body)
        return self.told([vector.embedding for vector in sorted(found.data, key=_index)], found.usage or Counted())

    def told(self, vectors: list[msgspec.Raw], usage: Counted) -> bytes:
        """The same of what was read; an empty request has none."""
        if self._one:
            return msgspec.json.encode({"embedding": vectors[0] if vectors else []})
        took = self.watch.durations(None)
        durations = {key: took[key] for key in ("total_duration", "load_duration")}
        body = {"model": self._name, "embeddings": vectors} | durations
        return msgspec.json.encode(body | {"prompt_eval_count": usage.prompt_tokens or 0})

    def event(self, data: bytes) -> bytes:
        """Nobody asked for a stream."""
        raise ValueError("a stream came, though none was asked for")

    def end(self) -> bytes:
        """As above."""
        return b""


_read = msgspec.json.Decoder(Vectors).decode


def _index(vector: Vector) -> int:
    return vector.index
