"""``swapd bench``: a load test of any OpenAI-compatible server.

``command`` is the verb, ``sides`` are the servers that it asks, ``show`` the tables.
"""

from __future__ import annotations

from swapd.cli.bench.command import verb

__all__ = ["verb"]
