"""The lab: the true scheduler under a virtual clock, against recorded or made-up traffic.

Imports ``core`` and nothing else of ours. Chance is a seeded ``random.Random``; no clock but the virtual one, and
no files: a trace comes in as lines, a summary goes out as a plain dict.

``people`` asks, ``box`` plays, ``policies`` are the brains to compare with, ``trace`` reads and words recordings,
``tally`` counts, ``bound`` says how few loads would do at best, ``advice`` tries what the operator could change.
"""
