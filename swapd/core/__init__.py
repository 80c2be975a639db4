"""The study: decides, and does nothing else.

Pure: only the standard library, and of that no asyncio, clock, logging, environment or files. Time is an
argument (``now``, monotonic seconds), randomness too. ``scheduler.Scheduler`` is the one writer of the book.

Begin with ``events`` (what can be told), ``commands`` (what can be ordered), ``book`` (what is known) and
``scheduler``. ``settle`` alone decides, after every event: ``room`` walks over those who want to be up, asking
``policy`` who is next, ``placement`` what fits and ``eviction`` who must go; ``moves`` does it. People are told by
``view``, ``verdict``, ``explain``, ``forecast`` and ``told``, a story that is ``shared`` by all who listen. A
``ring`` keeps what came last. ``kinds`` is the table of engine kinds, which all rooms read; ``urls`` tells where
one is.
"""
