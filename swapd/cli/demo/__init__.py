"""``swapd demo``: three models take turns, here and now.

``command`` is the verb: it finds a ``model``, writes a ``config``, starts a daemon, takes the ``tour`` of it and
lets ``show`` draw.
"""

from __future__ import annotations

from swapd.cli.demo.command import verb

__all__ = ["verb"]
