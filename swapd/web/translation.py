"""What an API is to us that engines do not speak: pure words, made of theirs and back again.

A door reads its client's request, makes a translation of it, and lets ``told`` answer through that. An engine is
always asked in OpenAI's words; its stream is Server-Sent Events that end with ``[DONE]``.
"""

from __future__ import annotations

from typing import Protocol


class Translation(Protocol):
    """One request and its answer. Pure: knows nothing of sockets, engines and models' states."""

    streams: bool
    """Whether the client wants its answer piece by piece."""
    stream_type: bytes
    """The Content-Type of that."""

    def whole(self, body: bytes) -> bytes:
        """The client's body for an engine's whole answer (200). Raises ValueError where it makes no sense."""

    def event(self, data: bytes) -> bytes:
        """What the client gets for the data of one event of the engine's stream, ``[DONE]`` left out.

        May be empty. Raises ValueError where it makes no sense.
        """

    def end(self) -> bytes:
        """What it gets once the stream is complete."""

    def failure(self, status: int, body: bytes) -> bytes:
        """The client's body for an engine's error, which is in OpenAI's shape as a rule; the status stays."""
