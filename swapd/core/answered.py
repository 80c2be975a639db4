"""A request that has ended, as everybody reads it who counts or shows requests."""

from __future__ import annotations

from typing import NamedTuple


class Answered(NamedTuple):
    """Times are seconds: ``ended`` monotonic, the others durations. What is not known is None or empty."""

    ended: float
    total: float
    """From its arrival to its end."""
    id: str
    method: str
    route: str
    """Of the route table, ``/v1/chat/completions``; ``-`` for a path that is none of ours."""
    status: int
    """As the client was told; 499 if it left before; 0 if nothing was said."""
    code: str
    """Of an error of ours, as in the README's table."""
    client: str
    """The name of its key, else an address, which may be anybody's."""
    model: str
    """The model's own name where an engine was asked, else what the client said, which may be anything."""
    run: int | None
    """Of the engine that was asked."""
    queued: float
    """Seconds that it waited, for a load or a place."""
    loaded: float
    """Those of them that its engine was loading."""
    first_byte: float | None
    """Seconds from the engine's being asked to its first byte."""
    prompt: int | None
    """Tokens in."""
    completion: int | None
    """Tokens out."""
