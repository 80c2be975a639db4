"""The meters and the scales: what the machine has, what models say they need, what engines really take.

Decides nothing: it hears the desk, and posts what it found.

May import ``core`` and ``tasks``.
"""
