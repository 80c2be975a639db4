"""``swapd top``: the daemon as it is, live, on a terminal.

``command`` is the verb. ``mirror`` holds what the daemon told over ``/admin/live``, ``screen`` what the operator
looks at, and ``press`` makes the next screen of a key, and a wish where something is to be done. ``frame`` draws
both as rows: ``bars`` of memory, the ``table`` of models, the ``foot``, and the ``pages`` that take the whole
screen (``text`` measures and cuts, ``glyphs`` are the characters there are). All that is pure.

``run`` puts it together around the parts that touch the world: the ``terminal``, the ``wires`` that bring signals
and ``keys``, the ``streams`` that threads read, and the ``deeds`` that the daemon is asked for. ``once`` is the
single picture of a pipe.
"""

from __future__ import annotations

from swapd.cli.top.command import verb

__all__ = ["verb"]
