"""The lab: the true scheduler under a virtual clock, against recorded or made-up traffic.

Imports ``core`` and nothing else of ours. Chance is a seeded ``random.Random``; no clock but the virtual one, and
no files: a trace comes in as lines, a summary goes out as a plain dict. Only ``recorder``, which listens to the
true desk, has a file.

``people`` asks, ``box`` plays, ``policies`` are the brains to compare with, ``simulate`` runs a trace before each,
``trace`` reads and words recordings, ``tally`` counts, ``bound`` says how few loads would do at best, ``advice``
tries what the operator could change.
"""
