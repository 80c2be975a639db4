"""``swapd service``: a service of systemd.

``command`` is the verb. ``files`` knows what they say, ``install`` puts them there, ``look`` tells how they stand,
and ``systemd`` is asked for the rest.
"""

from __future__ import annotations

from swapd.cli.service.command import verb

__all__ = ["verb"]
