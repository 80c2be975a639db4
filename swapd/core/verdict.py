"""Why a wanted model is not up yet: what the last walk found, as data. The words are in ``explain``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from swapd.core.spec import Cost


class Stand(Enum):
    """What a wanted model waits for. The value is its word in JSON."""

    WEIGHING = "weighing"
    """Its need is being told from its file."""
    LEAVING = "leaving"
    """Its own old engine is on its way out."""
    RESTING = "resting"
    """It failed, and rests."""
    ROOM_COMING = "room_coming"
    """Enough engines are on their way out, or their memory is not seen free yet."""
    HELD = "held"
    """Its patience is over: the engines in its way serve those they were loaded for, then go."""
    OTHERS_LINGER = "lingering"
    """An idle engine in its way is kept for a client expected back."""
    OTHERS_BUSY = "busy"
    """The engines in its way have requests, and it has patience left."""
    STRANGERS = "strangers"
    """Processes that are not ours hold the memory."""
    BEHIND = "behind"
    """Others come first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it waits for; ``models``: whose engines are meant; ``short``: what is missing of which resource."""

    stand: Stand
    models: tuple[str, ...] = ()
    short: Cost = field(default_factory=dict)
