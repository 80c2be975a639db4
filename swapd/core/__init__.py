"""The study: decides, and does nothing else.

Pure: only the standard library, and of that no asyncio, clock, logging, environment or files. Time is an
argument (``now``, monotonic seconds), randomness too. ``scheduler.Scheduler`` is the one writer of the book.
"""
