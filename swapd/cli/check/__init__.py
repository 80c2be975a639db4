"""``swapd check``: what the daemon would make of the config.

``command`` is the verb. The models are ``described``, and the rest is ``inspected``: that makes ``findings``.
"""

from __future__ import annotations

from swapd.cli.check.command import verb

__all__ = ["verb"]
