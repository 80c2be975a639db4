"""``swapd simulate``: a trace on a virtual clock.

``command`` is the verb, which lets ``play`` run a trace against a ``catalog``.
"""

from __future__ import annotations

from swapd.cli.simulate.command import verb

__all__ = ["verb"]
