"""``swapd scan``: from files to a config.

``command`` is the verb. It looks with the room ``scan``, lets ``fit`` choose contexts and ``show`` tell; ``write``
puts it where ``config`` finds that it belongs.
"""

from __future__ import annotations

from swapd.cli.scan.command import verb

__all__ = ["verb"]
