"""The annals: what happened in the last hours, for who looks at it. Bounded.

Begin with ``history``: it hears the desk, and of the requests that have ended, and answers ``/admin/history``.
What it hears is written into ``spans`` (which model was in which state, and why), ``swaps``, ``waits`` (when
requests waited for a model) and ``answers`` (the last requests, and counts of all). ``keeper`` brings them over
the end of a daemon, in the file of ``kept``.

Moments are written down as the wall clock has them when they come: a machine that slept since, or whose clock was
set, would reckon them wrongly later.
"""

HOURS = 24
"""What ended longer ago is forgotten."""
